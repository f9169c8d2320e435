"""The matrix is what packets do, cell by cell: the account as declared, and after random changes of it.

Hosts are network namespaces here, so a change takes seconds. PACKET_SEED, PACKET_CHANGES: which changes, and how many
that change the matrix.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest
from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.model import Plan
from ansible.module_utils.platform.engine.workflow import plan_for
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.reach.model import Network, address
from ansible.module_utils.platform.reach.observed import KINDS as NETWORK
from ansible.module_utils.platform.reach.observed import observed
from ansible.module_utils.platform.reach.paths import End, Paths
from ansible.module_utils.platform.reach.ports import has

from rehearsal.network.account import Account, observe
from tests.support import platform
from tests.support.local_aws import LocalAws
from tests.support.mutations import Mutations
from tests.support.packet_lab import ADMINISTRATOR, ADMINISTRATORS, INTERNET, OUTSIDE, Lab, Probe, lab
from tests.support.platform import Platform, declared, specs

VPC = IPv4Network("172.31.0.0/16")
OFFERED = sorted({int(port) for port in (22222, 80, 443, 2377, 7946, 4789, 5000, 3306, 6379, 9100, 9104, 9121)})
#: that nothing offers
OTHERS = [
    1,
    21,
    22,
    23,
    25,
    53,
    110,
    111,
    179,
    389,
    445,
    873,
    1024,
    1433,
    2049,
    2375,
    5432,
    8080,
    8443,
    9090,
    9200,
    11211,
]
PORTS = sorted(OFFERED + OTHERS)
SEED, CHANGES = int(os.environ.get("PACKET_SEED", "1")), int(os.environ.get("PACKET_CHANGES", "8"))
#: seconds for all answers, and for those that the first round missed
SHORT, LONG = 0.8, 4.0


def routable(public: str) -> str:
    """moto takes elastic IPs from the loopback range; the same in that of the lab's internet."""
    return public.replace("127.", "11.", 1) if public.startswith("127.") else public


class Seen:
    """The platform in a local AWS, as the planner sees it and as the rules do."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.ec2 = aws.client("ec2")

    def network(self) -> Network:
        """What the planner makes of it."""
        found: list[Context] = []

        def keep(context: Context, plan: Plan) -> Plan:
            found.append(context)
            return plan

        raw = declared() | {"aws_compute_public_key": platform.PUBLIC_KEY}
        plan_for(raw, specs(), raw["aws_environment"] | self.aws.environ, KINDS, only=NETWORK, review=keep)
        return observed(found[0])

    def raw(self) -> Account:
        """What EC2 answers."""
        raw = observe(self.ec2)
        return replace(raw, addresses=[item | {"PublicIp": routable(item["PublicIp"])} for item in raw.addresses])


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """Provisioned."""
    with LocalAws(tmp_path_factory.mktemp("packets")) as aws:
        aws.reset(empty=True)
        Platform(aws).provision()
        yield Seen(aws)


@pytest.fixture(scope="module")
def made(account: Seen) -> Iterator[Lab]:
    """The lab of its hosts."""
    raw = account.raw()
    ranges = {item["SubnetId"]: IPv4Network(item["CidrBlock"]) for item in raw.subnets}
    hosts = {
        next(tag["Value"] for tag in item["Tags"] if tag["Key"] == "Name"): (
            item["PrivateIpAddress"],
            ranges[item["SubnetId"]],
        )
        for item in raw.instances
    }
    with lab(hosts, PORTS, PORTS) as built:
        yield built


def ends(network: Network) -> dict[str, End]:
    """Everybody, with the address that they have here."""
    outside = {INTERNET: End(address(OUTSIDE)), ADMINISTRATORS: End(address(ADMINISTRATOR))}
    return outside | {name: End(host.addresses[0], host) for name, host in network.hosts.items()}


Cells = dict[tuple[str, str, str, int], bool]


def foretold(network: Network) -> Cells:
    """By source, target, protocol and port, whether a request and its answer pass."""
    paths, everybody = Paths(network), ends(network)
    found: Cells = {}
    for source, here in everybody.items():
        for target, there in everybody.items():
            if source == target or target == ADMINISTRATORS or not (here.host or there.host):
                continue
            # Where addresses are translated, ESP of both directions would be one connection.
            for protocol in ("tcp", "udp", "icmp", *([] if INTERNET in (source, target) else ["esp"])):
                passes = paths.reach(here, there, protocol).passes
                ports = PORTS if protocol in ("tcp", "udp") else [0]
                found |= {(source, target, protocol, port): has(passes, port) for port in ports}
    return found


def probe(network: Network, cell: tuple[str, str, str, int]) -> Probe:
    """How it is tried: a host is met from outside at its public address."""
    source, target, protocol, port = cell
    there = ends(network)[target]
    name = str(IPv4Address(there.address.number))
    if source == INTERNET and there.host:
        name = routable(there.host.public) or name
    return name, protocol, port


def happened(made: Lab, network: Network, expected: Cells) -> Cells:
    """The same cells as packets find them."""
    cells = {(cell[0], probe(network, cell)): cell for cell in expected}
    together = [key for key, cell in cells.items() if cell[2] != "esp"]

    def tried(some: list[tuple[str, Probe]], seconds: float) -> set[tuple[str, Probe]]:
        by_source: dict[str, list[Probe]] = {}
        for source, one in some:
            by_source.setdefault(source, []).append(one)
        return made.answered(by_source, seconds)

    answered = tried(together, SHORT)
    for source in {cell[0] for cell in expected}:
        made.forget()
        answered |= tried([key for key, cell in cells.items() if cell[2] == "esp" and cell[0] == source], SHORT)
    # A busy machine answers late.
    late = [key for key in together if expected[cells[key]] and key not in answered]
    answered |= tried(late, LONG) if late else set()
    return {cell: key in answered for key, cell in cells.items()}


def differences(expected: Cells, found: Cells) -> list[str]:
    """Cells in which they differ."""
    return [f"{cell}: foretold {passes}" for cell, passes in expected.items() if found[cell] != passes]


def test_as_declared(account: Seen, made: Lab) -> None:
    network = account.network()
    expected = foretold(network)
    made.load(VPC, account.raw())
    found = happened(made, network, expected)
    assert differences(expected, found) == []
    print(f"{len(expected)} cells, {sum(found.values())} of them open")
    assert 60 < sum(found.values()) < len(expected) / 3


def test_after_random_changes(account: Seen, made: Lab) -> None:
    change = Mutations(account.ec2, SEED, PORTS)
    before, counted = foretold(account.network()), 0
    for _ in range(20 * CHANGES):
        what = change()
        network = account.network()
        expected = foretold(network)
        moved = sum(expected[cell] != before[cell] for cell in expected)
        if not moved:
            continue
        made.load(VPC, account.raw())
        wrong = differences(expected, happened(made, network, expected))
        assert wrong == [], f"after {what}"
        before, counted = expected, counted + 1
        print(f"{counted}: {moved} cells by {what}")
        if counted == CHANGES:
            return
    pytest.fail(f"{counted} changes changed anything")


def test_without_the_rules_everything_is_open(account: Seen, made: Lab) -> None:
    """What is closed is closed by them."""
    network = account.network()
    expected = dict.fromkeys((cell for cell in foretold(network) if INTERNET not in cell[:2]), True)
    made.unload()
    assert differences(expected, happened(made, network, expected)) == []
