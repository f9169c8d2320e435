"""Documentation of the action ``platform_history``; the code is in plugins/action/platform_history.py."""

DOCUMENTATION = r"""
---
module: platform_history
short_description: List the runs, and say what changed in the account between two observations
description:
  - Every run that takes the lock of the platform leaves a record in the bucket C(platform_bucket). This prints them as
    a table, in the time zone of this machine.
  - With O(since) it also compares what runs have seen of the account, and the account now unless O(to) is given, and
    prints each field that changed with the run that did it. What no run of ours has planned is printed as outside, and
    fails the task.
  - Reads only. Runs on the controller.
options:
  since:
    description:
      - A moment as C(2026-11-27 03:15 KST) or C(2026-11-27), or a time ago as V(90m), V(2h), V(7d). The comparison
        begins with the last observation before it, or else with the first one after it.
    type: str
  to:
    description: The same, for the end. Without it, the end is the account now.
    type: str
  last:
    description: How many runs to list when O(since) is not given.
    type: int
    default: 20
author: BCSDLab
"""

EXAMPLES = r"""
- name: List the runs of today, and what changed since
  platform_history:
    since: 24h
"""

RETURN = r"""
runs:
  description: The runs that are listed, the oldest first.
  returned: success
  type: list
  elements: dict
  sample: [{who: kim@laptop:4711, what: provision, begin: "2026-11-28T05:03:07Z", result: ok, changed: 3}]
outside:
  description: How many fields changed outside, where O(since) is given.
  returned: success and failure
  type: int
problem:
  description: What changed outside, or what is wrong and what to do.
  returned: failure
  type: str
"""
