"""No secret is anywhere but in its place: logs, processes, other users' files, images, differences, the repository.

Searched for are all values in Parameter Store, the join tokens of each Swarm, and every private key that is found on a
host.
The places are declared in tests/support/secret_search/places.py.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal import REPOSITORY
from tests.support.local_aws import LocalAws
from tests.support.local_hosts import LocalHosts
from tests.support.process_watch import ProcessWatch
from tests.support.secret_search import needles, on_host, places

HOSTS = ["bcsd-build", "bcsdlab-internal", "koin-db", "koin-prod", "koin-stage"]
PROGRAM = Path(on_host.__file__).read_text()
Patterns = dict[str, list[str]]


def search(hosts: LocalHosts, host: str, **job: Any) -> Any:
    """Run the search on a host; the job and what it finds stay in pipes."""
    done = hosts.inside(host, "python3", "-c", PROGRAM, stdin=json.dumps(job), seconds=900)
    assert done.returncode == 0, f"{host}: {done.stderr[-2000:]}"
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def parameters(aws: LocalAws) -> dict[str, str]:
    """Every secret value by its parameter."""
    pages = (
        aws.client("ssm")
        .get_paginator("get_parameters_by_path")
        .paginate(Path="/", Recursive=True, WithDecryption=True)
    )
    return {item["Name"]: item["Value"] for page in pages for item in page["Parameters"] if item["Type"] != "String"}


@pytest.fixture(scope="module")
def private_keys(hosts: LocalHosts, aws: LocalAws) -> dict[str, str]:
    """Every private key of the hosts by `HOST:PATH`, and the one that logs in to them."""
    found: dict[str, str] = {}
    folders = [("controller", on_host.keys([str(aws.directory)]))]
    folders += [(host, search(hosts, host, do="keys")) for host in HOSTS]
    for host, texts in folders:
        for path, text in texts.items():
            for number, block in enumerate(needles.blocks(text)):
                # What comes with packages, for their own tests, is no secret.
                if needles.load(block) is not None and not path.startswith(("/usr/lib/", "/usr/share/")):
                    found[f"{host}:{path}" + (f"#{number}" if number else "")] = block
    return found


def tokens(hosts: LocalHosts) -> Iterator[tuple[str, str]]:
    """Join tokens of the Swarm of each manager."""
    for host in HOSTS:
        for role in ("manager", "worker"):
            done = hosts.inside(host, "docker", "swarm", "join-token", "--quiet", role)
            if done.returncode == 0:
                yield f"swarm token of a {role}, asked on {host}", done.stdout.strip()


@pytest.fixture(scope="module")
def patterns(parameters: dict[str, str], private_keys: dict[str, str], hosts: LocalHosts) -> Patterns:
    """What to look for, by the name of the secret."""
    found = {name: needles.value_forms(value) for name, value in parameters.items()}
    found |= {f"key {name}": needles.key_forms(pem) for name, pem in private_keys.items()}
    found |= {name: needles.forms(token.encode()) for name, token in tokens(hosts)}
    assert all(found.values()), [name for name, forms in found.items() if not forms]
    return {name: sorted(forms) for name, forms in found.items()}


def test_there_is_something_to_look_for(parameters: dict[str, str], private_keys: dict[str, str]) -> None:
    assert any(name.endswith("/key") for name in parameters)
    assert len(parameters) >= 8
    owners = {name.partition(":")[0] for name in private_keys}
    assert owners == {"controller", *HOSTS}


def test_nothing_public_is_taken_for_a_secret(hosts: LocalHosts, patterns: Patterns) -> None:
    """A line of a key's PEM may hold its public half, which is in every certificate."""
    public = "/usr/local/share/ca-certificates/koin/*.crt /etc/koin/tls/*/cert.pem /etc/ssh/*.pub /etc/ssl/certs/*.crt"
    for host in HOSTS:
        shown = hosts.inside(host, "sh", "-c", f"cat {public} 2>/dev/null").stdout
        assert "BEGIN CERTIFICATE" in shown
        assert on_host.names_in(shown.encode(), patterns) == []


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_has_secrets_in_their_places_only(hosts: LocalHosts, patterns: Patterns, host: str) -> None:
    found = search(hosts, host, do="search", patterns=patterns)
    # It has looked: a search of nothing finds nothing.
    assert found["files"], "not even the host's own keys were found"
    assert found["read"]["journal"] > 10_000
    assert found["read"]["images"] > 0 or host not in ("bcsd-build", "koin-prod", "koin-stage")
    assert places.leaks(host, found) == []


