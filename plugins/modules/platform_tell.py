"""Documentation of the action ``platform_tell``; the code is in plugins/action/platform_tell.py."""

DOCUMENTATION = r"""
---
module: platform_tell
short_description: Print a text as it is
description:
  - Prints what a verb has to say, without the frame of a task's result. Runs on the controller.
options:
  text:
    description: The text, or its lines.
    type: raw
    required: true
author: BCSDLab
"""

EXAMPLES = r"""
- name: Say what is true now
  platform_tell:
    text: koin-prod/api runs koin/api:1.4.
"""

RETURN = r"""
changed:
  description: Always false.
  returned: success
  type: bool
"""
