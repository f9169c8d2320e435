"""Which nodes can run an image, as its registry describes it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

#: what images call the architectures of machines
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def architectures(text: str) -> dict[str, str]:
    """The digest of the image for each architecture, from ``docker manifest inspect --verbose``.

    Raises ValueError when that is no description of an image.
    """
    try:
        found = json.loads(text)
        entries = found if isinstance(found, list) else [found]
        described = {
            str(platform["architecture"]): str(entry["Descriptor"]["digest"])
            for entry in entries
            # An attestation of a build is listed like an image, for an unknown system.
            if (platform := entry["Descriptor"].get("platform") or {}).get("os") == "linux"
        }
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"the registry describes no image: {error!r}") from error
    if not described:
        raise ValueError("the registry describes no image for Linux")
    return described


def eligible(nodes: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> dict[str, str]:
    """The architecture of each node with these labels, by host name. nodes: as Docker describes them."""
    return {
        node["Description"]["Hostname"]: _architecture(node)
        for node in nodes
        if all((node["Spec"].get("Labels") or {}).get(key) == str(value) for key, value in labels.items())
    }


def _architecture(node: Mapping[str, Any]) -> str:
    machine = str(node["Description"]["Platform"]["Architecture"])
    return _MACHINES.get(machine, machine)


def unfit(image: str, service: str, described: Mapping[str, str], nodes: Mapping[str, str]) -> str:
    """Why no node can run the image; empty when one can."""
    if not nodes:
        return f"No node of the Swarm has the labels that {service} is placed by (`placement`)."
    if any(machine in described for machine in nodes.values()):
        return ""
    wanted = sorted(set(nodes.values()))
    listed = ", ".join(f"{node} ({machine})" for node, machine in sorted(nodes.items()))
    return (
        f"{image} is for {', '.join(sorted(described))}, and {service} may run on {listed} only. Build it for "
        f"{' and '.join(wanted)} (`docker build --platform linux/{wanted[0]}`)."
    )


def refusal(image: str, said: str) -> str:
    """Why an image cannot be had, in an operator's terms. said: by the client or the engine."""
    text = " ".join(said.split())
    low = text.lower()
    if "no such manifest" in low or "manifest unknown" in low or "not found" in low:
        return f"The registry has no image {image}. Look at its tags, or push it first ({text})."
    if "unauthorized" in low or "denied" in low or "no basic auth" in low:
        return f"The registry refuses {image} to the nodes: is it in another registry than app_registry? ({text})"
    return f"The registry does not answer for {image}: {text}"
