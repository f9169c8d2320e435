"""Images are pushed and pulled as clients do it: by skopeo and curl, over TLS, with the authority of the system."""

from __future__ import annotations

import base64
import itertools
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
    assert host.run(f"curl --noproxy '*' --silent http://{registry}/v2/").rc != 0
    named = f"https://host:5000/v2/ --connect-to host:5000:{registry}"
    assert status(host, named) == 200


def test_files_that_few_may_read(host: Host) -> None:
    for path, group in (
        ("/etc/haproxy/registry-users.cfg", "haproxy"),
        ("/etc/docker/registry/config.yml", "docker-registry"),
        ("/etc/koin/tls/registry/key.pem", "haproxy"),
    ):
        file = host.file(path)
        assert (file.user, file.group, file.mode) == ("root", group, 0o640), path
    assert not host.file("/etc/docker/registry/htpasswd").exists


def test_passwords_are_nowhere_in_plain(host: Host) -> None:
    # A pattern, for sudo writes down this very command.
    pattern = "sil[e]nt-horse"
    places = "/etc /root /home /tmp /usr/local /var/lib/docker-registry /var/log /var/tmp"
    assert host.run(f"grep --recursive --files-with-matches {pattern} {places}").stdout == ""
    # Compressed, where grep does not see it.
    assert host.run(f"journalctl --no-pager --output cat | grep {pattern}").stdout == ""
    assert "user silent password $2" in host.file("/etc/haproxy/registry-users.cfg").content_string


NODES = "--config /srv/curl-nodes --header 'Accept: application/vnd.oci.image.manifest.v1+json'"


def test_who_may_pull_only_is_refused_everything_else(host: Host, registry: str) -> None:
    digest = push(host, registry, "pulled/app:1", "pulled")
    base = f"https://{registry}/v2"
    for path in (
        "/",
        "/_catalog",
        "/pulled/app/tags/list",
        "/pulled/app/manifests/1",
        f"/pulled/app/manifests/{digest}",
    ):
        assert status(host, base + path, NODES) == 200, path
        assert status(host, base + path, f"{NODES} --head") in (200, 405), path
    uploads = f"{base}/pulled/app/blobs/uploads/"
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"):
        assert status(host, uploads, f"{NODES} --request {method}") == 403, method
    for method in ("PUT", "DELETE"):
        for reference in ("1", digest):
            url = f"{base}/pulled/app/manifests/{reference}"
            assert status(host, url, f"{NODES} --request {method} --data x") == 403, (method, reference)
    # Names that are told apart from those of the one who pushes.
    both = f"{NODES} --header 'Authorization: Basic {base64.b64encode(b'koin:x').decode()}' --request POST"
    assert status(host, uploads, both) in (401, 403)
    for user in ("koin:pulling-horse-battery", "nodes:correct-horse-battery", "KOIN:correct-horse-battery"):
        assert status(host, uploads, f"--user {user} --request POST") == 401, user
    assert status(host, uploads, "--config /srv/curl-koin --request POST") == 202
    # As clients do it.
    login(host, registry, "nodes", "pulling-horse-battery")
    try:
        assert pulls(host, registry, "pulled/app:1")
        refused = host.run(
            "skopeo --insecure-policy copy --authfile /root/auth.json "
            f"oci:/srv/images/pulled:it docker://{registry}/pulled/other:1"
        )
        assert refused.rc != 0
        assert "denied" in refused.stderr and "this user may pull only" in refused.stderr, refused.stderr
        assert host.run(f"skopeo delete --authfile /root/auth.json docker://{registry}/pulled/app:1").rc != 0
    finally:
        login(host, registry, "koin", PASSWORD)
    assert pulls(host, registry, "pulled/app:1")
    assert tags(host, registry, "pulled/app") == ["1"]


def test_nobody_gets_around_the_proxy(host: Host) -> None:
    socket = host.file("/run/docker-registry/registry.sock")
    assert (socket.user, socket.group, socket.mode) == ("docker-registry", "haproxy", 0o660)
    ask = f"curl --noproxy '*' --silent --unix-socket {socket.path} http://registry/v2/"
    assert host.check_output(ask) == "{}"
    assert host.run(f"setpriv --reuid=www-data --regid=www-data --clear-groups {ask}").rc == 7
    # The proxy reads no images but through the registry.
    assert host.run("setpriv --reuid=haproxy --regid=haproxy --init-groups ls /var/lib/docker-registry").rc != 0


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
    lines = host.check_output("ss --no-header --listening --tcp --numeric --processes").splitlines()
    found = sorted((line.split()[3], line.split('"')[1]) for line in lines if "sshd" not in line)
    assert found == sorted([(registry, "haproxy"), ("127.0.0.1:5001", "docker-registry")])


def test_metrics(host: Host) -> None:
    assert "registry_http_requests_total" in host.check_output(
        "curl --noproxy '*' --silent http://127.0.0.1:5001/metrics"
    )


