"""Replacement of a host: which step comes next, and what keeps it from being taken. Pure.

There is no state file: the step follows from the instances. The live one is called NAME; it becomes NAME-old before its
successor is launched, and gets a tag when it has handed over (``kinds/succession``).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from .kinds.base import called, label, tags_of
from .kinds.compute import ALIVE, DATABASE, FRESH
from .kinds.succession import FORMER, HANDED_OVER

#: function -> the word with which an operator agrees, and what stays on the former host
LEFT_BEHIND = {
    "cache": ("cache", "what the cache holds"),
    "registry": ("images", "the images of the registry; declared ones are built again, others have to be pushed again"),
    "monitoring": ("history", "what Prometheus has recorded"),
}

Raw = Mapping[str, Any]


class Step(StrEnum):
    """What comes next."""

    RENAME = "rename"
    LAUNCH = "launch"
    HAND_OVER = "hand over"
    STOP = "stop"
    DONE = "done"


@dataclass(frozen=True)
class Facts:
    """What a replacement follows from.

    entries: the declared instances. instances: as EC2 describes them. subnet: the range of the new one.
    held: private addresses that are in use there. verified: when a backup was last proved to be restorable.
    without: what the operator agrees to lose. others: what else provisioning would do.
    """

    name: str
    entries: Mapping[str, Mapping[str, Any]]
    instances: Sequence[Raw]
    subnet: str = ""
    held: Collection[str] = ()
    verified: datetime | None = None
    without: Collection[str] = ()
    others: Sequence[str] = ()

    @property
    def entry(self) -> Mapping[str, Any]:
        """What is declared of the host."""
        return self.entries[self.name]


@dataclass(frozen=True)
class Replacement:
    """step: None when nothing can be done. problems: why the step is not taken, each with what to do."""

    step: Step | None
    current: Raw | None = None
    former: Raw | None = None
    problems: tuple[str, ...] = ()


def decide(facts: Facts, now: datetime) -> Replacement:
    """The next step of a declared host, and whether it may be taken."""
    found = [_live(facts.instances, name) for name in (facts.name, facts.name + FORMER)]
    doubled = tuple(_doubled(live) for live in found if len(live) > 1)
    if doubled:
        return Replacement(None, problems=doubled)
    current, former = (live[0] if live else None for live in found)
    step, problem = _step(facts.name, current, former)
    if step is None:
        return Replacement(None, current, former, (problem,))
    problems: list[str] = []
    if step is Step.RENAME and current:
        problems += [*_unsupported(facts), *_stopped(current), *_address(facts, current)]
        problems += [*_left_behind(facts, current), *_unsaved(facts, now)]
    if step in (Step.RENAME, Step.LAUNCH, Step.HAND_OVER):
        problems += _elsewhere(facts)
    return Replacement(step, current, former, tuple(problems))


def _live(instances: Sequence[Raw], name: str) -> list[Raw]:
    return [raw for raw in instances if called(raw) == name and raw["State"]["Name"] in ALIVE]


def _doubled(live: Sequence[Raw]) -> str:
    ids = ", ".join(raw["InstanceId"] for raw in live)
    return f"Several instances are called {called(live[0])}: {ids}. Rename all but one in the account."


def _step(name: str, current: Raw | None, former: Raw | None) -> tuple[Step | None, str]:
    if former is None:
        if current is None:
            return None, f"There is no instance {name} that could be replaced. Provisioning launches it."
        return Step.RENAME, ""
    serving = former["State"]["Name"] in ("pending", "running")
    handed_over = HANDED_OVER in tags_of(former)
    if current is None:
        if serving and not handed_over:
            return Step.LAUNCH, ""
        return None, (
            f"{_text(former)} serves no longer, and its successor is gone. Name it {name} again, remove its tag "
            f"{HANDED_OVER} and start it, or restore what it had: docs/operations.md, `Replace a host`."
        )
    if not serving and not handed_over:
        return None, (
            f"{_text(former)} is {former['State']['Name']} and has not handed over: what it holds is nowhere else. "
            f"Start it, and hand over. If it is given up, give it the tag {HANDED_OVER}."
        )
    if serving:
        return (Step.STOP if handed_over else Step.HAND_OVER), ""
    return Step.DONE, ""


def _text(raw: Raw) -> str:
    return label(raw["InstanceId"], called(raw))


def _unsupported(facts: Facts) -> Iterator[str]:
    """What is not done yet: hosts that share a Swarm with others."""
    swarm = facts.entry.get("swarm")
    others = [name for name, entry in facts.entries.items() if swarm and entry.get("swarm") == swarm]
    others = [name for name in others if name != facts.name]
    if others:
        yield (
            f"{facts.name} is in Swarm {swarm} with {', '.join(others)}. Hosts that share a Swarm cannot be replaced "
            "with this playbook yet: docs/operations.md, `Replace a host`, says how to do it by hand."
        )


def _stopped(current: Raw) -> Iterator[str]:
    if current["State"]["Name"] != "running":
        yield f"{_text(current)} is {current['State']['Name']}. Start it: it serves until its successor takes over."


def _address(facts: Facts, current: Raw) -> Iterator[str]:
    """AWS gives an address to no other instance before the one that has it is terminated."""
    wanted = facts.entry.get("private_ip")
    if not wanted or wanted not in facts.held:
        return
    free = free_address(facts)
    other = f"Write another one ({free} is free), or" if free else "Without a free one in the subnet,"
    holder = _text(current) if wanted == current.get("PrivateIpAddress") else "something else in the subnet"
    yield (
        f"aws_compute_instances.{facts.name}.private_ip: {wanted} is held by {holder}, and AWS gives it to no other "
        f"instance before that one is terminated. {other} remove it: AWS then chooses one."
    )


def free_address(facts: Facts) -> str:
    """An address of the subnet that nothing has and nothing is declared with, the next one after the declared one."""
    subnet = ipaddress.IPv4Network(facts.subnet)
    taken = {*facts.held, *(entry.get("private_ip") for entry in facts.entries.values())}
    # AWS keeps the first four and the last address of every subnet for itself.
    usable = [str(subnet[number]) for number in range(4, subnet.num_addresses - 1)]
    wanted = facts.entry.get("private_ip")
    start = usable.index(wanted) if wanted in usable else 0
    return next((address for address in usable[start:] + usable[:start] if address not in taken), "")


def _left_behind(facts: Facts, current: Raw) -> Iterator[str]:
    left = [LEFT_BEHIND[function] for function in facts.entry.get("functions", ()) if function in LEFT_BEHIND]
    if len(current.get("BlockDeviceMappings", [])) > 1:
        left.append(("volumes", "what is on its volumes besides the root volume"))
    for word, what in left:
        if word not in facts.without:
            yield f"This stays on the former host: {what}. If that is right, add -e without={word}."


def _unsaved(facts: Facts, now: datetime) -> Iterator[str]:
    if DATABASE in facts.entry.get("functions", ()) and (facts.verified is None or now - facts.verified > FRESH):
        yield "No backup of its databases was proved to be restorable within a day. Run playbooks/drill.yml."


def _elsewhere(facts: Facts) -> Iterator[str]:
    """A replacement is about one host: what else differs is provisioned before, by itself."""
    if facts.others:
        yield f"Provisioning would also do this: {', '.join(facts.others)}. Do that first: playbooks/provision.yml."
