"""Documentation of the action ``platform_report``; the code is in plugins/action/platform_report.py."""

DOCUMENTATION = r"""
---
module: platform_report
short_description: Write one HTML page that shows the platform
description:
  - Checks the declared variables, takes one snapshot of the account, plans, reads the records of runs, and writes all
    of that as one HTML file in English and Korean, which loads nothing.
  - Writes nothing to AWS. What the account alone does not tell, such as what runs inside hosts, the page calls unknown.
  - Runs on the controller. Credentials, endpoint and region come from the variable C(aws_environment).
options:
  file:
    description: Where to write the page; readable for its owner only, since it tells of the whole account.
    type: path
    default: report.html
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
problem:
  description: What is wrong, where it is declared, and what to do.
  returned: failure
  type: str
"""
