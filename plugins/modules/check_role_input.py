"""Documentation of the action ``check_role_input``; the code is in plugins/action/check_role_input.py."""

DOCUMENTATION = r"""
---
module: check_role_input
short_description: Check the variables of the role that runs it
description:
  - The first task of a host role. Checks its variables with the rules that M(platform_check) applies to all of them
    (plugins/module_utils/platform/inputs), and those that need facts of the host.
  - Runs on the controller.
options: {}
author: BCSDLab
"""

EXAMPLES = r"""
- name: Check the input
  check_role_input:
"""

RETURN = r"""
problem:
  description: What is wrong, and what to do.
  returned: failure
  type: str
"""
