"""The validated declaration, as the kinds read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

#: the variables that belong to no role; the kinds own the others
COMMON: dict[str, dict[str, Any]] = {
    "aws_region": {"type": "str", "required": True},
    "aws_account_id": {"type": "str", "default": ""},
    "aws_environment": {"type": "dict", "default": {}},
    "aws_tags": {"type": "dict", "default": {}},
}


class Declaration:
    """Variables by name, after ``schema.check`` has applied types and defaults.

    account: the account that is planned for, as observed (12 digits); policies name it.
    """

    #: the variable that says which account is meant
    ACCOUNT: ClassVar[str] = "aws_account_id"

    def __init__(self, variables: Mapping[str, Any], account: str = "") -> None:
        self._variables = variables
        self.account = account

    def entries(self, variable: str) -> dict[str, dict[str, Any]]:
        """The entries of a variable that is keyed by name; empty when it is not declared."""
        return dict(self._variables.get(variable) or {})

    def value(self, variable: str, default: Any = None) -> Any:
        """A plain variable."""
        return self._variables.get(variable, default)

    @property
    def region(self) -> str:
        """The region of everything regional."""
        return str(self._variables["aws_region"])

    @property
    def declared_account(self) -> str:
        """The account that the declaration is for; empty when it does not say."""
        return str(self.value(self.ACCOUNT) or "")

    def tags(self, name: str | None, entry: Mapping[str, Any], **more: str) -> dict[str, str]:
        """All tags of a resource: Name, those that every resource has, its own. A tag that is null is left alone."""
        named = {"Name": name} if name else {}
        merged = {**named, **more, **self.value("aws_tags", {}), **(entry.get("tags") or {})}
        return {str(key): str(value) for key, value in merged.items() if value is not None}
