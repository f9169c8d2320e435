"""Rules of role sshd: the port, and that Ansible itself can log in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from .rules import Look, Platform, RoleInput, Values, address, networks, port, ports


class Input(RoleInput):
    """sshd_*."""

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ports(values, "sshd_port")
        yield from port("sshd_former_port", values.get("sshd_former_port"), none=True)
        yield from networks("sshd_unpenalised", values.get("sshd_unpenalised", ()))
        for number, value in enumerate(values.get("sshd_addresses", ())):
            yield from address(f"sshd_addresses.{number}", value)
        if not values.get("sshd_allow_users"):
            yield Problem("sshd_allow_users", "is empty: nobody could log in", "write the names of those who may")

    def across(self, host: str, values: Values, platform: Platform) -> Iterator[Problem]:
        number = values.get("sshd_port")
        declared = platform.aws.get("aws_security_ssh_port")
        if declared is not None and number != declared:
            what = f"sshd would listen on {number}, but the security group lets administrators in on {declared}"
            fix = 'write "{{ aws_security_ssh_port }}", and change the port there'
            yield Problem("sshd_port", what, fix)

    def on_host(self, values: Values, facts: Mapping[str, Any], look: Look) -> Iterator[Problem]:
        user = look("ansible_user")
        if user and user not in values.get("sshd_allow_users", ()):
            what = f"does not name {user}, the user that Ansible logs in as: the next run could not log in"
            yield Problem("sshd_allow_users", what, f"add {user}")

    def listens(self, values: Values) -> Iterator[tuple[int, str, str]]:
        yield values["sshd_port"], "", "sshd_port"
