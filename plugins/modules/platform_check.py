"""Documentation of the action ``platform_check``; the code is in plugins/action/platform_check.py."""

DOCUMENTATION = r"""
---
module: platform_check
short_description: Check everything that is declared, before contacting AWS or any host
description:
  - Checks the variables whose name begins with C(aws_), and for every host of C(aws_compute_instances), with its own
    variables, every role that C(playbooks/configure.yml) applies to it, against the roles' argument specs and rules.
  - Fails with every problem at once, each with its variable, file and line, and what to write.
  - Runs on the controller. Needs no credentials.
  - Also checks what the command asks for by O(plan) and O(save).
options:
  plan:
    description:
      - File of a saved plan that is to be carried out. It has to be whole and as it was saved, and the command has to
        provision as a whole.
    type: path
  save:
    description: File to save a plan to; the command has to plan.
    type: path
author: BCSDLab
"""

EXAMPLES = r"""
- name: Check the declaration
  platform_check:
  run_once: true
"""

RETURN = r"""
problem:
  description: What is wrong, where it is declared, and what to do.
  returned: failure
  type: str
"""
