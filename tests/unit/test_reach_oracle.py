"""Random accounts: what `reach/` computes is what a packet simulator that shares no code with it finds out."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from ansible.module_utils.platform.reach.model import address
from ansible.module_utils.platform.reach.paths import End, Paths
from ansible.module_utils.platform.reach.ports import has

from tests.support.packets import Simulator
from tests.support.random_platforms import OUTSIDE, RandomPlatform
from tests.support.reach_networks import network

PLATFORMS, SHARES = 2000, 4
#: questions of each account
ASKED = 15


def questions(platform: RandomPlatform, count: int) -> Iterator[tuple[str, str, str, int]]:
    """Source, target, protocol, port; one of the ends is a host. Ports are those at which something may change."""
    chance = random.Random(len(platform.cidrs) * 7919 + count)
    families = {six: [one for one in platform.addresses() if (":" in one[0]) is six] for six in (False, True)}
    beyond = {six: [one for one in (*OUTSIDE, *platform.neighbours()) if (":" in one) is six] for six in (False, True)}
    ports = platform.ports()
    for _ in range(count):
        six = bool(families[True]) and chance.random() < 0.4
        (here, instance), (there, other) = chance.choice(families[six]), chance.choice(families[six])
        outside = chance.choice(beyond[six])
        inside = [] if instance == other else [(here, there)] * 3
        source, target = chance.choice([*inside, (outside, there), (outside, there), (here, outside)])
        protocol = chance.choice(["tcp"] * 6 + ["udp"] * 2 + ["icmp", "icmp", "esp"])
        yield source, target, protocol, chance.choice(ports) if protocol in ("tcp", "udp") else 0


def compare(seed: int) -> Counter[str]:
    """What of one account was asked and found; fails at the first difference."""
    platform = RandomPlatform(random.Random(seed))
    paths, simulator = Paths(network(platform.account)), Simulator(platform.account)
    hosts = {one: host for host in paths.network.hosts.values() for one in host.addresses}
    counts: Counter[str] = Counter()
    for number, (source, target, protocol, port) in enumerate(questions(platform, ASKED)):
        ends = [End(address(text), hosts.get(address(text))) for text in (source, target)]
        limits = (32768, 60999) if ends[0].host else (1024, 65535)
        truth = simulator.connect(source, target, protocol, port, platform.client_ports(*limits))
        reach = paths.reach(*ends, protocol)
        found = (has(reach.arrives, port), has(reach.passes, port))
        question = f"seed {seed}: {source} -> {target} {protocol} {port}"
        assert found == (truth.arrives, truth.answered), question
        # What is told of a path says the same, up to the first hop that denies.
        if number % 4 == 0:
            hops = paths.explain(*ends, protocol, port)
            assert all(hop.passes for hop in hops) is truth.answered, question
            assert all(hop.passes for hop in hops[:-1]), question
        counts["answered" if truth.answered else "arrives" if truth.arrives else "closed"] += 1
        counts["over IPv6"] += ":" in source
    return counts


@pytest.mark.parametrize("share", range(SHARES))
def test_the_engine_agrees_with_a_packet_simulator(share: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(share, PLATFORMS, SHARES):
        counts += compare(seed)
    # The accounts are neither all open nor all closed.
    least = PLATFORMS // SHARES * ASKED // 50
    assert min(counts[kind] for kind in ("answered", "arrives", "closed", "over IPv6")) > least, counts
