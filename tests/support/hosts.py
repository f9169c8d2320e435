"""The declared hosts with all of their variables, templated in this process: no AWS, no SSH.

The inventory is the repository's own (`hosts.yml`, `platform.yml`, `group_vars`), with the declared instances in place
of those that the inventory plugin would find. A test may hand in a changed copy of `group_vars`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from rehearsal import REPOSITORY

from .platform import PUBLIC_KEY


def host_name(instance: str) -> str:
    """What the inventory calls an instance."""
    return instance.lower().replace("_", "-")


def _found(instance: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the inventory plugin knows of an instance, and the facts that group_vars may ask for."""
    return {
        "ec2_architecture": entry.get("architecture", "x86_64"),
        "ec2_private_ip_address": entry["private_ip"],
        "ec2_tags": {"Name": instance, "Role": entry["role"]},
        "ansible_host": entry["private_ip"],
        "ansible_user": "admin",
    }


def _secret(name: str, entry: Mapping[str, Any]) -> Any:
    """A value that says which secret it is."""
    if entry.get("kind") == "authority":
        certificate = "certificate of the authority"
        others: dict[str, Any] = {"trusted": [certificate], "permits": [], "next": {}, "step": ""}
        return {"certificate": certificate, "key": "key of the authority", **others}
    return f"secret {name}"


class DeclaredHosts:
    """An inventory of the declared instances in a folder of its own.

    folder: an empty folder. group_vars: the declaration; by default the repository's. secrets: whether they were read.
    others: variables of hosts of the account that nobody declares, by name.
    """

    def __init__(
        self,
        folder: Path,
        group_vars: Path = REPOSITORY / "group_vars",
        secrets: bool = True,
        others: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        instances = yaml.safe_load((group_vars / "all/aws_compute.yml").read_text())["aws_compute_instances"]
        found = {host_name(name): _found(name, entry) for name, entry in instances.items()}
        (folder / "group_vars").symlink_to(group_vars)
        there = {"all": {"children": {"aws_ec2": {"hosts": {**found, **(others or {})}}}}}
        (folder / "found.yml").write_text(json.dumps(there))
        for name in ("hosts.yml", "platform.yml"):
            (folder / name).symlink_to(REPOSITORY / "inventories/rehearsal" / name)
        self._loader = DataLoader()
        # The group_vars/ of the current directory would be loaded as well.
        self._loader.set_basedir(str(folder))
        self._inventory = InventoryManager(self._loader, sources=[str(folder)])
        self._variables = VariableManager(self._loader, self._inventory)
        self._hostvars = HostVars(self._inventory, self._variables, self._loader)
        for name, known in found.items():
            facts = {"default_ipv4": {"address": known["ec2_private_ip_address"]}}
            self._variables.set_nonpersistent_facts(name, {"ansible_facts": facts})
        if secrets:
            for name in found:
                parameters = self.value(name, "secrets_parameters")
                values = {secret: _secret(secret, entry) for secret, entry in parameters.items()}
                self._variables.set_nonpersistent_facts(name, {"secrets_values": values})

    @property
    def names(self) -> list[str]:
        """Hosts of the platform."""
        return sorted(host.name for host in self._inventory.get_hosts("platform"))

    def groups(self, name: str) -> list[str]:
        """Groups of a host."""
        host = self._inventory.get_host(name)
        return sorted(group.name for group in host.get_groups() if group.name not in ("all", "aws_ec2"))

    def declared(self, host: str) -> dict[str, Any]:
        """The variables of a host, templates as they are written."""
        found: dict[str, Any] = self._variables.get_vars(host=self._inventory.get_host(host))
        return found

    def has(self, host: str, variable: str) -> bool:
        """Whether a variable is declared for a host."""
        return variable in self.declared(host)

    def value(self, host: str, variable: str) -> Any:
        """What a variable is on a host, as plain data."""
        own = {"ansible_playbook_python": sys.executable, "aws_compute_public_key": PUBLIC_KEY}
        variables = self.declared(host) | own
        return json.loads(json.dumps(Templar(self._loader, variables=variables).template(variables[variable])))
