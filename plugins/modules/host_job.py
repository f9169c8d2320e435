"""Documentation of the action ``host_job``; the code is in plugins/action/host_job.py."""

DOCUMENTATION = r"""
---
module: host_job
short_description: Run a command that takes long, and show how far it is
description:
  - Runs a command in the background of the host, reads every few seconds what it says about itself, and shows it when
    it is at something else, and from time to time.
  - A connection that is lost meanwhile is taken up again; the command goes on.
options:
  argv:
    description: The command and its arguments.
    type: list
    elements: str
    required: true
  stage:
    description: File of the host in which the command says in a line what it does now. It may be missing, or empty.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: The command is not run.
author: BCSDLab
"""

EXAMPLES = r"""
- name: Fill a scratch server
  host_job:
    argv: [koin-backup, restore, --to, latest]
    stage: /run/koin-backup/stage
  register: restored
"""

RETURN = r"""
rc:
  description: Exit status of the command. The task fails unless it is 0.
  returned: when it was run
  type: int
stdout:
  description: What the command printed; RV(stdout_lines) as lines, RV(stderr) and RV(stderr_lines) likewise.
  returned: when it was run
  type: str
"""
