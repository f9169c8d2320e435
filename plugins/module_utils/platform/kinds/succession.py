"""A host that is being replaced: the former instance is called NAME-old, and serves until it has handed over. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from .base import called, tags_of

#: what the Name of the former instance ends with
FORMER = "-old"
#: the tag of a former instance that serves no longer
HANDED_OVER = "HandedOver"


def serves_for(raw: Mapping[str, Any], declared: Container[str]) -> str:
    """The declared host whose place a former instance still holds; empty for any other instance.

    raw: as EC2 describes it. declared: the names of the declared instances.
    """
    name = called(raw)
    successor = name.removesuffix(FORMER)
    if successor == name or name in declared or successor not in declared:
        return ""
    # One that has stopped by itself serves nobody, but has what its successor lacks.
    gone = raw["State"]["Name"] in ("shutting-down", "terminated")
    return successor if not gone and HANDED_OVER not in tags_of(raw) else ""


def served_at(address: Mapping[str, Any], instances: Iterable[Mapping[str, Any]], declared: Container[str]) -> str:
    """The declared host that a former instance serves for at an elastic IP; empty for any other holder."""
    holders = (raw for raw in instances if raw["InstanceId"] == address.get("InstanceId"))
    return next((serves_for(raw, declared) for raw in holders), "")
