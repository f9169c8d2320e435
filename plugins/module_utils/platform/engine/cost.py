"""What resources are billed for, and what that costs a month at known prices. Pure.

A kind says what a resource is billed for; the file of prices says what that costs. What has no price is named, never
guessed.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from .errors import PlatformError

#: hours of a month
HOURS = 730
#: what a price may be for -> how often that is billed in a month
_UNITS: Mapping[str, int] = {"hour": HOURS, "vCPU-hour": HOURS, "GB-month": 1, "month": 1}
#: what no plan knows
NEVER_COUNTED = "traffic, CPU surplus, domains, taxes"


@dataclass(frozen=True)
class Usage:
    """Something that is billed.

    item: as the file of prices calls it. unit: ``hour``, ``GB-month``, ``month``. quantity: how many of them at a time;
    None when it depends on how much is used, so that no price says what it costs.
    """

    item: str
    unit: str = "month"
    quantity: int | None = 1

    @property
    def named(self) -> str:
        """For people."""
        return self.item if self.quantity is not None else f"{self.item} by use"


@dataclass(frozen=True)
class Price:
    """USD for one unit, the day on which it was seen, and where."""

    usd: Decimal
    unit: str
    seen: date
    source: str


@dataclass(frozen=True)
class Prices:
    """The prices of a region by item. where: the file, for messages."""

    region: str
    where: str
    known: Mapping[str, Price] = field(default_factory=dict)

    def of(self, usage: Usage) -> Decimal | None:
        """USD a month; None when it is not known."""
        price = self.known.get(usage.item)
        if price is None or usage.quantity is None or price.unit != usage.unit:
            return None
        return price.usd * usage.quantity * _UNITS[usage.unit]

    @property
    def seen(self) -> str:
        """The day of the prices, or the first and the last."""
        days = sorted({price.seen for price in self.known.values()})
        return " to ".join(str(day) for day in dict.fromkeys([days[0], days[-1]])) if days else "none"


def read_prices(content: Any, region: str, where: str) -> Prices:
    """The prices of a region from the content of the file. Raises PlatformError when it is not as it has to be."""
    regions = content.get("prices") if isinstance(content, Mapping) else None
    if not isinstance(regions, Mapping):
        raise PlatformError(f"{where}: has no `prices`, by region and item.")
    known = {}
    for item, entry in (regions.get(region) or {}).items():
        try:
            usd, unit, seen = Decimal(str(entry["usd"])), entry["unit"], entry["seen"]
            known[str(item)] = Price(usd, unit, date.fromisoformat(str(seen)), str(entry["source"]))
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            wanted = "`usd`, `unit`, `seen` (a day) and `source`"
            raise PlatformError(f"{where}: {region}, {item}: needs {wanted}: {error!r}.") from error
        if not usd.is_finite() or usd < 0 or unit not in _UNITS:
            what = f"`{usd}` for a `{unit}`"
            raise PlatformError(f"{where}: {region}, {item}: {what} is no price; units: {', '.join(_UNITS)}.")
    return Prices(region, where, known)


@dataclass(frozen=True)
class Bill:
    """What one resource is billed for.

    now: as it is. planned: when the plan is carried out. wanted: as it is declared, what cannot be changed in place
    included.
    """

    kind: str
    name: str
    declared: bool
    now: tuple[Usage, ...] = ()
    planned: tuple[Usage, ...] = ()
    wanted: tuple[Usage, ...] = ()


@dataclass(frozen=True)
class Amount:
    """USD a month, and what is not in it because its price is unknown: each with how often."""

    usd: Decimal = Decimal(0)
    unknown: tuple[tuple[str, int], ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether nothing is billed."""
        return not self.usd and not self.unknown


def amount(usages: Iterable[Usage], prices: Prices) -> Amount:
    """What all of this costs."""
    total, unknown = Decimal(0), Counter[str]()
    for usage in usages:
        usd = prices.of(usage)
        if usd is None:
            unknown[usage.named] += 1
        else:
            total += usd
    return Amount(total, tuple(unknown.items()))


@dataclass(frozen=True)
class Difference:
    """What a change adds and takes away. usd: what is known of it, both together."""

    added: Amount
    saved: Amount

    @property
    def usd(self) -> Decimal:
        """More than zero: it costs more."""
        return self.added.usd - self.saved.usd


