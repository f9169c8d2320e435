"""Documentation of the action ``host_try``; the code is in plugins/action/host_try.py."""

DOCUMENTATION = r"""
---
module: host_try
short_description: Run a command on every host that answers
description:
  - Runs a command. A host that does not answer, or where it fails, says so in RV(why) and stops no other host; a later
    task has to look.
options:
  argv:
    description: The command and its arguments.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    support: full
author: BCSDLab
"""

EXAMPLES = r"""
- name: Switch maintenance on
  host_try:
    argv: [edge-maintenance, "on", all]
  register: maintained
"""

RETURN = r"""
why:
  description: Why it was not done; empty if it was.
  returned: always
  type: str
stdout_lines:
  description: What the command printed.
  returned: always
  type: list
  elements: str
"""
