"""Rules of role app: services of the Swarm, and the images that are built for them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.errors import Problem
from .rules import LABEL, Platform, RoleInput, Values, address, in_range, keys_spelled, one_of, port, ranges
from .swarm import swarm_of

_TAGGED = re.compile(r".*:[A-Za-z0-9_][A-Za-z0-9_.-]*|.*@sha256:[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[^/]+[.:][^/]*/[a-z0-9/._-]+")
_SECRET = re.compile(r"[a-z0-9][a-z0-9_-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NAME = "lower-case letters, digits and hyphens"
#: variables whose value is a secret, judging by their name, and those that only mention one
_CONFIDENTIAL = re.compile(
    r"PASSW(OR)?D|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION)_?KEY", re.I
)
_ABOUT_ONE = re.compile(
    r"(_FILE|_PATH|_DIR|_NAME|_HEADER|_TYPE|_ISSUER|_ALGORITHM|_URL|_URI|_TTL|_EXPIRY|_EXPIRATION|_EXPIRES(_IN)?"
    r"|_SECONDS|_MINUTES|_HOURS|_DAYS|_MILLIS|_MS|_LENGTH|_ENABLED|_REQUIRED|_USER(NAME)?)$",
    re.I,
)
_LOGIN_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@", re.I)


class Input(RoleInput):
    """app_stacks, app_builds, app_registry, app_push."""

    entries = {
        "app_stacks": "stack",
        "app_stacks.*.services": "service",
        "app_stacks.*.services.*.mounts": "mount",
        "app_stacks.*.services.*.tmpfs": "tmpfs",
        "app_builds": "build",
    }
    records = {"app_registry": "registry", "app_push": "push"}
    secrets = ("app_stacks.*.services.*.secrets.*", "app_registry.password", "app_push.password")
    needs = ("docker", "swarm")

    def problems(self, values: Values) -> Iterator[Problem]:
        yield from ranges(values, app_timeout_seconds=(1, 3600))
        builds = values.get("app_builds", {})
        for name, build in builds.items():
            where = f"app_builds.{name}"
            if not _REPOSITORY.fullmatch(build.get("image", "")):
                fix = "write registry:port/name without a tag, e.g. bcsd-build:5000/koin/sample"
                yield Problem(f"{where}.image", f"`{build.get('image')}` is not the name of an image", fix)
            context = self.folder.parent.parent / build.get("context", "")
            if not (context / "Dockerfile").is_file():
                what = f"there is no `{build.get('context')}/Dockerfile` in the repository"
                yield Problem(f"{where}.context", what, "write the folder of the image's sources, e.g. services/sample")
        stacks = values.get("app_stacks", {})
        yield from keys_spelled("app_stacks", stacks, LABEL, "the name of a stack", f"write {_NAME}")
        for name, stack in stacks.items():
            services = stack.get("services") or {}
            where = f"app_stacks.{name}.services"
            if not services:
                yield Problem(where, "is empty", "declare at least one service, or remove the stack")
            yield from keys_spelled(where, services, LABEL, "the name of a service", f"write {_NAME}")
            for key, service in services.items():
                yield from self._service(f"{where}.{key}", name, service, values)
        if values.get("app_publish_mode") != "host":
            yield from self._taken_on_every_node(stacks)

    def _service(self, where: str, stack: str, service: Values, values: Values) -> Iterator[Problem]:
        builds, mode = values.get("app_builds", {}), values.get("app_publish_mode")
        if ("image" in service) == ("build" in service):
            yield Problem(where, "needs either `image` or `build`", "give exactly one of image and build")
        if "image" in service and not _TAGGED.fullmatch(str(service["image"]).rpartition("/")[2]):
            fix = f"add a version, e.g. {service['image']}:1.2.3"
            yield Problem(f"{where}.image", f"`{service['image']}` has no tag", fix)
        if "build" in service:
            yield from one_of(
                f"{where}.build", service["build"], builds, "in app_builds", declare="declare it in app_builds"
            )
        yield from in_range(f"{where}.replicas", service.get("replicas"), 0, 100)
        yield from in_range(f"{where}.stop_seconds", service.get("stop_seconds"), 0, 3600)
        yield from _published(f"{where}.publish", service.get("publish", {}))
        yield from _environment(f"{where}.environment", service.get("environment", {}))
        yield from _secrets(f"{where}.secrets", stack, service.get("secrets", {}))
        for name, value in service.get("extra_hosts", {}).items():
            yield from address(f"{where}.extra_hosts.{name}", value)
        for kind in ("mounts", "tmpfs"):
            for path in service.get(kind) or {}:
                if not path.startswith("/"):
                    what = f"`{path}` is not a path in the container"
                    yield Problem(f"{where}.{kind}.{path}", what, f"write /{path}")
        for path, folder in (service.get("tmpfs") or {}).items():
            yield from in_range(f"{where}.tmpfs.{path}.size_mib", folder.get("size_mib"), 1, 1024 * 1024)
            if path in service.get("mounts", {}):
                what = "something is mounted there, too"
                yield Problem(f"{where}.tmpfs.{path}", what, "keep one of the two (`tmpfs: {}` for none)")
        if service.get("health") is not None and not service["health"].get("command"):
            fix = "give the words of one that exits 0 if the service is healthy, e.g. [curl, -f, localhost:8080/health]"
            yield Problem(f"{where}.health.command", "health has no command", fix)
        yield from _amounts(where, service)
        if service.get("update", {}).get("order") == "start-first" and service.get("publish") and mode != "ingress":
            what = "start-first starts the new task while the old one still holds the published port"
            yield Problem(f"{where}.update.order", what, "write stop-first, or set app_publish_mode: ingress")

    def _taken_on_every_node(self, stacks: Mapping[str, Any]) -> Iterator[Problem]:
        taken: dict[str, str] = {}
        for name, key, service in _services(stacks):
            for number in service.get("publish", {}):
                other = taken.setdefault(str(number), f"{name}.{key}")
                if other != f"{name}.{key}":
                    where = f"app_stacks.{name}.services.{key}.publish.{number}"
                    what = f"port {number} is already used by {other}, and a service takes it on all nodes"
                    yield Problem(where, what, "give another port, or set app_publish_mode: host")

    def across(self, host: str, values: Values, platform: Platform) -> Iterator[Problem]:
        labels = _labels(platform, host)
        yield from _placements(values, labels)
        if values.get("app_publish_mode") == "host":
            yield from _ports_on_nodes(values, labels, platform)
        yield from _registries(values, platform)


def _services(stacks: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(stack, service, content) of all."""
    for name, stack in stacks.items():
        for key, service in (stack.get("services") or {}).items():
            yield name, key, service