def test_it_is_confined(host: Host) -> None:
    for unit in ("docker-registry", "haproxy"):
        said = host.run(f"systemd-analyze security --no-pager {unit}.service").stdout.splitlines()[-1]
        assert float(said.split()[-3]) < 3, said
    process = host.check_output("systemctl show haproxy --property=MainPID --value")
    assert host.check_output(f"stat --format %U /proc/{process}") == "haproxy"


def test_it_survives_a_restart(host: Host, registry: str) -> None:
    assert host.service("docker-registry").is_enabled
    assert host.service("haproxy").is_enabled
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
        timeout=400,
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
    for path in ("/etc/docker/registry/config.yml", unit):
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


#: users of changed.yml
CHANGED = {"koin": "another-horse-battery", "reader": "yet-another-horse-battery"}


def test_another_password_counts_at_once(host: Host, registry: str) -> None:
    """Last, for the host is another one afterwards."""
    before = started(host)
    played = play("changed.yml")
    assert "horse" not in played.stdout + played.stderr
    address = f"https://{registry}/v2/"
    assert status(host, address, "--user koin:another-horse-battery") == 200
    assert status(host, address, "--user reader:yet-another-horse-battery") == 200
    # What has the former ones still gets its images, until it has the new ones; it pushes no more.
    uploads = f"{address}first/blobs/uploads/"
    for user in ("koin:correct-horse-battery", "nodes:pulling-horse-battery"):
        assert status(host, address, f"--user {user}") == 200, user
        assert status(host, uploads, f"--user {user} --request POST") == 403, user
    assert status(host, uploads, "--user koin:another-horse-battery --request POST") == 202
    # A run that is repeated leaves them; the playbook of the services ends it.
    users = {name: {"password": word, "push": name == "koin"} for name, word in CHANGED.items()}
    assert host.check_output(f"echo '{json.dumps(users)}' | registry-users --check") == ""
    assert "userlist registry-former\n  user koin " in host.file("/etc/haproxy/registry-users.cfg").content_string
    play("retire.yml")
    for user in ("koin:correct-horse-battery", "nodes:pulling-horse-battery"):
        assert status(host, address, f"--user {user}") == 401, user
    assert status(host, address, "--user koin:another-horse-battery") == 200
    assert host.check_output("registry-users --retire") == ""
    # Nobody was interrupted.
    assert started(host) == before


def test_a_registry_that_asked_for_passwords_itself_is_taken_over(host: Host, registry: str) -> None:
    """As it was before it had a proxy: one account, which everything pulled and pushed with."""
    config = "/etc/docker/registry/config.yml"
    hashed = "import bcrypt; print('shared:' + bcrypt.hashpw(b'shared-horse-battery', bcrypt.gensalt(5)).decode())"
    host.check_output(
        "systemctl disable --now haproxy docker-registry; "
        "rm -rf /etc/haproxy/*.cfg /etc/systemd/system/haproxy.service.d; "
        f'python3 -c "{hashed}" > /etc/docker/registry/htpasswd; '
        f"sed -i '/net: unix/d; s|addr: /run.*|addr: {registry}|; "
        "s|^  headers:|  tls: {certificate: /etc/koin/tls/registry/cert.pem, key: /etc/koin/tls/registry/key.pem}"
        "\\n&|' "
        f"{config}; printf 'auth: {{htpasswd: {{realm: x, path: /etc/docker/registry/htpasswd}}}}\\n' >> {config}; "
        "printf '[Service]\\nUMask=0027\\n' > /etc/systemd/system/docker-registry.service.d/10-platform.conf; "
        "chgrp docker-registry /etc/koin/tls/registry/key.pem /etc/docker/registry/htpasswd; "
        "systemctl daemon-reload; systemctl start docker-registry; sleep 1"
    )
    shared = "--user shared:shared-horse-battery"
    uploads = f"https://{registry}/v2/first/blobs/uploads/"
    assert status(host, uploads, f"{shared} --request POST") == 202
    host.check_output(
        'systemd-run --unit watch sh -c \'while sleep 0.2; do curl --noproxy "*" --silent --max-time 5 --output '
        f'/dev/null --write-out "%{{http_code}}\\n" {shared} https://{registry}/v2/; done >> /tmp/watched\''
    )
    play("changed.yml", "--check")
    assert status(host, uploads, f"{shared} --request POST") == 202
    play("changed.yml")
    host.check_output("sleep 1; systemctl stop watch")
    seen = host.file("/tmp/watched").content_string.split()
    # Connections are refused once, while the port changes hands, and never a password.
    assert [code for code, _ in itertools.groupby(seen)] == ["200", "000", "200"], seen
    assert status(host, uploads, f"{shared} --request POST") == 403
    assert status(host, uploads, "--user koin:another-horse-battery --request POST") == 202
    play("retire.yml")
    assert status(host, f"https://{registry}/v2/", shared) == 401
    assert not host.file("/etc/docker/registry/htpasswd").exists
