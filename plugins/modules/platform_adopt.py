"""Documentation of the action ``platform_adopt``; the code is in plugins/action/platform_adopt.py."""

DOCUMENTATION = r"""
---
module: platform_adopt
short_description: Make the declaration follow the account
description:
  - Writes what the account has into C(group_vars/), so that the plan is empty for it. Comments, and every line that
    says nothing else than before, stay as they are.
  - Checks the whole declaration, and plans, before it writes anything. A value that a template computes, or that others
    repeat, is never overwritten; the message names file and line.
  - Reads the account only. Runs on the controller; credentials come from the variable C(aws_environment).
options:
  what:
    description:
      - The resource as the plan names it, such as V(record old.koreatech.in A), or V(all) for everything that the plan
        lists as not declared. Without it, nothing is written.
    type: str
    default: ""
  keep:
    description: V(live) also follows what is declared and differs.
    type: str
    choices: ["", live]
    default: ""
author: BCSDLab
"""

EXAMPLES = r"""
- name: Declare a record that somebody made in the console
  platform_adopt:
    what: record old.koreatech.in A

- name: Keep the versioning that somebody switched off
  platform_adopt:
    what: bucket kap-test
    keep: live
"""

RETURN = r"""
adopted:
  description: What is declared now as the account has it.
  returned: success
  type: list
  elements: str
files:
  description: Files that were written.
  returned: success
  type: list
  elements: str
problem:
  description: Why nothing was written, and what to do.
  returned: failure
  type: str
"""
