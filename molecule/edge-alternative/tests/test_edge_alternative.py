"""Certificates by ACME, validated by HTTP for real, and options that are not the defaults."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from testinfra.host import Host

AUTHORITY = "/tmp/authority.pem"
CURL = f"curl --noproxy '*' --silent --show-error --max-time 10 --cacert {AUTHORITY}"


@pytest.fixture(scope="module", autouse=True)
def authority(host: Host) -> None:
    """The root of the authority, which is another one each time that it starts."""
    host.check_output(f"curl --noproxy '*' --silent --fail --output {AUTHORITY} https://localhost:15000/roots/0")


def certificate(host: Host, name: str) -> str:
    """What is served for a name: issuer, names, number."""
    return host.check_output(
        f"echo | openssl s_client -connect 127.0.0.1:443 -servername {name} 2>/dev/null"
        " | openssl x509 -noout -issuer -serial -ext subjectAltName -text"
    )


def status(host: Host, url: str, options: str = "") -> int:
    # From another address than the others, which no limit holds for.
    return int(
        host.check_output(
            f"{CURL} --interface 127.0.0.3 --output /dev/null --write-out '%{{http_code}}' {options} {url}"
        )
    )


def test_the_authority_has_issued_the_certificates(host: Host) -> None:
    served = certificate(host, "api.koin.test")
    assert "Pebble" in served
    assert "Public-Key: (2048 bit)" in served
    assert status(host, "https://api.koin.test/") == 200


def test_each_site_has_its_own(host: Host) -> None:
    assert "gone.koin.test" not in certificate(host, "api.koin.test")
    assert "DNS:gone.koin.test" in certificate(host, "gone.koin.test")


def test_renewal_is_served(host: Host) -> None:
    before = certificate(host, "api.koin.test")
    host.check_output("certbot renew --quiet --force-renewal --no-random-sleep-on-renew")
    after = certificate(host, "api.koin.test")
    assert before != after
    assert status(host, "https://api.koin.test/") == 200


def test_renewal_comes_by_itself(host: Host) -> None:
    timer = host.service("certbot.timer")
    assert timer.is_enabled
    assert timer.is_running


def test_an_account_has_the_address(host: Host) -> None:
    assert host.check_output("ls -d /etc/letsencrypt/accounts/localhost:14000/dir/*")


def test_the_challenge_is_the_only_thing_without_tls(host: Host) -> None:
    assert status(host, "http://api.koin.test/.well-known/acme-challenge/nothing") == 404
    assert status(host, "http://api.koin.test/.well-known/other") == 301


def sent(host: Host, options: str) -> dict[str, str]:
    """Headers that reached the upstream."""
    return dict(json.loads(host.check_output(f"{CURL} {options} https://api.koin.test/"))["headers"])


def test_only_trusted_proxies_say_who_the_client_is(host: Host) -> None:
    lie = "--header 'X-Forwarded-For: 198.51.100.7'"
    assert sent(host, f"--interface 127.0.0.2 {lie}")["x-forwarded-for"] == "198.51.100.7"
    # Of a chain the last one that is not a trusted proxy.
    chain = "--header 'X-Forwarded-For: 6.6.6.6, 198.51.100.8, 127.0.0.2'"
    assert sent(host, f"--interface 127.0.0.2 {chain}")["x-forwarded-for"] == "198.51.100.8"
    assert sent(host, f"--interface 127.0.0.3 {lie}")["x-forwarded-for"] == "127.0.0.3"
    # It is that address, too, which the site lets in or not.
    outside = (
        "--interface 127.0.0.2 --header 'X-Forwarded-For: 203.0.113.9' --output /dev/null --write-out '%{http_code}'"
    )
    assert host.check_output(f"{CURL} {outside} https://api.koin.test/") == "403"


def test_some_are_exempt_from_limits(host: Host) -> None:
    url = "https://api.koin.test/"
    many = " ".join([url] * 6)
    for address, refused in (("127.0.0.3", False), ("127.0.0.4", True)):
        said = host.check_output(
            f"{CURL} --interface {address} --write-out ' %{{http_code}}\\n' {many} | grep -o '...$'"
        )
        assert ("429" in said.split()) is refused


def test_headers(host: Host) -> None:
    head = host.check_output(
        f"{CURL} --interface 127.0.0.3 --dump-header - --output /dev/null https://api.koin.test/"
    ).lower()
    assert "strict-transport-security: max-age=300" in head
    assert "content-security-policy: default-src 'self'; script-src \"none\"" in head
    assert "x-site: api" in head
    assert "x-content-type-options" not in head


def test_maintenance_can_be_seen_through(host: Host) -> None:
    host.check_output("edge-maintenance on all")
    try:
        assert status(host, "https://api.koin.test/") == 200
        page = host.check_output(
            f"{CURL} --include --interface 127.0.0.5 --header 'Accept: text/html' https://api.koin.test/"
        )
        assert "HTTP/2 503" in page
        assert "retry-after: 60" in page
        assert "Back &lt;soon&gt;." in page
    finally:
        host.check_output("edge-maintenance off all")


def test_it_listens_where_it_should(host: Host) -> None:
    lines = host.check_output("ss --no-header --listening --tcp --numeric --processes | grep nginx").splitlines()
    assert sorted({line.split()[3] for line in lines}) == ["0.0.0.0:443", "0.0.0.0:80", "127.0.0.1:8099"]


def obtain(host: Host) -> str:
    """What `edge-certificates obtain` has changed."""
    return host.check_output("edge-certificates obtain")


def test_a_renewal_that_nginx_has_not_read(host: Host) -> None:
    before = certificate(host, "api.koin.test")
    host.check_output("certbot renew --quiet --force-renewal --no-random-sleep-on-renew --no-directory-hooks")
    assert certificate(host, "api.koin.test") == before
    said = ["api: nginx would read its certificate", "gone: nginx would read its certificate"]
    assert host.check_output("edge-certificates obtain --check").splitlines() == said
    assert certificate(host, "api.koin.test") == before
    said = ["api: nginx has not read its certificate yet", "gone: nginx has not read its certificate yet"]
    assert obtain(host).splitlines() == said
    assert certificate(host, "api.koin.test") != before
    assert status(host, "https://api.koin.test/") == 200
    assert obtain(host) == ""


def play(name: str) -> subprocess.CompletedProcess[str]:
    """One of the scenario's other playbooks."""
    return subprocess.run(
        ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], str(Path(__file__).parents[1] / name)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_a_site_under_another_name_keeps_its_certificate(host: Host) -> None:
    before = certificate(host, "gone.koin.test")
    played = play("renamed.yml")
    assert played.returncode == 0, played.stdout
    assert "Does each name point to this host in DNS" in played.stdout + played.stderr
    assert certificate(host, "gone.koin.test") == before
    assert status(host, "https://gone.koin.test/") == 200
    assert not host.file("/etc/letsencrypt/live/other").exists
    # It goes on, for the site would go on with it.
    host.check_output("certbot renew --quiet --force-renewal --no-random-sleep-on-renew")
    assert certificate(host, "gone.koin.test") != before
    assert status(host, "https://gone.koin.test/") == 200
    host.check_output("sed -i s,14000/away,14000/dir, /etc/koin/edge/certificates.json")
    assert obtain(host).splitlines() == [
        "other: got a certificate for gone.koin.test; it has none yet",
        "other: has its certificate",
        "gone: is not declared any more; its certificate is removed",
    ]
    assert status(host, "https://gone.koin.test/") == 200
    assert host.file("/etc/letsencrypt/live/other").exists
    assert not host.file("/etc/letsencrypt/live/gone").exists
    assert obtain(host) == ""


