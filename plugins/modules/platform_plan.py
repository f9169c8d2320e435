"""Documentation of the action ``platform_plan``; the code is in plugins/action/platform_plan.py."""

DOCUMENTATION = r"""
---
module: platform_plan
short_description: Compare the declared platform with the account
description:
  - Checks every variable whose name begins with C(aws_) against the argument specs of the C(aws_*) roles and against
    each other, takes one snapshot of the account, and lists what has to be created or changed, field by field.
  - Also lists what cannot be changed in place (C(replace)) and what exists but is not declared (C(unmanaged)).
  - Writes nothing to AWS. Sets C(platform_actions) (what to do, by kind of resource) and C(platform_ids) (what is
    known, by kind and declared name) for the tasks that follow.
  - Runs on the controller. Credentials, endpoint and region come from the variable C(aws_environment).
options:
  save:
    description:
      - File on the controller to save the plan to, as JSON, for O(reviewed) and for scripts; readable for its owner.
    type: path
  reviewed:
    description:
      - File of a plan that was saved. Fails, naming what has changed, unless the plan, the declaration and the account
        are what the file says.
    type: path
  show:
    description:
      - V(all) prints the whole plan. The others print it only if there is something to create or change; otherwise
        V(changes) prints one line, and V(result) the warnings as well.
    type: str
    choices: [all, changes, result]
    default: all
  expect_none:
    description: Whether to fail if anything is left to create or change.
    type: bool
    default: false
  kinds:
    description: Names of the kinds to plan, such as C(subnet); nothing else is read. All of them when none is named.
    type: list
    elements: str
    default: []
author: BCSDLab
"""

EXAMPLES = r"""
- name: Show what provisioning would do, and save it
  platform_plan:
    save: koin.plan

- name: Plan what was reviewed, and nothing else
  platform_plan:
    reviewed: koin.plan

- name: Fail when the account has drifted
  platform_plan:
    show: changes
    expect_none: true
"""

RETURN = r"""
counts:
  description: Number of actions of each kind in the plan.
  returned: success
  type: dict
  sample: {create: 2, change: 1, replace: 0, unmanaged: 4}
problem:
  description: What is wrong, where it is declared, and what to do.
  returned: failure
  type: str
"""
