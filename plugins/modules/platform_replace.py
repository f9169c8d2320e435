"""Documentation of the action ``platform_replace``; the code is in plugins/action/platform_replace.py."""

DOCUMENTATION = r"""
---
module: platform_replace
short_description: Replace a host, as far as the account goes
description:
  - Finds the next step of a replacement from the account, and says why it is not to be taken. There is no state file,
    so a run that was killed is gone on with by the next.
  - Makes the calls of a replacement that no role makes. Launching the new instance is the work of role aws_compute.
  - Runs on the controller. Credentials, endpoint and region come from the variable C(aws_environment).
options:
  host:
    description: The declared host, by its Name or its inventory name.
    type: str
    required: true
  state:
    description:
      - V(planned) says what comes next, and fails if something keeps it from being done.
      - V(renamed) gives the name of the live instance away, so that its successor can have it.
      - V(handed_over) moves the elastic IP to the new instance, and marks the former one.
      - V(stopped) shuts the former instance down; its disk stays.
      - V(terminated) deletes the former instance, which has to be stopped.
    type: str
    choices: [planned, renamed, handed_over, stopped, terminated]
    default: planned
  name:
    description: Name of the host, for roles whose hosts are never deleted. With another name nothing is done.
    type: str
    default: ""
  without:
    description: What stays on the former host, and may, separated by commas, such as V(images).
    type: str
    default: ""
  former:
    description: Name of the instance to be terminated.
    type: str
    default: ""
author: BCSDLab
"""

EXAMPLES = r"""
- name: Find the next step
  platform_replace:
    host: koin-prod
  register: found

- name: Give the name away
  platform_replace:
    host: koin-prod
    state: renamed
  when: found.step == 'rename'
"""

RETURN = r"""
step:
  description: What comes next, V(rename), V(launch), V(hand over), V(stop) or V(done).
  returned: success
  type: str
name:
  description: Name of the host.
  returned: success
  type: str
functions:
  description: The functions of the host.
  returned: success
  type: list
  elements: str
asks:
  description: Whether the name has to be typed.
  returned: success
  type: bool
address:
  description: Elastic IP of the host; empty without one.
  returned: success
  type: str
former:
  description: Inventory name of the former instance; empty without one.
  returned: success
  type: str
problem:
  description: Why it was not done, and what to do.
  returned: failure
  type: str
"""
