"""Filters of the role app."""

from __future__ import annotations

import hashlib
import re
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

runpy.run_path(str(Path(__file__).resolve().parents[3] / "plugins/import_path.py"))

from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402 - after the path is set
from ansible.module_utils.platform.releases import choices, from_data, latest, secrets_of  # noqa: E402


def app_digest(folder: str, *more: Any) -> str:
    """A short digest of a folder's files, names and content, and of what else an image is made of."""
    top = Path(folder)
    if not top.is_dir():
        raise AnsibleFilterError(f"app_builds: there is no folder {folder}; give `context` as a path in the repository")
    digest = hashlib.sha256(repr(more).encode())
    for path in sorted(item for item in top.rglob("*") if item.is_file() and "__pycache__" not in item.parts):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(top).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


def app_images(builds: Mapping[str, Mapping[str, Any]], repository: str, release: str, revision: Any) -> dict[str, str]:
    """Images that are built here, by name; the tag is a digest of what they are made of."""
    return {
        name: f"{build['image']}:{release}-"
        + app_digest(f"{repository}/{build['context']}", build.get("packages", []), release, revision)
        for name, build in builds.items()
    }


def app_newest(images: Mapping[str, str], results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The newest of each image that the registry has; results: its lists of tags. Missing ones are left out."""
    newest = {}
    for result in results:
        name = result.get("item", {}).get("key")
        repository, _, tag = images.get(name, "").rpartition(":")
        # A rebuilt one has the time after it.
        known = re.compile(re.escape(tag) + r"(-\d{12})?")
        tags = [found for found in (result.get("json") or {}).get("tags") or [] if known.fullmatch(found)]
        if tags:
            newest[name] = f"{repository}:{max(tags)}"
    return newest


def app_rebuilds(
    builds: Mapping[str, Mapping[str, Any]], images: Mapping[str, str], folder: str
) -> dict[str, dict[str, Any]]:
    """What the build host has to know to make an image again, by name."""
    return {
        name: {
            "image": images[name],
            "packages": build.get("packages", ["ca-certificates"]),
            "sources": f"{folder}/{name}",
        }
        for name, build in builds.items()
    }


def _short(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def app_secret_names(stacks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, dict[str, str]]]:
    """Full names of secrets by stack, service and name. The digest of 32 bits tells versions apart, no value."""
    return {
        stack: {
            service: {
                secret: f"{stack}_{secret}-{_short(f'{stack}/{secret}/{value}', 8)}"
                for secret, value in content.get("secrets", {}).items()
            }
            for service, content in declared["services"].items()
        }
        for stack, declared in stacks.items()
    }


def app_secret_values(stacks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Values of secrets by stack and full name."""
    return {
        stack: {
            full: stacks[stack]["services"][service]["secrets"][secret]
            for service, secrets in services.items()
            for secret, full in secrets.items()
        }
        for stack, services in app_secret_names(stacks).items()
    }


def app_plain(
    stacks: Mapping[str, Mapping[str, Any]], names: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> dict[str, dict[str, Any]]:
    """Stacks with the full names of their secrets instead of the values."""
    return {
        stack: {
            "services": {
                service: {**entry, "secrets": dict(names[stack][service])}
                for service, entry in declared["services"].items()
            }
        }
        for stack, declared in stacks.items()
    }


def app_chosen(
    stacks: Mapping[str, Mapping[str, Any]],
    images: Mapping[str, str],
    declared_images: Mapping[str, str],
    releases: Mapping[str, Mapping[str, Any]],
    asked: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Stacks as they are to be: what was deployed stays until the declaration says something else.

    stacks: from app_plain. releases: from platform_releases.
    """
    try:
        found = choices(stacks, images, declared_images, from_data(releases), asked)
    except PlatformError as error:
        raise AnsibleFilterError(str(error)) from error
    return {
        stack: {
            "services": {
                name: {
                    **choice.chosen.content.settings,
                    "image": choice.chosen.content.image,
                    "secrets": dict(choice.chosen.content.secrets),
                }
                for name, choice in services.items()
            }
        }
        for stack, services in found.items()
    }


def app_kept_secrets(releases: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Full names of the secrets, by stack, that releases need which can be gone back to."""
    return {stack: secrets_of(services) for stack, services in from_data(releases).items()}


def app_said(
    outcome: Mapping[str, Any], releases: Mapping[str, Mapping[str, Any]], asked: Mapping[str, Any], problem: str = ""
) -> str:
    """What is true after a verb. outcome: of the module app_stacks."""
    stack, service = asked["stack"], asked["service"]
    history = from_data(releases).get(stack, {}).get(service, [])
    became = outcome.get("services", {}).get(stack, {}).get(service, {})
    last = latest(history)
    runs = became.get("image") or (last.content.image if last else "what it ran before")
    number = f" (release {last.number})" if last else ""
    if problem:
        return f"{problem.rstrip()}\n{stack}/{service} runs {runs}{number}."
    verb = "runs" if outcome.get("changed") else "ran already, unchanged:"
    return f"{stack}/{service} {verb} {runs}{number}."


_LOGGED = re.compile(r"(\S+) [^|]*?\.(\d+)\.\w+@(\S+)\s+\| ?(.*)")


def app_log_lines(text: str) -> list[str]:
    """Lines of all tasks of a service in the order of time, each with its time, task and node."""
    parts = [(line, _LOGGED.fullmatch(line)) for line in text.splitlines()]
    # Times of one width, so that text sorts them; what is no such line stays with the one before.
    last, keyed = "", []
    for line, known in parts:
        last = known[1] if known else last
        keyed.append((last, f"{known[1][:19].replace('T', ' ')} {known[3]}.{known[2]} {known[4]}" if known else line))
    return [line for _, line in sorted(keyed, key=lambda pair: pair[0])] or ["It wrote nothing."]


def app_managers(hosts: Sequence[str], variables: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Hosts of the play that have answered as managers."""
    answers = {host: variables[host]["__app_found"] for host in hosts if "__app_found" in variables[host]}
    return [host for host, answer in answers.items() if "manager" in answer.get("stdout_lines", [])]


def app_files(content: Mapping[str, str], folder: str) -> dict[str, dict[str, str]]:
    """Stack files, as host_files takes them."""
    return {
        f"{folder}/{name}.yml": {
            "content": text,
            "mode": "0640",
            "validate": "docker stack config --compose-file %s",
        }
        for name, text in content.items()
    }


def app_declared(
    stacks: Mapping[str, Mapping[str, Any]], content: Mapping[str, str], login: str, folder: str
) -> dict[str, dict[str, Any]]:
    """Stacks as the module app_stacks takes them. Services keep the login that they were deployed with."""
    return {
        name: {
            "file": f"{folder}/{name}.yml",
            "digest": _short(content[name] + login, 16),
            "services": {
                service: {"image": entry["image"], "replicas": entry.get("replicas", 1)}
                for service, entry in stack["services"].items()
            },
        }
        for name, stack in stacks.items()
    }


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        """Filters by name."""
        return {
            "app_chosen": app_chosen,
            "app_declared": app_declared,
            "app_digest": app_digest,
            "app_files": app_files,
            "app_images": app_images,
            "app_kept_secrets": app_kept_secrets,
            "app_log_lines": app_log_lines,
            "app_managers": app_managers,
            "app_newest": app_newest,
            "app_plain": app_plain,
            "app_rebuilds": app_rebuilds,
            "app_said": app_said,
            "app_secret_names": app_secret_names,
            "app_secret_values": app_secret_values,
        }
