#!/usr/bin/python
"""Ansible module: removes old backups from the repository of role backup."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with suppress(ImportError):  # AnsibleAWSModule reports it
    import boto3

DOCUMENTATION = r"""
---
module: backup_retention
short_description: Remove old backups, from where that is allowed
description:
  - Runs C(restic forget) and C(restic prune) on a repository of role backup or backup_data. The host that makes the
    backups may not remove them, so this runs on the controller, with the rights of the operator.
  - Refuses to remove anything while a backup is dated in the future. Somebody who took the host over could add such
    backups, so that the others count as old.
  - Needs restic on the controller, 0.17 or newer, and the IAM actions C(s3:ListBucket), C(s3:GetObject),
    C(s3:PutObject) and C(s3:DeleteObject) on the bucket. In check mode it only tells what it would remove.
options:
  bucket:
    description: Bucket of the repository.
    type: str
    required: true
  path:
    description: Path of the repository in the bucket; empty for its top.
    type: str
    default: ""
  endpoint:
    description: URL of S3, as the controller reaches it.
    type: str
    required: true
  path_style:
    description: Whether the bucket is part of the path instead of the host name.
    type: bool
    default: false
  password:
    description: Password of the repository.
    type: str
    required: true
  host:
    description: Name under which the host stores its backups.
    type: str
    required: true
  keep:
    description: >-
      How many physical backups to keep, by V(daily), V(weekly) and V(monthly). Without O(logs_days), of everything that
      is backed up by itself.
    type: dict
    required: true
  logs_days:
    description: Days to keep binary logs. Any second within them can be restored. Only in a repository of role backup.
    type: int
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
author: BCSDLab
"""

EXAMPLES = r"""
- name: Remove old backups
  backup_retention:
    region: ap-northeast-2
    bucket: koin-backup
    endpoint: https://s3.ap-northeast-2.amazonaws.com
    password: "{{ backup_password }}"
    host: koin-db
    keep: {daily: 14, weekly: 8, monthly: 12}
    logs_days: 15
  delegate_to: localhost
  no_log: true
"""

RETURN = r"""
removed:
  description: >-
    Numbers of C(full) backups and of C(logs) that were removed, or would be; without O(logs_days), of C(data).
  type: dict
  returned: success
kept:
  description: Numbers of C(full) backups and of C(logs) that stay; without O(logs_days), of C(data).
  type: dict
  returned: success
