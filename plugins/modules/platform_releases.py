"""Documentation of the action ``platform_releases``; the code is in plugins/action/platform_releases.py."""

DOCUMENTATION = r"""
---
module: platform_releases
short_description: Read and record what of a service ran when
description:
  - The releases of each stack are an object in O(bucket), C(releases/STACK.json). A release is the image of a service
    with its digest, its settings and the names of its secrets' versions; who deployed it, when and by which verb, and
    how that ended.
  - Runs on the controller. Credentials, endpoint and region come from the variables C(aws_environment) and
    C(aws_region) of localhost.
options:
  state:
    description:
      - V(read) returns the releases.
      - V(begun) adds one for each service that is to change, before it changes.
      - V(ended) notes how these ended, and forgets releases that nobody can go back to.
    type: str
    choices: [read, begun, ended]
    default: read
  bucket:
    description: The bucket. Empty when nothing is recorded; there are no releases then.
    type: str
    default: ""
  stacks:
    description: Stacks as declared, with the full names of secrets instead of their values.
    type: dict
    default: {}
  images:
    description: Newest images of builds by name.
    type: dict
    default: {}
  declared_images:
    description: Images of builds by name, as they are before they are rebuilt.
    type: dict
    default: {}
  asked:
    description: What a verb wants of a service, as the role app takes it (C(app_asked)).
    type: dict
    default: {}
  verb:
    description: Which verb this is.
    type: str
    default: configure
  outcome:
    description: The result of C(app_stacks), for V(ended).
    type: dict
    default: {}
  show:
    description: Service (C(stack/service)) whose releases are printed, for V(read).
    type: str
    default: ""
notes:
  - In check mode nothing is written. Writing takes the lock of the platform.
author: BCSDLab
"""

EXAMPLES = r"""
- name: Read what runs
  platform_releases:
    bucket: koin-platform
    stacks: {koin-prod: {services: {api: {image: "koin/api:1"}}}}
  register: runs
"""

RETURN = r"""
releases:
  description: Releases by stack and service, the oldest first.
  returned: success
  type: dict
problem:
  description: What is wrong, and what to do.
  returned: failure
  type: str
"""
