"""Documentation of the action ``platform_report``; the code is in plugins/action/platform_report.py."""

DOCUMENTATION = r"""
---
module: platform_report
short_description: Write one HTML page that shows the platform
description:
  - Checks the declared variables, takes one snapshot of the account, plans, reads the records of runs, and writes all
    of that as one HTML file in English and Korean, which loads nothing.
  - Writes nothing to AWS. What runs inside hosts the account does not tell. Where no host was asked, the page says so.
  - Runs on the controller. Credentials, endpoint and region come from the variable C(aws_environment).
options:
  file:
    description: Where to write the page; readable for its owner only, since it tells of the whole account.
    type: path
    default: report.html
  hosts:
    description: >-
      Result of M(host_status) by host; without C(status) for one that did not answer. Empty if none was asked.
    type: dict
    default: {}
  missing:
    description: Declared hosts that are not in the inventory.
    type: list
    elements: str
    default: []
  backups:
    description: Backups that are expected, by name, as role monitoring has them.
    type: dict
    default: {}
  monitored:
    description: Whether a host runs Prometheus, whose alerts should be known.
    type: bool
    default: true
author: BCSDLab
"""

EXAMPLES = r"""
- name: Write the page
  platform_report:
    file: report.html
"""

RETURN = r"""
path:
  description: Where the page is.
  returned: success
  type: str
counts:
  description: Number of actions of each kind in the plan.
  returned: success
  type: dict
  sample: {create: 2, change: 1, replace: 0, unmanaged: 4}
silent:
  description: Hosts that were asked and did not answer.
  returned: success
  type: list
  elements: str
problem:
  description: What is wrong, where it is declared, and what to do.
  returned: failure
  type: str
"""