def difference(before: Iterable[Usage], after: Iterable[Usage], prices: Prices) -> Difference:
    """What is billed before and after is left out, whether or not it has a price."""
    was, becomes = Counter(before), Counter(after)
    added, saved = (becomes - was).elements(), (was - becomes).elements()
    return Difference(amount(added, prices), amount(saved, prices))


# --- For people ------------------------------------------------------------------------------------------------------


def usd(value: Decimal) -> str:
    """``$18.25``, as cents are rounded."""
    return f"${abs(value).quantize(Decimal('0.01'), ROUND_HALF_UP):,}"


def _items(unknown: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{item} ({count})" if count > 1 else item for item, count in unknown)


def told(change: Difference) -> str:
    """``+ $18.25 a month``, and what has no price; empty when nothing is billed otherwise than before."""
    parts = []
    if change.added.usd or change.saved.usd:
        parts.append(f"{'+' if change.usd >= 0 else '-'} {usd(change.usd)} a month")
    if change.added.unknown:
        parts.append(f"price unknown: {_items(change.added.unknown)}")
    if change.saved.unknown:
        parts.append(f"no longer billed, price unknown: {_items(change.saved.unknown)}")
    return "; ".join(parts)


def costs(total: Amount) -> str:
    """``$3.65 a month`` of what is there, and what has no price; empty when nothing is billed."""
    parts = [f"{usd(total.usd)} a month"] if total.usd else []
    return "; ".join([*parts, *([f"price unknown: {_items(total.unknown)}"] if total.unknown else [])])


@dataclass(frozen=True)
class Totals:
    """What a plan costs: as declared, what provisioning it changes, and what is there without being declared."""

    declared: Amount
    change: Difference
    strays: Amount

    @property
    def unknown(self) -> tuple[tuple[str, int], ...]:
        """What none of the sums has in it."""
        found = Counter(dict(self.declared.unknown))
        for part in (self.change.saved, self.strays):
            found.update(dict(part.unknown))
        return tuple(found.items())


def totals(bills: Iterable[Bill], prices: Prices) -> Totals:
    """Of all resources."""
    found = list(bills)
    ours = [bill for bill in found if bill.declared]
    return Totals(
        amount((usage for bill in ours for usage in bill.wanted), prices),
        difference(
            (usage for bill in ours for usage in bill.now), (usage for bill in ours for usage in bill.planned), prices
        ),
        amount((usage for bill in found if not bill.declared for usage in bill.now), prices),
    )


def total_lines(bills: Iterable[Bill], prices: Prices) -> list[str]:
    """The totals for the end of a plan; empty when nothing is billed."""
    found = totals(bills, prices)
    if found.declared.nothing and found.strays.nothing:
        return []
    change = f"{'+' if found.change.usd >= 0 else '-'} {usd(found.change.usd)}"
    parts = [f"{usd(found.declared.usd)} as declared"]
    parts += [f"{change} by this plan"] if told(found.change) else []
    parts += [f"{usd(found.strays.usd)} not declared"] if not found.strays.nothing else []
    left_out = f"price unknown: {_items(found.unknown)}; " if found.unknown else ""
    return [
        f"Cost a month ({HOURS} hours): {', '.join(parts)}. Prices of {prices.seen}, {prices.region}.",
        *textwrap.wrap(f"Not counted: {left_out}{NEVER_COUNTED}.", 110, initial_indent="  ", subsequent_indent="    "),
    ]


#: action, kind, name
Key = tuple[str, str, str]


def of_actions(bills: Iterable[Bill], prices: Prices) -> dict[Key, str]:
    """What the plan says of the cost of each action, where there is something to say."""
    found: dict[Key, str] = {}
    for bill in bills:
        if not bill.declared:
            found["unmanaged", bill.kind, bill.name] = costs(amount(bill.now, prices))
            continue
        change = told(difference(bill.now, bill.planned, prices))
        found["create", bill.kind, bill.name] = found["change", bill.kind, bill.name] = change
        found["replace", bill.kind, bill.name] = told(difference(bill.planned, bill.wanted, prices))
    return found
