"""Documentation of the action ``platform_status``; the code is in plugins/action/platform_status.py."""

DOCUMENTATION = r"""
---
module: platform_status
short_description: Show how the platform is on one screen
description:
  - Prints hosts, services, certificates, backups and alerts, at most 80 columns wide, and fails when something needs
    attention.
  - Runs on the controller, once. Reads CloudWatch's alarms and the balance of CPU credits with the variables
    C(aws_environment) and C(aws_region) of localhost; if that fails, it shows the rest.
options:
  hosts:
    description: Result of M(host_status) by host; without C(status) for one that did not answer.
    type: dict
    required: true
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
  instances:
    description: Id and type of the instance by host. Where the type has CPU credits, their balance is shown.
    type: dict
    default: {}
author: BCSDLab
"""

EXAMPLES = r"""
- name: Show how the platform is
  platform_status:
    hosts: {}
"""

RETURN = r"""
attention:
  description: What somebody should look at.
  returned: always
  type: list
  elements: str
"""
