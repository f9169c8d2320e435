"""Which paths must be open and which must not (``platform_reach``), and what a network breaks of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..engine.checks import listed
from ..engine.errors import Problem
from ..engine.options import Options, check_options, nearest
from .matrix import ADMINISTRATORS, INTERNET, PROTOCOLS, Matrix, alike, ports_text
from .model import WITH_PORTS
from .paths import End, Hop
from .ports import ALL, Ports, both, has, one, union, without
from .show import names, pairs_text

VARIABLE = "platform_reach"
ANYBODY, CLIENTS, OWN_SWARM, PLATFORM = "anybody", "clients", "own_swarm", "platform"
#: functions that make hosts members of other groups, as the inventory has it
_GROUPS = {
    "swarm_members": ("swarm_managers", "swarm_workers"),
    "containers": ("containers", "swarm_managers", "swarm_workers"),
}
_PORTS = re.compile(r"(tcp|udp)(?: +(\d{1,5})(?:-(\d{1,5}))?)?|esp|icmp|all")
#: a rule that names a group
_MEMBER = re.compile(r" from group (\S+)$")
#: paths that a message names
_NAMED = 4
_NAMES: Mapping[str, Any] = {"type": "list", "elements": "str"}
_ENTRY: Options = {
    "from": {**_NAMES, "required": True, "description": "Sources."},
    "except": {**_NAMES, "description": "Sources that are not meant."},
    "to": {**_NAMES, "required": True, "description": "Declared hosts, or internet."},
    "offers": {**_NAMES, "description": "Offers, or all of them."},
    "ports": {**_NAMES, "description": "Ports, as `tcp 80`."},
}


@dataclass(frozen=True)
class Facts:
    """What the words of the policy mean. instances: the entries of aws_compute_instances. offers: platform_offers."""

    instances: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    offers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def groups(self, name: str) -> set[str]:
        """What a declared host can be called by: its name, its role, its functions and what follows from them."""
        entry = self.instances[name]
        functions = set(entry.get("functions") or ())
        found = {name, PLATFORM, str(entry.get("role", "")), *functions}
        return found | {group for group, members in _GROUPS.items() if functions & set(members)}

    def hosts(self, words: Collection[str]) -> list[str]:
        """The declared hosts that any of these words means."""
        return [name for name in self.instances if self.groups(name) & set(words)]

    @property
    def words(self) -> set[str]:
        """Every word that means hosts."""
        return {PLATFORM, *_GROUPS, *(group for name in self.instances for group in self.groups(name))} - {""}


def shape_problems(policy: Any, facts: Facts, functions: Collection[str] = ()) -> Iterator[Problem]:
    """What is wrong with the policy as it is written. functions: what a host can be declared for."""
    if not isinstance(policy, Mapping):
        yield Problem(VARIABLE, "is not a mapping", "write `must: {…}` and `must_not: {…}`")
        return
    for part, entries in policy.items():
        where = f"{VARIABLE}.{part}"
        if part not in ("must", "must_not"):
            yield Problem(where, f"`{part}` is neither must nor must_not", "write one of the two")
        elif not isinstance(entries, Mapping):
            yield Problem(where, "is not a mapping", "write a name for each entry: {from: …, to: …, ports: …}")
        else:
            for name, entry in entries.items():
                yield from _entry_problems(f"{where}.{name}", entry, facts, functions)


def _entry_problems(where: str, entry: Any, facts: Facts, functions: Collection[str]) -> Iterator[Problem]:
    if not isinstance(entry, Mapping):
        yield Problem(where, "is not a mapping", "write {from: …, to: …, ports: …}")
        return
    typed, problems = check_options(where, entry, _ENTRY)
    yield from problems
    if problems:
        return
    if bool(typed.get("offers")) is bool(typed.get("ports")):
        yield Problem(where, "names neither `offers` nor `ports`, or both", "keep one of the two")
    hosts = facts.words | set(functions)
    known = {
        "from": hosts | {INTERNET, ADMINISTRATORS, ANYBODY, CLIENTS},
        "except": hosts | {INTERNET, ADMINISTRATORS, CLIENTS, OWN_SWARM},
        "to": hosts | {INTERNET},
        "offers": {"all", *facts.offers},
    }
    for key, words in known.items():
        for number, word in enumerate(typed.get(key) or ()):
            if word not in words:
                near = nearest(word, words)
                fix = f"write `{near}`" if near else "write one of these"
                yield Problem(f"{where}.{key}.{number}", f"`{word}` is not known; known are {listed(words)}", fix)
    if CLIENTS in (*typed["from"], *(typed.get("except") or ())) and not typed.get("offers"):
        yield Problem(where, "`clients` are those of offers, and the entry names ports", "name `offers`")
    for number, text in enumerate(typed.get("ports") or ()):
        match = _PORTS.fullmatch(text)
        limits = [int(item) for item in (match[2], match[3]) if item] if match else []
        if not match or limits != sorted(limits) or any(not 1 <= item <= 65535 for item in limits):
            fix = "write one like `tcp 443`, `udp 60000-61000`, `tcp`, `esp`, or `all`"
            yield Problem(f"{where}.ports.{number}", f"`{text}` is not a protocol with ports", fix)


class Wanted(NamedTuple):
    """One thing that the policy says of sources and targets that are alike, by one of each.

    why: the entry, and the offer that it is about. sources, targets: all that are meant.
    """

    source: str
    target: str
    protocol: str
    ports: Ports
    why: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]


class _Broken(NamedTuple):
    """A path that is not as the policy wants it, and the hop that decides. group: whose members that rule lets in."""

    wanted: Wanted
    port: int
    version: int
    hop: Hop
    group: str = ""


def policy_problems(policy: Mapping[str, Any], facts: Facts, matrix: Matrix, strangers: bool = False) -> list[Problem]:
    """What the network breaks of a policy whose shape is right; one problem for each rule that does it.

    strangers: of what must not pass, that from and to what nobody declares (hosts, further interfaces), instead of
    all the rest.
    """
    problems: list[Problem] = []
    for part in ("must_not",) if strangers else ("must", "must_not"):
        for name, entry in (policy.get(part) or {}).items():
            where = f"{VARIABLE}.{part}.{name}"
            wanted = (
                item
                for item in _wanted(where, entry, facts, matrix)
                if any(_stranger(name, facts, matrix) for name in (item.source, item.target)) == strangers
            )
            broken = (_closed if part == "must" else _open)(wanted, matrix)
            problems += _told(where, part, list(broken), matrix)
    return problems


def _list(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)] if value else []


def _owner(name: str, matrix: Matrix) -> str:
    """The instance of an interface; what is no host keeps its name."""
    host = matrix.network.hosts.get(name)
    return host.instance if host else name


def _stranger(name: str, facts: Facts, matrix: Matrix) -> bool:
    """Whether a name is that of a host, or of a further interface of one, that nobody declares."""
    host = matrix.network.hosts.get(name)
    return host is not None and (host.instance not in facts.instances or name != host.instance)


def _wanted(where: str, entry: Mapping[str, Any], facts: Facts, matrix: Matrix) -> Iterator[Wanted]:
    """Every pair and port that an entry is about."""
    words = [word for part in ("from", "to", "except") for word in _list(entry.get(part))]

    def kin(name: str) -> object:
        """What decides about a name here: who reaches it and whom it reaches, and what it is called."""
        owner = _owner(name, matrix)
        declared = facts.instances.get(owner, {})
        called = frozenset(facts.groups(owner) & set(words)) if declared else frozenset[str]()
        return matrix.kin(name), called, declared.get("swarm"), bool(declared), frozenset(declared.get("functions", ()))

    hosts = matrix.network.hosts
    meant_hosts = set(facts.hosts(_list(entry["to"])))
    targets = [name for name in hosts if _owner(name, matrix) in meant_hosts]
    targets += [INTERNET] if INTERNET in _list(entry["to"]) else []
    sources = alike(matrix.sources, kin)
    for there in alike(targets, kin):
        for why, offer, traffic in _traffic(where, entry, facts):
            if offer and _owner(there[0], matrix) not in facts.hosts([offer["function"]]):
                continue
            meant = set(_sources(_list(entry["from"]), there[0], offer, facts, matrix))
            meant -= set(_sources(_list(entry.get("except")), there[0], offer, facts, matrix))
            for here in sources:
                pair = matrix.between(here, there)
                if pair and pair[0] in meant:
                    for protocol, ports in traffic:
                        yield Wanted(*pair, protocol, ports, why, tuple(here), tuple(there))


def _traffic(
    where: str, entry: Mapping[str, Any], facts: Facts
) -> Iterator[tuple[str, Mapping[str, Any] | None, list[tuple[str, Ports]]]]:
    """Why, the offer if it is about one, and the ports by protocol."""
    chosen = _list(entry.get("offers"))
    for name, offer in facts.offers.items():
        if name in chosen or "all" in chosen:
            protocol = str(offer.get("protocol", "tcp"))
            ports = one(int(offer["port"])) if protocol in WITH_PORTS else ALL
            yield f"{where}, offer {name}", offer, [(protocol, ports)]
    found: dict[str, Ports] = {}
    for text in _list(entry.get("ports")):
        match = _PORTS.fullmatch(text)
        assert match, "the shape is checked before"
        ports = one(int(match[2]), int(match[3] or match[2])) if match[2] else ALL
        for protocol in PROTOCOLS if text == "all" else (match[1] or text,):
            found[protocol] = union(found.get(protocol, ()), ports)
    if found:
        yield where, None, list(found.items())


def _sources(
    words: Sequence[str], target: str, offer: Mapping[str, Any] | None, facts: Facts, matrix: Matrix
) -> Iterable[str]:
    """The sources that words mean for a target."""
    for word in words:
        if word == ANYBODY:
            yield from matrix.sources
        elif word == CLIENTS and offer:
            yield from _clients(target, offer, facts, matrix)
        elif word == OWN_SWARM:
            swarm = facts.instances.get(_owner(target, matrix), {}).get("swarm")
            members = [name for name, entry in facts.instances.items() if swarm and entry.get("swarm") == swarm]
            yield from _interfaces(members, matrix)
        else:
            yield from _interfaces(facts.hosts([word]), matrix) or [word]


def _interfaces(instances: Sequence[str], matrix: Matrix) -> list[str]:
    """All interfaces of instances."""
    return [name for name, host in matrix.network.hosts.items() if host.instance in instances]


def _clients(target: str, offer: Mapping[str, Any], facts: Facts, matrix: Matrix) -> Iterable[str]:
    """Whom an offer lets in at a host: a host that nobody declares is nobody's client."""
    clients = offer["clients"]
    if clients in (INTERNET, ADMINISTRATORS):
        return [str(clients)]
    there = _groups_of(target, matrix) & set(offer["groups"])
    wanted = there if clients == "members" else set(clients)
    return [
        name
        for name in matrix.network.hosts
        if _groups_of(name, matrix) & wanted and not _stranger(name, facts, matrix)
    ]