"""

#: tells locks and wrong passwords by its exit status, and can wait for a lock
_MINIMUM = "0.17"
#: clocks of two machines differ
_AHEAD = timedelta(minutes=10)


class Restic:
    """restic on this machine, with the credentials of the operator."""

    def __init__(self, module: AnsibleAWSModule) -> None:
        self._module = module
        params = module.params
        credentials = boto3.session.Session(profile_name=params.get("profile") or None).get_credentials()
        if credentials is None:
            module.fail_json(msg="There are no AWS credentials. Set AWS_PROFILE, or run `aws sso login`.")
        keys = credentials.get_frozen_credentials()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RESTIC_"))},
            "RESTIC_REPOSITORY": f"s3:{params['endpoint']}/{params['bucket']}/{params['path']}".rstrip("/"),
            "RESTIC_PASSWORD": params["password"],
            "AWS_ACCESS_KEY_ID": keys.access_key,
            "AWS_SECRET_ACCESS_KEY": keys.secret_key,
            "AWS_SESSION_TOKEN": keys.token or "",
        }
        style = ["-o", "s3.bucket-lookup=path"] if params["path_style"] else []
        # The host stores binary logs every minute, and holds the lock of the repository for seconds then.
        self._begin = ["restic", "--retry-lock", "15m", "-o", f"s3.region={module.region}", *style]

    def run(self, *words: str) -> str:
        """What restic prints."""
        command = [*self._begin, *words]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " | ".join(done.stderr.strip().splitlines()[-3:])
            where = f"{self._module.params['bucket']} at {self._module.params['endpoint']}"
            self._module.fail_json(msg=f"`restic {words[0]}` failed for the bucket {where}: {said}")
        return done.stdout

    def forget(self, of: Sequence[str], words: Sequence[str], *, dry: bool) -> tuple[int, int]:
        """How many snapshots go, and how many stay. of: which ones, and what keeps its own number."""
        options = ["--host", self._module.params["host"], *of, *words, *(["--dry-run"] if dry else [])]
        output = self.run("forget", "--json", *options)
        groups = json.loads(output.strip().splitlines()[0]) if output.strip() else []
        return (
            sum(len(group.get("remove") or []) for group in groups),
            sum(len(group.get("keep") or []) for group in groups),
        )

    def prune(self, keep: Sequence[str], logs_days: int | None, *, dry: bool) -> dict[str, tuple[int, int]]:
        """Remove what is too old, by kind: how many go, and how many stay."""
        if logs_days is None:
            return {"data": self.forget(["--group-by", "host,paths"], keep, dry=dry)}
        found = {}
        # What was counted at each physical backup goes with it.
        for kind in ("full", "sums"):
            found[kind] = self.forget(["--tag", kind, "--group-by", "host"], keep, dry=dry)
        within = ["--keep-within", f"{logs_days}d"]
        found["logs"] = self.forget(["--tag", "logs", "--group-by", "host"], within, dry=dry)
        return {kind: found[kind] for kind in ("full", "logs")}


def installed() -> str:
    """What restic on this machine says about itself; empty without one."""
    try:
        return subprocess.run(["restic", "version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def unfit_for(said: str) -> str:
    """Why a restic cannot do this; empty if it can. said: to `restic version`."""
    advice = "(`apt install restic` on Debian 13, `brew install restic`, or from the releases at restic.net)"
    if not said:
        return f"restic is not on this machine: install {_MINIMUM} or newer {advice}."
    found = re.search(r"(\d+)\.(\d+)", said)
    if found and (int(found[1]), int(found[2])) < tuple(map(int, _MINIMUM.split("."))):
        return f"restic {found[0]} on this machine is too old: install {_MINIMUM} or newer {advice}."
    return ""


def in_the_future(snapshots: Sequence[Mapping[str, Any]], now: datetime) -> list[str]:
    """Backups that are dated later than now, by id and time."""
    # restic writes nanoseconds; to the second is enough.
    return [
        f"{item['short_id']} of {item['time']}"
        for item in snapshots
        if datetime.fromisoformat(item["time"][:19] + _zone(item["time"])) > now + _AHEAD
    ]


def _zone(time: str) -> str:
    return "+00:00" if time.endswith("Z") else time[-6:]


def main() -> None:
    """Module entry point."""
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]
    module = AnsibleAWSModule(
        argument_spec={
            "bucket": {"type": "str", "required": True},
            "path": {"type": "str", "default": ""},
            "endpoint": {"type": "str", "required": True},
            "path_style": {"type": "bool", "default": False},
            "password": {"type": "str", "required": True, "no_log": True},
            "host": {"type": "str", "required": True},
            "keep": {"type": "dict", "required": True},
            "logs_days": {"type": "int"},
        },
        supports_check_mode=True,
    )
    if unfit := unfit_for(installed()):
        module.fail_json(msg=unfit)
    restic = Restic(module)
    wrong = in_the_future(json.loads(restic.run("snapshots", "--json", "--no-lock")), datetime.now(UTC))
    if wrong:
        module.fail_json(
            msg=f"Nothing was removed: these backups are dated in the future: {', '.join(wrong)}. Is the clock of "
            f"{module.params['host']} wrong, or was the host taken over? Remove them with `restic forget ID`."
        )
    dry = module.check_mode
    keep = [word for unit, count in module.params["keep"].items() for word in (f"--keep-{unit}", str(count))]
    found = restic.prune(keep, module.params["logs_days"], dry=dry)
    removed, kept = ({kind: numbers[part] for kind, numbers in found.items()} for part in (0, 1))
    if not dry and any(removed.values()):
        restic.run("prune")
    module.exit_json(changed=any(removed.values()), removed=removed, kept=kept)


if __name__ == "__main__":
    main()
