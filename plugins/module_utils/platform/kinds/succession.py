"""A host that is being replaced: the former instance is called NAME-old, and serves until it has handed over. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from .base import tags_of

#: what the Name of the former instance ends with
FORMER = "-old"
#: the tag of a former instance that serves no longer
HANDED_OVER = "HandedOver"


def successor(tags: Mapping[str, str], declared: Container[str]) -> str:
    """The declared host whose place an instance with these tags still holds; empty for any other instance."""
    name = tags.get("Name", "")
    host = name.removesuffix(FORMER)
    former = host != name and name not in declared and host in declared
    return host if former and HANDED_OVER not in tags else ""


def serves_for(raw: Mapping[str, Any], declared: Container[str]) -> str:
    """The declared host whose place a former instance still holds; empty for any other instance.

    raw: as EC2 describes it. declared: the names of the declared instances.
    """
    # One that has stopped by itself serves nobody, but has what its successor lacks.
    gone = raw["State"]["Name"] in ("shutting-down", "terminated")
    return "" if gone else successor(tags_of(raw), declared)


def served_at(address: Mapping[str, Any], instances: Iterable[Mapping[str, Any]], declared: Container[str]) -> str:
    """The declared host that a former instance serves for at an elastic IP; empty for any other holder."""
    holders = (raw for raw in instances if raw["InstanceId"] == address.get("InstanceId"))
    return next((serves_for(raw, declared) for raw in holders), "")
