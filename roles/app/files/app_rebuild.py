#!/usr/bin/python3
"""Rebuilds the images of which Debian has updated a package for security, and pushes each with a tag of its own.

Usage: app-rebuild [--dry-run]

Compares the packages of the newest image that the registry has with the security updates that apt knows on this host.
Deploys nothing: the next deployment takes the newest image. What was rebuilt, and why, is printed and a label of the
image (koin.reason); the time of the last success is a metric.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONFIG = Path("/etc/koin/images.json")
METRICS = Path("/var/lib/prometheus/node-exporter")
STATUS = "/var/lib/dpkg/status"


def run(*command: str) -> bytes:
    """What a command says; an error with its message when it fails."""
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` says: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


# --- What the registry has -------------------------------------------------------------------------------------------


def tags(address: str, repository: str, folder: Path) -> list[str]:
    """Tags of a repository. Like the engine, uses a registry on loopback without TLS."""
    scheme = "http" if re.match(r"(127\.|localhost)", address) else "https"
    request = urllib.request.Request(f"{scheme}://{address}/v2/{repository}/tags/list")
    file = folder / "config.json"
    logins = json.loads(file.read_text()).get("auths", {}) if file.exists() else {}
    if login := logins.get(address, {}).get("auth"):
        request.add_header("Authorization", f"Basic {login}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=90) as answer:
            return json.load(answer)["tags"] or []
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return []
        raise


def newest(declared: str, folder: Path) -> str | None:
    """The newest of an image: the declared tag, or that with a time after it."""
    repository, _, tag = declared.rpartition(":")
    address, _, path = repository.partition("/")
    known = re.compile(re.escape(tag) + r"(-\d{12})?")
    found = [name for name in tags(address, path, folder) if known.fullmatch(name)]
    return f"{repository}:{max(found)}" if found else None


def installed(image: str) -> dict[str, str]:
    """Versions by package, as dpkg of the image knows them."""
    run("docker", "pull", "--quiet", image)
    container = run("docker", "create", image, "true").decode().strip()
    try:
        with tarfile.open(fileobj=io.BytesIO(run("docker", "cp", f"{container}:{STATUS}", "-"))) as archive:
            [member] = archive.getmembers()
            content = archive.extractfile(member)
            assert content is not None
            text = content.read().decode()
    finally:
        run("docker", "rm", container)
    return dict(packages(text))


def packages(text: str) -> Iterator[tuple[str, str]]:
    """Installed packages of a status file."""
    for stanza in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", stanza, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            yield fields["Package"], fields["Version"]


# --- What Debian has -------------------------------------------------------------------------------------------------


def updates(versions: dict[str, str]) -> dict[str, str]:
    """Newest version from Debian's security archive, of packages that have an older one."""
    import apt_pkg

    apt_pkg.init()
    cache = apt_pkg.Cache(None)
    found: dict[str, str] = {}
    for name, version in versions.items():
        for candidate in cache[name].version_list if name in cache else []:
            origins = [file for file, _ in candidate.file_list]
            secure = any(file.label == "Debian-Security" or file.archive.endswith("-security") for file in origins)
            best = found.get(name, version)
            if secure and apt_pkg.version_compare(candidate.ver_str, best) > 0:
                found[name] = candidate.ver_str
    return found


# --- Doing it --------------------------------------------------------------------------------------------------------


def rebuild(name: str, build: dict[str, Any], folder: Path, dry: bool) -> str | None:
    """Look at one image, and rebuild it if it has to be; the newest."""
    image = newest(build["image"], folder)
    if image is None:
        print(f"{name}: {build['image']} has not been built yet")
        return None
    versions = installed(image)
    better = updates(versions)
    if not better:
        print(f"{name}: {image} has all security updates")
        return image
    reason = ", ".join(f"{package} {versions[package]} -> {version}" for package, version in sorted(better.items()))
    fresh = f"{build['image']}-{time.strftime('%Y%m%d%H%M', time.gmtime())}"
    print(f"{name}: {'would rebuild' if dry else 'rebuilds'} {image} as {fresh}: {reason}", flush=True)
    if dry:
        return image
    run("app-build", build["sources"], fresh, ",".join(build["packages"]), f"security updates: {reason}")
    if left := updates(installed(fresh)):
        raise RuntimeError(f"{fresh} was built without {', '.join(sorted(left))}")
    return fresh


def report(images: list[str]) -> None:
    """Metrics of a run in which all went well."""
    if not METRICS.is_dir():
        return
    success = "koin_image_rebuild_last_success_timestamp_seconds"
    built = "koin_image_built_timestamp_seconds"
    text = f"# HELP {success} When all images were last compared with the security updates.\n# TYPE {success} gauge\n"
    text += f"{success} {time.time()}\n"
    text += f"# HELP {built} When the newest image of a repository was built.\n# TYPE {built} gauge\n"
    for image in images:
        [found] = json.loads(run("docker", "image", "inspect", image))
        created = datetime.datetime.fromisoformat(found["Created"]).timestamp()
        text += built + f'{{repository="{image.rpartition(":")[0]}"}} {created}\n'
    handle, temporary = tempfile.mkstemp(prefix=".images.", dir=METRICS)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(temporary).chmod(0o644)
    Path(temporary).replace(METRICS / "images.prom")


def main() -> int:
    """Look at every image; one that fails does not keep the others from being rebuilt."""
    dry = "--dry-run" in sys.argv
    config = json.loads(CONFIG.read_text())
    folder = Path(config["docker_config"])
    os.environ["DOCKER_CONFIG"] = str(folder)
    run("apt-get", "update", "-qq", "--error-on=any")
    images, failed = [], False
    for name, build in config["builds"].items():
        try:
            image = rebuild(name, build, folder, dry)
            images += [image] if image else []
        except Exception as problem:
            print(f"{name}: {problem}", file=sys.stderr)
            failed = True
    if not failed and not dry:
        report(images)
    return failed


if __name__ == "__main__":
    sys.exit(main())
