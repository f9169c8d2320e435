"""Whether hosts of another architecture than this machine's are to be emulated. Pure but for the machine's name."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .errors import LocalHostsError

#: EC2's and Debian's name of the one architecture that can be emulated
ARM = "arm64"
#: `make rehearse ARM=1` sets it
VARIABLE = "REHEARSAL_ARM"
_ANSWERS = {"": False, "0": False, "no": False, "false": False, "1": True, "yes": True, "true": True}


def machine() -> str:
    """This machine's architecture as EC2 names it."""
    name = os.uname().machine
    return {"aarch64": ARM}.get(name, name)


def asked(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the operator wants arm64 instances to be arm64 hosts."""
    value = (os.environ if environ is None else environ).get(VARIABLE, "")
    try:
        return _ANSWERS[value.lower()]
    except KeyError:
        raise LocalHostsError(f"{VARIABLE} is {value!r}: set it to 1 to emulate {ARM} instances, or unset it") from None


def emulated(architecture: str, machine: str) -> bool:
    """Whether a host of this architecture has to be emulated here; "" is the machine's own."""
    if architecture in ("", machine):
        return False
    if architecture == ARM:
        return True
    raise LocalHostsError(f"hosts of the architecture {architecture} cannot run on this machine ({machine})")


def shown(architecture: str, machine: str, *, emulated: bool) -> str:
    """The architecture of an instance, and what its host has instead, for people."""
    if emulated:
        return f"{architecture}, emulated"
    return architecture if architecture == machine else f"{architecture}, runs as this machine's"