def _published(where: str, publish: Mapping[Any, Any]) -> Iterator[Problem]:
    for outside, inside in publish.items():
        here = f"{where}.{outside}"
        for number in (outside, inside):
            if not str(number).isdigit():
                yield Problem(
                    here, f"`{number}` is not a port", "write {published: port of the container}, e.g. {8080: 80}"
                )
            else:
                yield from port(here, int(number))


def _environment(where: str, environment: Mapping[Any, Any]) -> Iterator[Problem]:
    for key, value in environment.items():
        here, name = f"{where}.{key}", str(key)
        if not _VARIABLE.fullmatch(name):
            yield Problem(here, f"`{name}` is not the name of a variable", "write capitals, digits and `_`")
        elif isinstance(value, Mapping | list):
            yield Problem(
                here, f"is a {'list' if isinstance(value, list) else 'mapping'}, not text", "write it as text"
            )
        elif value is None:
            yield Problem(here, "has no value", 'write one, or "" for an empty one')
        elif _is_confidential(name, value):
            secret = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
            fix = (
                f'move it to the secrets of the service (`{secret}: "{{{{ platform_secrets.… }}}}"`), '
                f"and let the service read the file: {name}_FILE: /run/secrets/{secret}"
            )
            yield Problem(here, "is a secret that anyone can read in the service's definition", fix)