def _groups_of(host: str, matrix: Matrix) -> set[str]:
    groups = matrix.network.groups
    return {groups[key].name for key in matrix.network.hosts[host].groups if key in groups}


def _open(wanted: Iterable[Wanted], matrix: Matrix) -> Iterator[_Broken]:
    """Paths that packets take although they must not; whether answers come back does not matter."""
    for item in wanted:
        for version in matrix.versions:
            found = both(matrix.cell(item.source, item.target, item.protocol, version).arrives, item.ports)
            # Each range of ports may be open by another rule.
            for port, last in found:
                source, target = _example(item, port, version, matrix, True)
                hops = [hop for hop in matrix.paths.explain(source, target, item.protocol, port) if hop.passes]
                groups = [hop for hop in hops if hop.name == "security groups, ingress"]
                hop = (groups or hops)[-1]
                member = _MEMBER.search(hop.rule)
                yield _Broken(item._replace(ports=((port, last),)), port, version, hop, member[1] if member else "")


def _closed(wanted: Iterable[Wanted], matrix: Matrix) -> Iterator[_Broken]:
    """Paths that must be open and are not."""
    for item in wanted:
        # A host that has both is reached by either; IPv4 is what is declared.
        versions = [v for v in matrix.versions if matrix.ends(item.source, v) and matrix.ends(item.target, v)]
        for version in versions[:1]:
            missing = without(item.ports, matrix.cell(item.source, item.target, item.protocol, version).passes)
            for port, last in missing:
                source, target = _example(item, port, version, matrix, False)
                hops = matrix.paths.explain(source, target, item.protocol, port)
                yield _Broken(item._replace(ports=((port, last),)), port, version, hops[-1])


