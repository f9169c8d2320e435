"""Images are pushed and pulled as clients do it: by skopeo and curl, over TLS, with the authority of the system."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from testinfra.host import Host

PASSWORD = "correct-horse-battery"


@pytest.fixture(scope="module")
def registry(host: Host) -> str:
    """Where it answers; the host can push there then."""
    address: str = host.ansible.get_variables()["ansible_host"]
    login(host, f"{address}:5000", "koin", PASSWORD)
    return f"{address}:5000"


def login(host: Host, registry: str, user: str, password: str) -> None:
    host.check_output(
        f"echo {password} | skopeo login --authfile /root/auth.json --username {user} --password-stdin {registry}"
    )


def push(host: Host, registry: str, name: str, seed: str, architectures: Iterable[str] = ("amd64",)) -> str:
    """Make an image from a seed, and push it; its digest."""
    folder = f"/srv/images/{seed}"
    host.check_output(f"python3 /srv/layout.py {folder} {seed} {' '.join(architectures)}")
    host.check_output(
        f"skopeo --insecure-policy copy --all --authfile /root/auth.json oci:{folder}:it docker://{registry}/{name}"
    )
    digest: str = json.loads(host.file(f"{folder}/index.json").content_string)["manifests"][0]["digest"]
    return digest


def pulls(host: Host, registry: str, name: str, *options: str) -> bool:
    """Whether all of an image can be had."""
    host.run("rm -rf /tmp/pulled")
    command = f"skopeo --insecure-policy {' '.join(options)} copy --all --authfile /root/auth.json"
    return bool(host.run(f"{command} docker://{registry}/{name} dir:/tmp/pulled").rc == 0)


def status(host: Host, url: str, options: str = "--config /srv/curl-koin") -> int:
    return int(
        host.check_output(
            f"curl --noproxy '*' --silent --output /dev/null --write-out '%{{http_code}}' {options} {url}"
        )
    )


def tags(host: Host, registry: str, name: str) -> list[str]:
    said = host.check_output(
        f"curl --noproxy '*' --silent --config /srv/curl-koin https://{registry}/v2/{name}/tags/list"
    )
    return sorted(json.loads(said)["tags"] or [])


def prune(host: Host) -> str:
    host.check_output("systemctl start registry-prune.service")
    # It is started again, and answers a moment later.
    host.check_output(
        "timeout 20 sh -c 'until curl --silent --fail http://127.0.0.1:5001/debug/health; do sleep 0.2; done'"
    )
    return host.check_output("journalctl --unit registry-prune.service --output cat --no-pager --lines 40")


def blobs(host: Host) -> set[str]:
    names = host.check_output("find /var/lib/docker-registry/docker/registry/v2/blobs -name data -printf '%h\\n'")
    return {"sha256:" + name.rpartition("/")[2] for name in names.split()}


# --- Who gets in -----------------------------------------------------------------------------------------------------


def test_passwords(host: Host, registry: str) -> None:
    assert status(host, f"https://{registry}/v2/") == 200
    assert status(host, f"https://{registry}/v2/", "") == 401
    assert status(host, f"https://{registry}/v2/_catalog", "") == 401
    assert status(host, f"https://{registry}/v2/", "--user koin:wrong") == 401
    assert status(host, f"https://{registry}/v2/", f"--user root:{PASSWORD}") == 401


def test_tls(host: Host, registry: str) -> None:
    # 60: the certificate is not signed by an authority that this client knows.
    refused = host.run(
        f"curl --noproxy '*' --silent --cacert /srv/other.pem --capath /nonexistent https://{registry}/v2/"
    )
    assert refused.rc == 60
    # 35: too old.
    for old in ("--tls-max 1.1 --ciphers DEFAULT:@SECLEVEL=0", "--tls-max 1.2"):
        assert host.run(f"curl --noproxy '*' --silent {old} https://{registry}/v2/").rc == 35
    assert status(host, f"http://{registry}/v2/") == 400
    named = f"https://host:5000/v2/ --connect-to host:5000:{registry}"
    assert status(host, named) == 200


def test_files_that_few_may_read(host: Host) -> None:
    for path in ("/etc/docker/registry/htpasswd", "/etc/docker/registry/config.yml", "/etc/koin/tls/registry/key.pem"):
        file = host.file(path)
        assert (file.user, file.group, file.mode) == ("root", "docker-registry", 0o640)


def test_passwords_are_nowhere_in_plain(host: Host) -> None:
    # A pattern, for sudo writes down this very command.
    pattern = "sil[e]nt-horse"
    places = "/etc /root /home /tmp /usr/local /var/lib/docker-registry /var/log /var/tmp"
    assert host.run(f"grep --recursive --files-with-matches {pattern} {places}").stdout == ""
    # Compressed, where grep does not see it.
    assert host.run(f"journalctl --no-pager --output cat | grep {pattern}").stdout == ""
    assert "silent:$2" in host.file("/etc/docker/registry/htpasswd").content_string


# --- Images ----------------------------------------------------------------------------------------------------------


def test_push_and_pull(host: Host, registry: str) -> None:
    push(host, registry, "first:1", "first")
    assert pulls(host, registry, "first:1")
    assert not pulls(host, registry, "first:2")


def test_one_tag_for_both_architectures(host: Host, registry: str) -> None:
    push(host, registry, "both:1", "both", ("amd64", "arm64"))
    for architecture in ("amd64", "arm64"):
        inspected = json.loads(
            host.check_output(
                f"skopeo --override-arch {architecture} inspect --config --authfile /root/auth.json docker://{registry}/both:1"
            )
        )
        assert inspected["architecture"] == architecture


def test_what_nobody_needs_is_removed(host: Host, registry: str) -> None:
    kept = push(host, registry, "group/app:1", "kept")
    push(host, registry, "group/app:list", "list", ("amd64", "arm64"))
    # Its tag goes to another image.
    lost = push(host, registry, "group/app:2", "lost")
    push(host, registry, "group/app:2", "instead")
    # It is deleted by a client.
    deleted = push(host, registry, "group/app:3", "deleted")
    assert status(host, f"--request DELETE https://{registry}/v2/group/app/manifests/{deleted}") == 202
    assert {kept, lost, deleted} <= blobs(host)
    before = len(blobs(host))

    planned = host.check_output("sudo -u docker-registry registry-prune --dry-run")
    assert f"would remove the image group/app@{lost}" in planned
    assert len(blobs(host)) == before

    said = prune(host)
    assert f"removes the image group/app@{lost}" in said
    assert " MiB freed" in said
    # Manifest, configuration and layer of each.
    assert len(blobs(host)) == before - 6
    assert not {lost, deleted} & blobs(host)
    for tag in ("1", "2", "list"):
        assert pulls(host, registry, f"group/app:{tag}"), tag
    assert pulls(host, registry, "both:1")
    assert tags(host, registry, "group/app") == ["1", "2", "list"]


def test_what_was_removed_can_be_pushed_again(host: Host, registry: str) -> None:
    push(host, registry, "group/app:3", "deleted")
    assert pulls(host, registry, "group/app:3")


def test_tags_beyond_the_newest_are_removed(host: Host, registry: str) -> None:
    for tag in ("keep-first", "a", "b", "c", "d"):
        push(host, registry, f"many:{tag}", f"many-{tag}")
    prune(host)
    assert tags(host, registry, "many") == ["b", "c", "d", "keep-first"]
    assert pulls(host, registry, "many:keep-first")
    assert not pulls(host, registry, "many:a")


def test_it_comes_back_when_pruning_fails(host: Host, registry: str) -> None:
    host.check_output("mv /etc/koin/registry.json /tmp/")
    failed = host.run("systemctl start registry-prune.service")
    host.check_output("mv /tmp/registry.json /etc/koin/")
    assert failed.rc != 0
    host.check_output("systemctl reset-failed registry-prune.service")
    prune(host)
    assert pulls(host, registry, "first:1")


def test_pruning_is_planned(host: Host) -> None:
    timer = host.service("registry-prune.timer")
    assert timer.is_enabled
    assert timer.is_running
    assert "04:3" in host.check_output("systemctl show registry-prune.timer --property=TimersCalendar")


# --- The service -----------------------------------------------------------------------------------------------------


def test_it_listens_where_it_should(host: Host, registry: str) -> None:
    lines = host.check_output("ss --no-header --listening --tcp --numeric --processes | grep registry").splitlines()
    assert sorted(line.split()[3] for line in lines) == sorted([registry, "127.0.0.1:5001"])


def test_metrics(host: Host) -> None:
    assert "registry_http_requests_total" in host.check_output(
        "curl --noproxy '*' --silent http://127.0.0.1:5001/metrics"
    )


def test_it_is_confined(host: Host) -> None:
    said = host.run("systemd-analyze security --no-pager docker-registry.service").stdout.splitlines()[-1]
    assert float(said.split()[-3]) < 3, said


def test_it_survives_a_restart(host: Host, registry: str) -> None:
    assert host.service("docker-registry").is_enabled
    host.check_output("systemctl restart docker-registry")
    host.check_output(
        "timeout 20 sh -c 'until curl --silent --fail http://127.0.0.1:5001/debug/health; do sleep 0.2; done'"
    )
    assert pulls(host, registry, "both:1")


def test_it_comes_up_again_by_itself(host: Host, registry: str) -> None:
    host.check_output("systemctl kill --signal KILL docker-registry")
    host.check_output("timeout 20 sh -c 'until systemctl is-active --quiet docker-registry; do sleep 0.2; done'")
    host.check_output(
        "timeout 20 sh -c 'until curl --silent --fail http://127.0.0.1:5001/debug/health; do sleep 0.2; done'"
    )
    assert status(host, f"https://{registry}/v2/") == 200


def play(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """One of the scenario's playbooks."""
    playbook = Path(__file__).parents[1] / name
    played = subprocess.run(
        ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], *options, str(playbook)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    return played


