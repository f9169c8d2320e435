"""Documentation of the action ``platform_each``; the code is in plugins/action/platform_each.py."""

DOCUMENTATION = r"""
---
module: platform_each
short_description: Call a module for each action of a kind in the plan
description:
  - A loop over C(platform_actions[kind]), as C(platform_plan) has set it. Without actions nothing is called.
  - The module runs on the controller, several at a time, in forks of a process that has loaded it already; ten
    calls take about as long as two started the usual way.
  - Check mode calls nothing, because the plan is the preview.
options:
  kind:
    description: Kind of resource, such as C(subnet).
    type: str
    required: true
  module:
    description: Full name of the module.
    type: str
    required: true
  arguments:
    description:
      - Name of the variable that holds the module's arguments; usually one of the task's own C(vars).
      - It is templated for each action, which is available as C(item), with the keys C(name), C(action) (V(create) or
        V(change)), C(id), C(entry) (the declared entry), C(changed) (names of the fields) and C(part).
    type: str
    required: true
  returns:
    description: Attribute to remember of the resource in C(platform_ids), and where in the module's result it is.
    type: dict
  only:
    description: Apply only actions of this type.
    type: str
    choices: [create, change]
  first:
    description: Type of the actions that are over before the others begin.
    type: str
    choices: [create, change]
  fields:
    description: Apply only actions that touch a field matching one of these patterns.
    type: list
    elements: str
  parts:
    description: Name of a variable that is a list for each action; one call for each element, which is C(item.part).
    type: str
  note:
    description:
      - What the task does to a resource that another task has created or changed already, as C(rules).
        Printed with the resource's name; without it the resource is said to be created or changed.
    type: str
  parallel:
    description: Number of calls at the same time.
    type: int
    default: 4
author: BCSDLab
"""

EXAMPLES = r"""
- name: Apply the subnets
  platform_each:
    kind: subnet
    module: amazon.aws.ec2_vpc_subnet
    arguments: __aws_network_arguments
    returns: {id: subnet.id}
  vars:
    __aws_network_arguments:
      vpc_id: "{{ platform_ids.vpc[item.entry.vpc].id }}"
      cidr: "{{ item.entry.cidr }}"
      az: "{{ item.entry.zone }}"
"""

RETURN = r"""
results:
  description: Results of the calls, in the order of the plan.
  returned: when anything was called
  type: list
  elements: dict
problem:
  description: Which resources failed and why.
  returned: failure
  type: str
"""