def _example(item: Wanted, port: int, version: int, matrix: Matrix, arrives: bool) -> tuple[End, End]:
    """Two addresses between which the path is as it must not be, of the largest ranges that there are."""
    found = [
        (size * there, source, target)
        for source, size in matrix.ends(item.source, version)
        for target, there in matrix.ends(item.target, version)
        for reach in [matrix.paths.reach(source, target, item.protocol)]
        if (has(reach.arrives, port) if arrives else not has(reach.passes, port))
    ]
    _, source, target = max(found, key=lambda one: one[0])
    return source, target


def _told(where: str, part: str, broken: Sequence[_Broken], matrix: Matrix) -> Iterator[Problem]:
    together: dict[tuple[str, str], list[_Broken]] = {}
    for item in broken:
        together.setdefault((item.hop.where, item.hop.rule), []).append(item)
    for (place, rule), same in together.items():
        paths = _paths(same, matrix)
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        shown = f"{', '.join(paths[:_NAMED])}{more}"
        offers = list(dict.fromkeys(item.wanted.why.partition(", offer ")[2] for item in same))
        why = f"{where}{f' (offer {listed(offers)})' if any(offers) else ''}"
        if part == "must":
            what = f"{shown} must pass ({why}) and ends at {same[0].hop.name}: {rule}"
            fix = f"let it pass there, or change {where}"
        else:
            what = f"{shown} must not pass ({why}) and does, by {rule}"
            fix = f"remove or narrow that rule, or change {where}"
            members = list(dict.fromkeys(name for item in same for name in item.wanted.sources if item.group))
            if members:
                fix = f"take {names(members, matrix)} out of group {same[0].group}, or {fix}"
        yield Problem(place or where, what, fix)


def _paths(broken: Sequence[_Broken], matrix: Matrix) -> list[str]:
    """The paths in few words, ``internet → KOIN_DB tcp/3306, 6379``."""
    ports: dict[tuple[tuple[str, ...], tuple[str, ...], str, int], Ports] = {}
    for item in broken:
        key = (item.wanted.sources, item.wanted.targets, item.wanted.protocol, item.version)
        ports[key] = union(ports.get(key, ()), item.wanted.ports)
    found: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for (sources, targets, protocol, version), some in ports.items():
        text = f"{ports_text(protocol, some)}{' over IPv6' if version == 6 else ''}"
        found.setdefault(text, {}).setdefault(targets, []).extend(sources)
    return [f"{pair} {text}" for text, pairs in found.items() for pair in pairs_text(pairs, matrix)]
