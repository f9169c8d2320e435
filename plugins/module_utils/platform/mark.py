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
#: seconds after which a mark from another machine is left behind; longer than any single step waits (1800)
OLD = 3600

_ERRORS = (BotoCoreError, ClientError)


def take(clients: Clients, process: int) -> str:
    """Leave the mark, and return what tells it from others. process: what ends when the run ends."""
    ssm, own = clients["ssm"], str(uuid.uuid4())
    content = {"run": own, "who": _user(), "host": _host(), "process": process, "began": _began(process)}
    value = json.dumps({**content, "since": int(time.time())})
    try:
        ssm.put_parameter(Name=NAME, Value=value, Type="String", Overwrite=False)
        return own
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterAlreadyExists":
            raise explain(error, ssm) from error
    except BotoCoreError as error:
        raise explain(error, ssm, ACTIONS[2]) from error
    holder, version = _read(clients)
    # The answer to our own may have been lost.
    if holder.get("run") == own:
        return own
    if holder and not _left_behind(holder):
        raise PlatformError(_refusal(holder))
    try:
        number = ssm.put_parameter(Name=NAME, Value=value, Type="String", Overwrite=True)["Version"]
    except _ERRORS as error:
        raise explain(error, ssm, ACTIONS[2]) from error
    if version and number != version + 1:
        raise PlatformError(_refusal(_read(clients)[0] | {"who": "somebody else"}))
    return own


def release(clients: Clients, own: str) -> None:
    """Take the mark away if it is still the own one. What fails here does not matter: the process ends soon."""
    try:
        if _read(clients)[0].get("run") == own:
            clients["ssm"].delete_parameter(Name=NAME)
    except (PlatformError, *_ERRORS):
        return


def _read(clients: Clients) -> tuple[dict[str, Any], int]:
    ssm = clients["ssm"]
    try:
        found = ssm.get_parameter(Name=NAME)["Parameter"]
        return dict(json.loads(found["Value"])), int(found["Version"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ParameterNotFound":
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
