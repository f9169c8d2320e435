"""Documentation of the action ``platform_lock``; the code is in plugins/action/platform_lock.py."""

DOCUMENTATION = r"""
---
module: platform_lock
short_description: Take, drop or free the lock of the platform
description:
  - One run at a time writes to the account or to its hosts. It holds the lock, an object in the bucket
    C(platform_bucket) that is made, renewed and taken away by conditional writes of S3.
  - A process of its own renews the lock every 20 seconds, and frees it when C(ansible-playbook) has ended, however that
    ended. If that process dies as well, others take the lock over 90 seconds after the last renewal.
  - Makes the bucket if it does not exist, after it has checked that the credentials are for C(aws_account_id).
  - Runs on the controller, once, whichever hosts the play has. Credentials, endpoint and region come from the variables
    C(aws_environment) and C(aws_region) of localhost.
options:
  state:
    description:
      - V(held) takes the lock. If this run has it already, it makes sure that it still has; if it was lost, it fails.
      - V(dropped) frees the lock of this run, if the command runs the playbook O(of).
      - V(unlocked) says who holds the lock, and frees it if that is O(holder).
    type: str
    choices: [held, dropped, unlocked]
    default: held
  wait:
    description:
      - How long to wait for another run before failing, in seconds or, e.g., V(15m) or V(1h).
    type: str
    default: "0"
  of:
    description:
      - The playbook at whose end this is, as C(provision). An imported one leaves the lock to the one that imports it.
    type: str
  holder:
    description: Who holds the lock, as the message says it (C(user@host:process)); with O(state=unlocked).
    type: str
notes:
  - In check mode nothing is taken, dropped or freed.
author: BCSDLab
"""

EXAMPLES = r"""
- name: Take the lock, after another run if need be
  platform_lock:
    wait: 15m
  run_once: true

- name: Drop the lock
  platform_lock:
    state: dropped
    of: provision
  run_once: true

- name: Free the lock of a holder
  platform_lock:
    state: unlocked
    holder: kim@laptop:4711
  run_once: true
"""

RETURN = r"""
holder:
  description: Who holds the lock now; empty when nobody does.
  returned: success, with O(state=held) and O(state=unlocked)
  type: str
  sample: kim@laptop:4711
problem:
  description: Who holds the lock, since when, and what to do.
  returned: failure
  type: str
"""
