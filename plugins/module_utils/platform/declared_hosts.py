"""Every declared host with the variables that it will have, without contacting it. Runs on the controller only.

The hosts are those of aws_compute_instances, in the groups that the inventory's `constructed` sources make. Facts that
only a running host knows have placeholders (``facts_of``); variables that need the real value are in ``NEEDS_A_HOST``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: variables in templates that have no placeholder; a value that needs one is checked on the host, by its role
NEEDS_A_HOST = ("ansible_facts", "ansible_local", "ansible_play_hosts", "ansible_play_batch")
#: placeholder for a secret that AWS keeps; long enough for every rule
_SECRET = "placeholder-of-a-secret-0123456789"
_AUTHORITY = {
    "certificate": "-----BEGIN CERTIFICATE-----\nplaceholder\n-----END CERTIFICATE-----",
    "key": "-----BEGIN PRIVATE KEY-----\nplaceholder\n-----END PRIVATE KEY-----",
    "trusted": ["-----BEGIN CERTIFICATE-----\nplaceholder\n-----END CERTIFICATE-----"],
    "permits": [],
    "next": {},
    "step": "",
}
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


class TemplateFailedError(Exception):
    """A declared value whose template does not work: at which path, and why."""

    def __init__(self, where: str, reason: str, part: Any) -> None:
        super().__init__(reason)
        self.where = where
        self.part = part
        self.reason = reason


def host_name(instance: str) -> str:
    """What the inventory calls a declared instance: koin-prod for KOIN_PROD."""
    return instance.lower().replace("_", "-")


def facts_of(address: str, architecture: str) -> dict[str, Any]:
    """Facts of a fresh host, as far as variables of the declaration use them."""
    machine = "aarch64" if architecture == "arm64" else "x86_64"
    return {
        "ansible_architecture": machine,
        "ansible_default_ipv4": {"address": address, "interface": "ens5"},
        "ansible_distribution": "Debian",
        "ansible_distribution_major_version": "13",
        "ansible_distribution_release": "trixie",
        "ansible_machine": machine,
        "ansible_memtotal_mb": 1900,
        "ansible_os_family": "Debian",
        "ansible_processor_vcpus": 2,
        "ansible_swaptotal_mb": 0,
        "ansible_virtualization_role": "guest",
        "ansible_virtualization_type": "kvm",
    }


def _sources(inventory: Iterable[str]) -> tuple[list[str], list[str]]:
    """(static sources, configurations of `constructed`) beside what Ansible was given; none that uses the network."""
    static: list[str] = []
    constructed: list[str] = []
    for folder in dict.fromkeys(Path(source) if Path(source).is_dir() else Path(source).parent for source in inventory):
        for path in sorted(folder.glob("*.y*ml")):
            content = yaml.load(path.read_bytes(), Loader=_LOADER)
            plugin = str(content.get("plugin", "")) if isinstance(content, Mapping) else ""
            if not plugin:
                static.append(str(path))
            elif plugin.endswith("constructed"):
                constructed.append(str(path))
    return static, constructed


class _KnownHostVars(HostVars):
    """`hostvars` that looks up each host once: a template over all hosts asks for all of them, for every host."""

    def __init__(self, inventory: InventoryManager, manager: VariableManager, loader: DataLoader) -> None:
        super().__init__(inventory, manager, loader)
        self.known: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self.known:
            self.known[key] = super().__getitem__(key)
        return self.known[key]


class DeclaredHosts:
    """An inventory in memory. Templates are filled in when a variable is asked for, as Ansible does."""

    def __init__(self, sources: Sequence[str], loader: DataLoader) -> None:
        self._loader = loader
        self._static, self._constructed = _sources(sources)
        self.inventory = InventoryManager(loader, sources=self._static)
        self._manager = VariableManager(loader, self.inventory)
        self._hostvars = _KnownHostVars(self.inventory, self._manager, loader)
        self._variables: dict[str, dict[str, Any]] = {}
        #: host -> its key in aws_compute_instances
        self.instances: dict[str, str] = {}

    @property
    def folders(self) -> list[Path]:
        """The folder of the inventory's sources."""
        return list(dict.fromkeys(Path(source).parent for source in self._static))

    def raw(self, host: str = "localhost", defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Every variable of a host, templates as they are written."""
        if host not in self._variables:
            self._variables[host] = self._manager.get_vars(host=self.inventory.get_host(host))
        return {**(defaults or {}), **self._variables[host]}

    def add(self, instances: Mapping[str, Any], instance_defaults: Mapping[str, Any]) -> None:
        """Put the declared instances into the inventory."""
        self.inventory.add_group("aws_ec2")
        for name, entry in instances.items():
            if not isinstance(entry, Mapping):
                continue
            host, merged = host_name(name), {**instance_defaults, **entry}
            architecture = _ARCHITECTURES.get(str(merged.get("architecture")), "x86_64")
            address = str(merged.get("private_ip") or "192.0.2.10")
            self.instances[host] = name
            self.inventory.add_group(f"arch_{architecture}")
            self.inventory.add_host(host, "aws_ec2")
            self.inventory.add_host(host, f"arch_{architecture}")
            there = self.inventory.get_host(host)
            for variable, value in {
                "ansible_host": address,
                "ansible_user": "admin",
                "ec2_architecture": architecture,
                "ec2_private_ip_address": address,
                "ec2_tags": {"Name": name, "Role": merged.get("role", "")},
            }.items():
                there.set_variable(variable, value)
            self._manager.set_host_facts(host, facts_of(address, architecture))
        for path in self._constructed:
            self.inventory.parse_source(path)
        self.inventory.reconcile_inventory()
        self.inventory.clear_pattern_cache()
        self._variables.clear()
        self._hostvars.known.clear()

    def keep_secrets(self, parameters: Mapping[str, Any]) -> None:
        """Give every host a stand-in for each declared secret."""
        values: dict[str, Any] = {}
        for name, entry in parameters.items():
            authority = isinstance(entry, Mapping) and entry.get("kind") == "authority"
            values[name] = dict(_AUTHORITY) if authority else _SECRET
        for host in self.instances:
            self._manager.set_nonpersistent_facts(host, {"secrets_values": values})
        self._variables.clear()
        self._hostvars.known.clear()

    def members(self, pattern: str) -> list[str]:
        """Declared hosts that match a play's pattern."""
        return [host.name for host in self.inventory.get_hosts(pattern) if host.name in self.instances]

    def groups(self, host: str) -> list[str]:
        """Groups of a host, the one whose variables win last."""
        found = self.inventory.get_host(host).get_groups()
        return [group.name for group in sorted(found, key=lambda group: (group.depth, group.priority, group.name))]

    def templar(self, host: str, defaults: Mapping[str, Any] | None = None) -> Templar:
        """Fills in templates as that host sees them."""
        return Templar(self._loader, variables=self.raw(host, defaults))


def filled(templar: Templar, where: str, value: Any) -> Any:
    """A value with its templates filled in. Raises TemplateFailedError, which names the innermost part that fails."""
    if not _has_template(value):
        return value
    try:
        return templar.template(value)
    except AnsibleError as error:
        for path, part in _inner(where, value):
            try:
                templar.template(part)
            except AnsibleError:
                return filled(templar, path, part)
        raise TemplateFailedError(where, _reason(error), value) from error


def _has_template(value: Any) -> bool:
    """Whether there is a template in a value. Most have none, and asking the engine about those takes time."""
    if isinstance(value, Mapping):
        return any(_has_template(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_template(item) for item in value)
    return not isinstance(value, str | int | float | None) or (isinstance(value, str) and "{" in value)


def _inner(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"{where}.{key}", item) for key, item in value.items())
    elif isinstance(value, list):
        yield from ((f"{where}.{number}", item) for number, item in enumerate(value))


def needs_a_host(value: Any) -> bool:
    """Whether a template needs a variable that only a running host knows."""
    return any(name in str(value) for name in NEEDS_A_HOST)


def _reason(error: BaseException) -> str:
    """The innermost message of a failed template."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(getattr(error, "message", "") or error).splitlines()[0].rstrip(".")


class Playbooks:
    """Which roles the plays of a playbook give to which hosts."""

    def __init__(self, playbook: Path) -> None:
        self.playbook = playbook

    @cached_property
    def plays(self) -> list[tuple[str, dict[str, dict[str, Any]]]]:
        """(pattern of hosts, variables handed over by role) of every play, imported playbooks included."""
        return list(_plays(self.playbook))


def _plays(playbook: Path) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    for play in yaml.load(playbook.read_bytes(), Loader=_LOADER) or ():
        imported = play.get("ansible.builtin.import_playbook")
        if imported:
            yield from _plays(playbook.parent / imported)
            continue
        roles: dict[str, dict[str, Any]] = {}
        for role in play.get("roles", ()):
            roles |= {role["role"]: role.get("vars", {})} if isinstance(role, Mapping) else {role: {}}
        for section in ("pre_tasks", "tasks", "post_tasks"):
            for task in play.get(section, ()):
                for action in ("ansible.builtin.import_role", "ansible.builtin.include_role"):
                    if action in task and "tasks_from" in task[action]:
                        # Its variables are those of another entry point.
                        roles.setdefault(task[action]["name"], {})
                    elif action in task:
                        roles[task[action]["name"]] = task.get("vars", {})
        yield str(play["hosts"]), roles