def _is_confidential(name: str, value: Any) -> bool:
    text = str(value)
    if _LOGIN_IN_URL.search(text):
        return True
    if not _CONFIDENTIAL.search(name) or _ABOUT_ONE.search(name):
        return False
    # A length or a switch is not a secret, nor is the place to find one.
    return bool(text) and not re.fullmatch(r"\d{1,6}|true|false|/run/secrets/\S+", text, re.IGNORECASE)


def _secrets(where: str, stack: str, secrets: Mapping[str, Any]) -> Iterator[Problem]:
    for name, value in secrets.items():
        if len(f"{stack}_{name}") > 55 or not _SECRET.fullmatch(str(name)):
            fix = "write lower-case letters, digits, _ and -, at most 55 with the stack's name"
            yield Problem(f"{where}.{name}", f"`{name}` is not the name of a secret", fix)
        if not value:
            yield Problem(f"{where}.{name}", "is empty", 'give it a value, e.g. "{{ platform_secrets.… }}"')


def _amounts(where: str, service: Values) -> Iterator[Problem]:
    for kind in ("limits", "reservations"):
        given = service.get(kind) or {}
        yield from in_range(f"{where}.{kind}.cpus", given.get("cpus"), 0.01, 64)
        yield from in_range(f"{where}.{kind}.memory_mib", given.get("memory_mib"), 6, 1024 * 1024)
        yield from in_range(f"{where}.{kind}.pids", given.get("pids"), 1, 4194304)
    for key in ("cpus", "memory_mib"):
        limit, reserved = (service.get(kind, {}).get(key) for kind in ("limits", "reservations"))
        if isinstance(limit, int | float) and isinstance(reserved, int | float) and reserved > limit:
            fix = f"reserve at most {limit}, or raise limits.{key}"
            yield Problem(f"{where}.reservations.{key}", f"{reserved} is more than the limit of {limit}", fix)
    for group, key, low in (
        ("health", "interval_seconds", 1),
        ("health", "timeout_seconds", 1),
        ("health", "retries", 1),
        ("health", "start_seconds", 0),
        ("restart", "delay_seconds", 0),
        ("restart", "max_attempts", 0),
        ("restart", "window_seconds", 0),
        ("update", "parallelism", 0),
        ("update", "delay_seconds", 0),
        ("update", "monitor_seconds", 1),
    ):
        yield from in_range(f"{where}.{group}.{key}", (service.get(group) or {}).get(key), low, 86400)


# --- Against the rest of the platform --------------------------------------------------------------------------------


def _labels(platform: Platform, manager: str) -> dict[str, dict[str, str]]:
    """The labels of every node of a manager's Swarm, by host."""
    clusters = platform.values(manager, "swarm")
    own = swarm_of(clusters, manager)
    return {
        host: {str(key): str(value) for key, value in roles.get("swarm", {}).get("swarm_labels", {}).items()}
        for host, roles in platform.hosts.items()
        if own and swarm_of(clusters, host) == own
    }


def _nodes(service: Values, labels: Mapping[str, Mapping[str, str]]) -> list[str]:
    wanted = {str(key): str(value) for key, value in (service.get("placement") or {}).items()}
    return [host for host, own in labels.items() if wanted.items() <= own.items()]


