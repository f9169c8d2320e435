"""The order of changes to a network ACL: nothing common to before and after is lost on the way."""

from __future__ import annotations

import random

import pytest
from ansible.module_utils.platform.acl_steps import Entry, _Packets, acl_entry, parse, steps, written


def _tables(before: list[Entry], after: list[Entry]) -> list[list[Entry]]:
    """Every table on the way, the last one included."""
    table, seen = {entry.number: entry for entry in before}, []
    for action, entry in steps(before, after):
        assert (entry.number in table) is (action != "create"), (action, entry)
        if action == "delete":
            del table[entry.number]
        else:
            table[entry.number] = entry
        seen.append(list(table.values()))
    return seen


def _check(before: list[Entry], after: list[Entry]) -> None:
    tables = _tables(before, after)
    assert sorted(tables[-1] if tables else before) == sorted(after)
    packets = _Packets([*before, *after, *(entry for table in tables for entry in table)])
    was, becomes = packets.allowed(before), packets.allowed(after)
    for table in tables:
        now = packets.allowed(table)
        assert not was & becomes & ~now, f"cut off by {table}"
        assert not now & ~was & ~becomes, f"opened by {table}"


OPEN = Entry(100, "allow", "-1", "0.0.0.0/0")
DENY = Entry(100, "deny", "-1", "10.0.0.0/8")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([OPEN], [DENY, OPEN._replace(number=200)]),
        ([DENY, OPEN._replace(number=200)], [OPEN]),
        # Each number gets the other's entry.
        ([OPEN, DENY._replace(number=200)], [DENY, OPEN._replace(number=200)]),
        ([DENY, OPEN._replace(number=200)], [OPEN, DENY._replace(number=200)]),
        ([OPEN], []),
        ([], [DENY, OPEN._replace(number=200)]),
        (
            [Entry(100, "allow", "6", "0.0.0.0/0", 80, 80), Entry(110, "allow", "6", "0.0.0.0/0", 443, 443)],
            [Entry(100, "allow", "6", "0.0.0.0/0", 443, 443), Entry(110, "allow", "6", "0.0.0.0/0", 80, 80)],
        ),
        ([Entry(100, "allow", "1", "0.0.0.0/0", 8, None)], [Entry(90, "allow", "1", "0.0.0.0/0", 8, 0)]),
        ([OPEN, Entry(101, "allow", "-1", "::/0")], [Entry(101, "allow", "-1", "::/0"), OPEN._replace(number=102)]),
    ],
)
def test_nothing_common_is_lost_on_the_way(before: list[Entry], after: list[Entry]) -> None:
    _check(before, after)


def test_nothing_common_is_lost_in_any_of_many_changes() -> None:
    dice = random.Random(9)

    def table() -> list[Entry]:
        def entry(number: int) -> Entry:
            action, cidr = dice.choice(["allow", "deny"]), dice.choice(["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16"])
            if dice.random() < 0.4:
                return Entry(number, action, "-1", cidr)
            return Entry(number, action, "6", cidr, *dice.choice([(22, 22), (80, 443), (443, 443)]))

        return [entry(number) for number in sorted(dice.sample(range(100, 110), dice.randint(1, 5)))]

    for _ in range(300):
        _check(table(), table())


def test_without_room_in_front_nobody_is_cut_off_at_least() -> None:
    swap = [Entry(1, "allow", "6", "0.0.0.0/0", 80, 80), Entry(2, "deny", "6", "10.0.0.0/8", 443, 443)]
    tables = _tables(swap, [swap[1]._replace(number=1), swap[0]._replace(number=2)])
    packets = _Packets([*swap, *(entry for table in tables for entry in table)])
    assert all(packets.allowed(swap) & ~packets.allowed(table) == 0 for table in tables)


@pytest.mark.parametrize(
    "entry",
    [
        OPEN,
        Entry(1, "deny", "6", "10.0.0.0/8", 22, 23),
        Entry(2, "allow", "1", "0.0.0.0/0", 3, 4),
        Entry(3, "deny", "58", "::/0"),
    ],
)
def test_an_entry_is_read_as_it_is_written(entry: Entry) -> None:
    assert parse(written(entry)) == entry


def test_a_declared_rule_is_an_entry() -> None:
    rule = {"protocol": "icmp", "action": "allow", "cidr": "0.0.0.0/0", "icmp_type": 8}
    assert parse(acl_entry(7, rule)) == Entry(7, "allow", "1", "0.0.0.0/0", 8)
    assert parse(acl_entry(7, rule | {"protocol": "udp", "from_port": 53})) == Entry(
        7, "allow", "17", "0.0.0.0/0", 53, 53
    )


def test_a_detour_takes_no_more_entries_than_aws_allows() -> None:
    before = [Entry(100 + n, "allow" if n % 2 else "deny", "-1", f"10.{n}.0.0/16") for n in range(12)]
    after = [entry._replace(number=211 - n) for n, entry in enumerate(before)]
    assert max(len(table) for table in _tables(before, after)) <= 24
    small = before[:4]
    assert max(len(table) for table in _tables(small, [e._replace(number=300 - n) for n, e in enumerate(small)])) <= 19
