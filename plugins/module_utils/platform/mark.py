"""The mark that a provision leaves in the account while it writes: one at a time.

A parameter of SSM, because making one without overwriting is atomic, and overwriting one says how often that was done.
It says who provisions, from where, since when. A run that was killed leaves its mark behind; the next one takes it
over, at once on the same machine, where it sees that the process is gone, elsewhere when the mark is old.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
import uuid
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .engine.errors import PlatformError
from .engine.session import Clients, explain

#: the parameter
NAME = "/platform/provision"
#: what it takes
ACTIONS = ("ssm:DeleteParameter", "ssm:GetParameter", "ssm:PutParameter")
#: seconds after which a mark from another machine is left behind; longer than any run takes
OLD = 4 * 3600
#: times that a mark is asked for which is gone when it is looked at
ATTEMPTS = 5

_ERRORS = (BotoCoreError, ClientError)


def take(clients: Clients, process: int) -> str:
    """Leave the mark, and return what tells it from others. process: what ends when the run ends."""
    ssm, own = clients["ssm"], str(uuid.uuid4())
    content = {"run": own, "who": _user(), "host": _host(), "process": process, "began": _began(process)}
    value = json.dumps({**content, "since": int(time.time())})
    holder: dict[str, Any] = {}
    for _ in range(ATTEMPTS):
        if _put(ssm, value, overwrite=False):
            return own
        holder, version = _read(clients)
        # The answer to our own may have been lost.
        if holder.get("run") == own:
            return own
        if not holder:
            continue
        if not _left_behind(holder):
            break
        number = _put(ssm, value, overwrite=True)
        after, _ = _read(clients) if number == version + 1 else _version(clients, version + 1)
        if after.get("run") == own:
            return own
        # Somebody else took it over first: what we have written over is put back.
        if after:
            _put(ssm, json.dumps(after), overwrite=True)
            holder = after
        break
    raise PlatformError(_refusal(holder))


def _put(ssm: Any, value: str, *, overwrite: bool) -> int:
    """The version that was written; 0 when there is one already."""
    try:
        return int(ssm.put_parameter(Name=NAME, Value=value, Type="String", Overwrite=overwrite)["Version"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterAlreadyExists":
            return 0
        raise explain(error, ssm) from error
    except BotoCoreError as error:
        raise explain(error, ssm, ACTIONS[2]) from error


def _version(clients: Clients, number: int) -> tuple[dict[str, Any], int]:
    """The mark as it was written at a version."""
    return _read(clients, f"{NAME}:{number}")


def release(clients: Clients, own: str) -> None:
    """Take the mark away if it is still the own one. What fails here does not matter: the process ends soon."""
    try:
        if _read(clients)[0].get("run") == own:
            clients["ssm"].delete_parameter(Name=NAME)
    except (PlatformError, *_ERRORS):
        return


def _read(clients: Clients, name: str = NAME) -> tuple[dict[str, Any], int]:
    ssm = clients["ssm"]
    try:
        found = ssm.get_parameter(Name=name)["Parameter"]
        return dict(json.loads(found["Value"])), int(found["Version"])
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ParameterNotFound", "ParameterVersionNotFound"):
            return {}, 0
        raise explain(error, ssm) from error
    except BotoCoreError as error:
        raise explain(error, ssm, ACTIONS[1]) from error
    except (ValueError, TypeError) as error:
        raise PlatformError(f"The SSM parameter {NAME} is not ours: it holds no JSON. Rename or delete it.") from error


def _left_behind(holder: dict[str, Any]) -> bool:
    """Whether the run that left the mark has ended without taking it away."""
    if holder.get("host") != _host():
        return time.time() - float(holder.get("since", 0)) > OLD
    return _began(int(holder.get("process", 0))) != holder.get("began")


def _began(process: int) -> str:
    """When a process of this machine began; empty when it does not run."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    try:
        # Its name, in brackets, may hold spaces.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "running"
    return "" if fields[0] == "Z" else fields[19]


def _host() -> str:
    return socket.gethostname()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _refusal(holder: dict[str, Any]) -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(holder.get("since", 0))))
    who = f"{holder.get('who', '?')} on {holder.get('host', '?')} (process {holder.get('process', '?')})"
    return (
        f"Another provision is under way, by {who} since {since}. Wait until it has ended, then run again. "
        f"If it does not run any more: aws ssm delete-parameter --name {NAME}"
    )
