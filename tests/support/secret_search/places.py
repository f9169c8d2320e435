"""Where secrets may be. Whatever is found elsewhere, or with another mode or owner, is a leak."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True)
class Place:
    """Files that may hold secrets.

    path, secrets: patterns. A secret is named by its parameter, or `key HOST:PATH` for a private key that was found on
    a host. mode, owner: exactly these. hosts: where, by name.
    """

    path: str
    mode: str
    owner: str
    secrets: tuple[str, ...]
    hosts: tuple[str, ...] = ("*",)


#: a private key in the file in which it was made, and in no other
_OWN = ("key {host}:{path}",)

PLACES = (
    # --- Keys that a host has made for itself ---
    Place("/etc/ssh/ssh_host_*_key", "0600", "root:root", _OWN),
    Place("/etc/koin/tls/*/key.pem", "0640", "root:*", _OWN),
    Place("/etc/koin/edge/certificates/*", "0600", "root:root", _OWN),
    Place("/etc/letsencrypt/archive/*/privkey*.pem", "0600", "root:root", _OWN),
    Place("/etc/ssl/private/ssl-cert-snakeoil.key", "0640", "root:ssl-cert", _OWN),
    Place("/var/lib/docker/swarm/certificates/swarm-node.key", "0600", "root:root", _OWN),
    # --- Passwords, on the host whose service needs them ---
    Place("/etc/koin/valkey-admin", "0600", "root:root", ("/koin/db/valkey/admin",), ("koin-db",)),
    Place("/etc/koin/redis-exporter.json", "0640", "root:prometheus", ("/koin/db/valkey/exporter",), ("koin-db",)),
    Place("/etc/koin/backup/password", "0600", "root:root", ("/koin/db/backup/password",), ("koin-db", "koin-prod")),
    Place("/etc/koin/backup-data/password", "0600", "root:root", ("/koin/backup/{host}",)),
    # The managers that deploy log in to the registry to pull, and the host that builds to push.
    Place(
        "/etc/koin/docker/config.json",
        "0600",
        "root:root",
        ("/koin/platform/registry/koin", "/koin/platform/registry/nodes"),
    ),
    Place(
        "/etc/koin/docker-push/config.json",
        "0600",
        "root:root",
        ("/koin/platform/registry/builder",),
        ("bcsd-build",),
    ),
    # Whoever deploys gives each node of a task the login that pulls (--with-registry-auth). The folder above is 0700.
    Place("/var/lib/docker/swarm/worker/tasks.db", "0644", "root:root", ("/koin/platform/registry/nodes",)),
    # --- A service's own secrets, in memory ---
    Place("/var/lib/docker/containers/*/mounts/secrets/*", "0444", "root:root", ("/koin/prod/*",), ("koin-prod",)),
    Place("/var/lib/docker/containers/*/mounts/secrets/*", "0444", "root:root", ("/koin/stage/*",), ("koin-stage",)),
    Place("container koin-prod_*:/run/secrets/*", "0444", "root:root", ("/koin/prod/*",), ("koin-prod",)),
    Place("container koin-stage_*:/run/secrets/*", "0444", "root:root", ("/koin/stage/*",), ("koin-stage",)),
    # --- The controller ---
    # The key with which the rehearsal logs in.
    Place("*/ssh/id_ed25519", "0600", "*", _OWN, ("controller",)),
)


def allowed(host: str, found: Mapping[str, Any], secret: str, places: Iterable[Place] = PLACES) -> bool:
    """Whether a secret may be in a file that was found."""
    return any(
        any(fnmatchcase(host, pattern) for pattern in place.hosts)
        and fnmatchcase(found["path"], place.path)
        and found["mode"] == place.mode
        and fnmatchcase(found["owner"], place.owner)
        and any(fnmatchcase(secret, pattern.format(host=host, path=found["path"])) for pattern in place.secrets)
        for place in places
    )


def leaks(host: str, result: Mapping[str, Any], places: Iterable[Place] = PLACES) -> list[str]:
    """What must not be on a host, by place; a secret is named, never shown."""
    lines = [
        f"{host}: {found['path']} ({found['mode']} {found['owner']}{', open' if found['open'] else ''}): {secret}"
        for found in result["files"]
        for secret in found["secrets"]
        # In a container, its own secrets are open to its own accounts.
        if not allowed(host, found, secret, places) or (found["open"] and not found["path"].startswith("container "))
    ]
    for part in ("processes", "streams"):
        lines += [f"{host}: {found['where']}: {secret}" for found in result[part] for secret in found["secrets"]]
    return lines