@pytest.mark.parametrize("where", ["a log", "a process", "a file of another user", "the history of an image"])
def test_the_search_finds_what_is_planted(hosts: LocalHosts, where: str) -> None:
    """A secret of this test's own, in each kind of place, so that an empty result means something."""
    planted = f"planted-{where.replace(' ', '-')}-0123456789"
    host = "koin-stage"
    begin = {
        "a log": f"echo {planted} | systemd-cat",
        "a process": f"setsid -f bash -c 'exec -a {planted} sleep 60' >/dev/null 2>&1 </dev/null",
        "a file of another user": f"echo {planted} > /var/tmp/planted && chown nobody /var/tmp/planted",
        "the history of an image": f"tar -c /etc/hostname | docker import -m {planted} - planted",
    }[where]
    end = "rm -f /var/tmp/planted; docker image rm planted >/dev/null 2>&1; true"
    done = hosts.inside(host, "bash", "-c", begin)
    assert done.returncode == 0, done.stderr
    try:
        found = search(hosts, host, do="search", patterns={"planted": [planted]}, roots=["/var/tmp", "/tmp"])
        assert any("planted" in line for line in places.leaks(host, found)), found
    finally:
        hosts.inside(host, "sh", "-c", end)


def test_what_ansible_printed_holds_no_secret(hosts: LocalHosts, patterns: Patterns) -> None:
    assert "--- before" in hosts.printed[0], "no differences were printed"
    for text in hosts.printed:
        assert on_host.names_in(text.encode(), patterns) == []


def test_no_process_of_the_run_was_called_with_a_secret(
    hosts: LocalHosts, watch: ProcessWatch, patterns: Patterns
) -> None:
    """Of the controller and, since local hosts are processes of this machine, of every host while it was configured."""
    assert len(watch.seen["cmdline"]) > 100
    found = {
        (part, name)
        for part, seen in watch.seen.items()
        for content in seen
        for name in on_host.names_in(content, patterns)
    }
    assert found == set()


def test_the_controller_keeps_no_secret(aws: LocalAws, hosts: LocalHosts, patterns: Patterns) -> None:
    """The local AWS's logs and state, what Ansible leaves behind, and the working tree."""
    roots = [str(aws.directory), str(Path.home() / ".ansible"), str(REPOSITORY / ".ansible")]
    roots += [str(path) for path in REPOSITORY.iterdir() if path.name not in (".git", ".venv", ".cache", ".mypy_cache")]
    found = {
        "files": list(on_host.files(roots, patterns)),
        "streams": [],
        "processes": list(on_host.processes(patterns)),
    }
    assert [entry["path"] for entry in found["files"]] == [str(aws.directory / "ssh/id_ed25519")]
    assert places.leaks("controller", found) == []


def test_no_secret_is_in_the_history(patterns: Patterns) -> None:
    history = subprocess.run(
        ["git", "log", "--patch", "--max-count=200"], cwd=REPOSITORY, capture_output=True, check=True
    ).stdout
    assert on_host.names_in(history, patterns) == []


def test_the_authority_s_key_is_on_no_host(parameters: dict[str, str], private_keys: dict[str, str]) -> None:
    authorities = {
        needles.public_half(needles.load(block))
        for name, value in parameters.items()
        if re.search(r"/authority.*/key$", name)
        for block in needles.blocks(value)
    }
    assert authorities
    assert [name for name, pem in private_keys.items() if needles.public_half(needles.load(pem)) in authorities] == []