def started(host: Host) -> str:
    return host.check_output("systemctl show docker-registry --property=ExecMainStartTimestampMonotonic")


def test_a_run_after_a_failed_one_restarts_what_runs_with_something_else(host: Host) -> None:
    after_a_failure = ("-e", json.dumps({"__run_mark": {"stdout_lines": ["found", "whole"]}}))
    before = started(host)
    play("converge.yml", *after_a_failure)
    assert started(host) == before
    unit = "/etc/systemd/system/docker-registry.service.d/10-platform.conf"
    for path in ("/etc/docker/registry/config.yml", unit, "/etc/koin/tls/registry/cert.pem"):
        before = started(host)
        host.check_output(f"sleep 1; touch {path}")
        play("converge.yml", *after_a_failure)
        assert started(host) != before, path
    # Started by the run itself, before systemd has been told of the unit.
    left = unit.replace("10-platform", "20-left")
    host.check_output(f"printf '[Service]\\nEnvironment=LEFT=1\\n' > {left}; systemctl stop docker-registry")
    play("converge.yml", *after_a_failure)
    process = host.check_output("systemctl show docker-registry --property=MainPID --value")
    assert "LEFT=1" in host.check_output(f"tr '\\0' ' ' < /proc/{process}/environ")
    host.check_output(f"rm {left}; systemctl daemon-reload")


def test_another_password_counts_at_once(host: Host, registry: str) -> None:
    """Last, for the host is another one afterwards."""
    before = started(host)
    played = play("changed.yml")
    assert "horse" not in played.stdout + played.stderr
    assert status(host, f"https://{registry}/v2/") == 401
    assert status(host, f"https://{registry}/v2/", "--user koin:another-horse-battery") == 200
    assert status(host, f"https://{registry}/v2/", "--user reader:yet-another-horse-battery") == 200
    # Nobody was interrupted.
    assert started(host) == before
