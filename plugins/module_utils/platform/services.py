"""Services by the names that operators give them, and the hosts that a verb about one of them touches. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from .engine.errors import PlatformError

Stacks = Mapping[str, Mapping[str, Any]]


def named(stacks: Stacks, name: str, sites: Mapping[str, Mapping[str, Any]] | None = None) -> tuple[str, str]:
    """(stack, service) of `koin-prod/api`, `koin-prod_api`, or of any shorter name that only one has.

    sites: whose names are understood as well, see platform_sites. Raises PlatformError with what to write.
    """
    known = [(stack, service) for stack, entry in stacks.items() for service in entry["services"]]
    full = {f"{stack}{sign}{service}": (stack, service) for stack, service in known for sign in "/_"}
    if name in full:
        return full[name]
    listed = ", ".join(f"{stack}/{service}" for stack, service in known) or "none is declared in platform_stacks"
    if not name:
        raise PlatformError(f"Say which service: -e service=STACK/SERVICE. There are: {listed}.")
    served = {
        site["service"]
        for of_instance in (sites or {}).values()
        for key, site in of_instance.items()
        if key == name and "service" in site
    }
    found = [(stack, service) for stack, service in known if name in (stack, service) or f"{stack}/{service}" in served]
    if len(found) == 1:
        return found[0]
    if found:
        which = " or ".join(f"{stack}/{service}" for stack, service in found)
        raise PlatformError(f"`{name}` may be {which}: say which with -e service=.")
    near = get_close_matches(name, full, 1, 0.5)
    mean = f" Do you mean {near[0].replace('_', '/')}?" if near else ""
    raise PlatformError(
        f"There is no service `{name}` in platform_stacks (group_vars/all/app.yml).{mean} There are: {listed}."
    )


def hosts(
    stacks: Stacks, stack: str, service: str, clusters: Mapping[str, Any], labels: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[str]]:
    """The hosts that deploy a service (`managers`), and those that its tasks may run on (`nodes`).

    clusters: swarm_clusters. labels: of every member of a Swarm.
    """
    cluster = clusters[stacks[stack]["swarm"]]
    placed = stacks[stack]["services"][service].get("placement", {})
    members = [*cluster["managers"], *cluster["workers"]]
    nodes = [
        host
        for host in members
        if all(str(labels.get(host, {}).get(key)) == str(value) for key, value in placed.items())
    ]
    return {"managers": list(cluster["managers"]), "nodes": nodes}


def image_of(image: str, declared: str) -> str:
    """The image that `-e image=` names: in full, `:tag` or `@digest` of the declared one, or `declared`.

    declared: the image of the declaration. Raises PlatformError when it names none.
    """
    if image == "declared":
        return image
    repository = declared.partition("@")[0]
    if ":" in repository.rpartition("/")[2]:
        repository = repository.rpartition(":")[0]
    full = f"{repository}{image}" if image.startswith((":", "@")) else image
    last = full.rpartition("/")[2]
    if not image or not (":" in last or "@" in last) or any(character.isspace() for character in full):
        raise PlatformError(
            f"`{image}` names no version of an image. Write one with its tag or digest, e.g. "
            f"-e image={repository}:1.2.3, or for short -e image=:1.2.3; -e image=declared for the declared one."
        )
    return full


def edges(sites: Mapping[str, Mapping[str, Any]], name: str, hosts_of_edges: Iterable[str]) -> list[dict[str, Any]]:
    """The edges that serve a site, each with what role edge calls it; every edge, with all, when there is no name.

    name: a public name, or a site of any instance. Raises PlatformError when there is none.
    """
    if not name:
        return [{"host": host, "sites": ["all"]} for host in hosts_of_edges]
    found: dict[str, list[str]] = {}
    for instance, of_instance in sites.items():
        for key, site in of_instance.items():
            if name in (key, f"{instance}/{key}", *site["names"]):
                found.setdefault(instance.lower().replace("_", "-"), []).append(key)
    if not found:
        public = [of for of_instance in sites.values() for site in of_instance.values() for of in site["names"]]
        raise PlatformError(
            f"There is no site `{name}` in platform_sites (group_vars/all/sites.yml). Public names are: "
            f"{', '.join(public)}."
        )
    if len(found) > 1:
        which = [f"{instance}/{name}" for instance, of_instance in sites.items() if name in of_instance]
        raise PlatformError(
            f"Several instances have a site `{name}`: say which, {' or '.join(which)}, or a public name."
        )
    return [{"host": host, "sites": keys} for host, keys in found.items()]


def groups(found: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """Hosts with the groups of the inventory that a verb puts them into."""
    managers, nodes = list(found["managers"]), list(found["nodes"])
    return [
        {
            "host": host,
            "groups": [
                *(["service_managers"] if host in managers else []),
                *(["service_nodes"] if host in nodes else []),
            ],
        }
        for host in dict.fromkeys([*managers, *nodes])
    ]
