"""Documentation of the action ``platform_destroy``; the code is in plugins/action/platform_destroy.py."""

DOCUMENTATION = r"""
---
module: platform_destroy
short_description: Delete what is declared
description:
  - Says what of the declared platform is there and would be deleted, and what stays and why.
  - Deletes it in order, one after the other, and looks again. What is not declared is never touched, and what
    something undeclared needs stays.
  - Runs on the controller. Credentials, endpoint and region come from the variable C(aws_environment).
options:
  state:
    description: V(planned) only says it; V(absent) deletes.
    type: str
    choices: [planned, absent]
    default: planned
  only:
    description: One resource as the plan names it, with what belongs to it, such as V(bucket koin-archive).
    type: str
    default: ""
  name:
    description: Name of the platform, which is its tag C(Platform). Nothing is deleted without it.
    type: str
    default: ""
  shown:
    description: What was said to be deleted; with V(absent), anything else is refused.
    type: list
    elements: str
    default: []
author: BCSDLab
"""

EXAMPLES = r"""
- name: Say what would be deleted
  platform_destroy:
  register: found

- name: Delete it
  platform_destroy:
    state: absent
    name: koin
    shown: "{{ found.doomed }}"
"""

RETURN = r"""
doomed:
  description: What would be deleted, in order.
  returned: with V(planned)
  type: list
  elements: str
kept:
  description: What stays, and why.
  returned: with V(planned)
  type: dict
deleted:
  description: What was deleted.
  returned: with V(absent)
  type: list
  elements: str
problem:
  description: Why it was not done, and what to do.
  returned: failure
  type: str
"""