def _placements(values: Values, labels: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    for name, key, service in _services(values.get("app_stacks", {})):
        where = f"app_stacks.{name}.services.{key}"
        if not labels or not service.get("placement"):
            continue
        unmet = False
        for label, wanted in service["placement"].items():
            at = f"{where}.placement.{label}"
            if all(label not in own for own in labels.values()):
                unmet = True
                known = {other for own in labels.values() for other in own}
                yield from one_of(
                    at, label, known, "a label of any node of its Swarm", declare="add it to swarm_labels of a host"
                )
            elif str(wanted) not in (known := {own[label] for own in labels.values() if label in own}):
                unmet = True
                yield from one_of(
                    at,
                    str(wanted),
                    known,
                    f"the `{label}` of any node of its Swarm",
                    declare="set swarm_labels of a host",
                )
        if not unmet and not _nodes(service, labels):
            listed = "; ".join(f"{host}: {_pairs(own)}" for host, own in sorted(labels.items()))
            what = f"no node of its Swarm has {_pairs(service['placement'])} together ({listed})"
            yield Problem(f"{where}.placement", what, "write labels of one node")


def _pairs(labels: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items()) or "none"


def _ports_on_nodes(values: Values, labels: Mapping[str, Mapping[str, str]], platform: Platform) -> Iterator[Problem]:
    taken: dict[tuple[str, str], str] = {}
    for name, key, service in _services(values.get("app_stacks", {})):
        where = f"app_stacks.{name}.services.{key}"
        nodes, publish = _nodes(service, labels), service.get("publish", {})
        if publish and nodes and service.get("replicas", 1) > len(nodes):
            what = f"{service['replicas']} replicas need one node each for port {', '.join(map(str, publish))}, "
            what += f"but the placement allows {len(nodes)} ({', '.join(nodes)})"
            fix = f"write {len(nodes)}, widen `placement`, or set app_publish_mode: ingress"
            yield Problem(f"{where}.replicas", what, fix)
        for number in map(str, publish):
            others = sorted({taken[node, number] for node in nodes if (node, number) in taken})
            for other in others:
                shared = [node for node in nodes if taken.get((node, number)) == other]
                what = f"port {number} of {', '.join(shared)} is already used by {other}"
                yield Problem(
                    f"{where}.publish.{number}", what, "publish one of them on another port, or place it elsewhere"
                )
            for node in nodes:
                taken.setdefault((node, number), f"{name}.{key}")
                for own, variable in platform_ports(platform, node):
                    if own == number:
                        what = f"port {number} of {node} is taken by {variable}"
                        yield Problem(f"{where}.publish.{number}", what, "publish it on another port")


def platform_ports(platform: Platform, host: str) -> Iterator[tuple[str, str]]:
    """(port, variable) of what the roles of a host listen on."""
    from . import inputs

    for role, values in platform.hosts.get(host, {}).items():
        if role in inputs():
            yield from ((str(number), variable) for number, _, variable in inputs()[role].listens(values))


def _registries(values: Values, platform: Platform) -> Iterator[Problem]:
    known = {
        str(name) for roles in platform.hosts.values() for name in roles.get("docker", {}).get("docker_registries", {})
    }
    known |= {str(address) for address in [(values.get("app_registry") or {}).get("address")] if address}
    images = [
        (f"app_stacks.{name}.services.{key}.image", str(service["image"]))
        for name, key, service in _services(values.get("app_stacks", {}))
        if service.get("image")
    ]
    images += [
        (f"app_builds.{name}.image", str(build.get("image"))) for name, build in values.get("app_builds", {}).items()
    ]
    images += [
        ("app_registry.address", f"{address}/")
        for address in [(values.get("app_registry") or {}).get("address")]
        if address
    ]
    declared = {
        str(name) for roles in platform.hosts.values() for name in roles.get("docker", {}).get("docker_registries", {})
    }
    for where, image in images:
        registry, slash, _ = image.partition("/")
        if where == "app_registry.address" and registry in declared:
            continue
        if slash and _is_private(registry, known) and (registry not in known or where == "app_registry.address"):
            yield from one_of(
                where,
                registry,
                declared if where == "app_registry.address" else known,
                "a registry that the hosts know",
                declare="declare it in docker_registries",
            )


def _is_private(registry: str, known: set[str]) -> bool:
    """Whether a registry can only be one of our own: no public one has such a name."""
    name = registry.partition(":")[0]
    if name in {other.partition(":")[0] for other in known}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return (":" in registry and "." not in name) or name == "localhost"
    return not name.startswith("127.")
