"""What a row of the drift table is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.local_aws import LocalAws

Ids = Mapping[str, Mapping[str, Mapping[str, str]]]


@dataclass(frozen=True)
class Account:
    """A built account: clients, and the ids of what is declared."""

    aws: LocalAws
    ids: Ids

    def id(self, kind: str, name: str, attribute: str = "id") -> str:
        """An attribute of a declared resource."""
        return self.ids[kind][name][attribute]

    @property
    def ec2(self) -> Any:
        """The EC2 client."""
        return self.aws.client("ec2")


@dataclass(frozen=True)
class Drift:
    """One change: of which resource, which field the plan has to name, and how it is made.

    also: fields that go with it, which the plan names as well. overwrites: it undoes what rows before it have made.
    """

    kind: str
    name: str
    field: str
    make: Callable[[Account], object]
    also: tuple[str, ...] = ()
    overwrites: bool = False

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}-{self.field}".replace(" ", "_")


def tags(kind: str, name: str, *keys: str) -> list[Drift]:
    """Each of these tags of an EC2 resource changed."""

    def set_to_other(account: Account, key: str) -> None:
        account.ec2.create_tags(Resources=[account.id(kind, name)], Tags=[{"Key": key, "Value": "changed by hand"}])

    return [Drift(kind, name, f"tags.{key}", lambda a, key=key: set_to_other(a, key)) for key in keys]  # type: ignore[misc]