def test_sites_change(host: Host) -> None:
    """Last, for the host is another one afterwards."""
    played = play("changed.yml")
    # The name without a record is told, with its reason; the others get what they need, and the run goes on.
    assert played.returncode == 0, played.stdout
    assert "later.koin.test" in played.stdout + played.stderr
    assert "Does each name point to this host in DNS" in played.stdout + played.stderr
    served = certificate(host, "extra.koin.test")
    assert "DNS:api.koin.test, DNS:extra.koin.test" in served
    assert status(host, "https://extra.koin.test/") == 200
    # 35: nobody has that name any more.
    assert host.run(f"{CURL} https://gone.koin.test/").rc == 35
    assert not host.file("/etc/letsencrypt/live/other").exists
    assert not host.file("/etc/letsencrypt/archive/other").exists
    assert host.file("/etc/koin/edge/users").listdir() == []
    assert "CN=not yet issued" in certificate(host, "later.koin.test").replace("CN = ", "CN=")
    assert host.run("edge-certificates obtain").rc == 1
    host.check_output("echo 127.0.0.1 later.koin.test >> /etc/hosts")
    # The authority remembers /etc/hosts for some seconds.
    again = "timeout 20 sh -c 'until edge-certificates obtain 2>/dev/null; do sleep 1; done'"
    assert "later: got a certificate" in host.check_output(again)
    assert host.check_output("edge-certificates obtain") == ""
    assert status(host, "https://later.koin.test/") == 200
