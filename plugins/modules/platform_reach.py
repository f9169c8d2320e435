"""Documentation of the action ``platform_reach``; the code is in plugins/action/platform_reach.py."""

DOCUMENTATION = r"""
---
module: platform_reach
short_description: Show who can reach whom over the network, or explain one path
description:
  - Computes from routes, internet gateways, network ACLs, security groups and addresses what the internet,
    administrators and each host reach of every host, and prints it.
  - With O(source) and O(target), prints what one connection meets, up to the first rule that denies it, each with the
    place of its declaration; and fails when the path is not as expected.
  - Writes nothing. Runs on the controller. Credentials, endpoint and region come from the variable C(aws_environment).
options:
  source:
    description: C(internet), C(administrators), a host, or an address or a range outside.
    type: str
  target:
    description: The same. One of the two is a host.
    type: str
  port:
    description: Destination port; required for tcp and udp.
    type: int
  protocol:
    description: C(tcp), C(udp), C(esp) or C(icmp) (an echo).
    type: str
    default: tcp
  of:
    description: >-
      Whether to look at what the C(account) has, or at what it will be by the C(declaration). The declaration, when
      the account has no hosts yet, and else the account.
    type: str
  expect:
    description: Whether the path should be V(open) or V(closed).
    type: str
    default: open
  show:
    description: Whether to print anything; for a play that wants the data only. Without O(source) and O(target).
    type: bool
    default: true
author: BCSDLab
"""

EXAMPLES = r"""
- name: Show who reaches whom
  platform_reach:

- name: Make sure that the database is closed
  platform_reach:
    source: internet
    target: KOIN_DB
    port: 3306
    expect: closed
"""

RETURN = r"""
reach:
  description: The matrix as plain data, as C(reach.matrix.as_data) describes it; without O(source) and O(target).
  returned: success
  type: dict
open:
  description: >-
    The ports of each host that anybody else reaches, with answers: by host and protocol (tcp, udp), as lists of first
    and last port; without O(source) and O(target).
  returned: success
  type: dict
verdicts:
  description: >-
    For each version of IP that both ends have, V(passes), V(passes from some addresses only), V(arrives, no answer) or
    V(does not pass).
  returned: with source and target
  type: list
  elements: str
problem:
  description: What is wrong, and what to do.
  returned: failure
  type: str
"""
