"""What visitors get, seen from the host with curl; the authority is the one that the host trusts."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

ALL = "--connect-to ::127.0.0.1: --noproxy '*' --silent --show-error --max-time 10"


class Answer:
    """Of one request: status, headers in lower case, body."""

    def __init__(self, text: str) -> None:
        head, _, self.body = text.replace("\r\n", "\n").partition("\n\n")
        first, *lines = head.splitlines()
        self.status = int(first.split()[1])
        pairs = [line.split(": ", 1) for line in lines]
        self.names = [name.lower() for name, *_ in pairs]
        self.headers = {name.lower(): value for name, value in pairs}

    @property
    def sent(self) -> dict[str, str]:
        """Headers that reached the echoing upstream."""
        received: list[tuple[str, str]] = json.loads(self.body)["headers"]
        names = [name for name, _ in received]
        assert sorted(set(names)) == sorted(names), "a header arrived twice"
        return dict(received)


def get(host: Host, url: str, options: str = "") -> Answer:
    return Answer(host.check_output(f"curl {ALL} --include {options} '{url}'"))


def client(host: Host, options: str) -> CommandResult:
    """A bare TLS client."""
    return host.run(f"echo | openssl s_client -connect 127.0.0.1:443 {options}")


def fails(host: Host, url: str, options: str = "") -> int:
    """curl's exit status."""
    return int(host.run(f"curl {ALL} --output /dev/null {options} '{url}'").rc)


@pytest.fixture
def flags(host: Host) -> Iterator[None]:
    yield
    host.check_output("edge-maintenance off all api web")


# --- Names and TLS ---------------------------------------------------------------------------------------------------


def test_http_leads_to_https(host: Host) -> None:
    answer = get(host, "http://api.koin.test/a?b=1")
    assert (answer.status, answer.headers["location"]) == (301, "https://api.koin.test/a?b=1")


@pytest.mark.parametrize("name", ["unknown.test", "127.0.0.1"])
def test_unknown_names_get_no_answer(host: Host, name: str) -> None:
    # Closed (52) or reset (56) without a word.
    assert fails(host, f"http://{name}/") in (52, 56)


def test_unknown_names_get_no_certificate(host: Host) -> None:
    # 35: refused during the handshake.
    assert fails(host, "https://unknown.test/", "--insecure") == 35
    assert "no peer certificate available" in client(host, "-noservername").stdout


def test_another_name_in_an_open_connection_is_misdirected(host: Host) -> None:
    assert get(host, "https://api.koin.test/", "--header 'Host: unknown.test'").status == 421


@pytest.mark.parametrize(
    ("version", "accepted"), [("tls1", False), ("tls1_1", False), ("tls1_2", True), ("tls1_3", True)]
)
def test_versions_of_tls(host: Host, version: str, accepted: bool) -> None:
    # The client would refuse old versions by itself.
    shaken = client(host, f"-cipher DEFAULT:@SECLEVEL=0 -servername api.koin.test -{version}")
    assert (shaken.rc == 0 and "BEGIN CERTIFICATE" in shaken.stdout) is accepted
    assert accepted or "alert protocol version" in shaken.stderr


def test_no_weak_cipher_is_accepted(host: Host) -> None:
    options = "-tls1_2 -servername api.koin.test -cipher"
    assert client(host, f"{options} AES128-SHA:AES256-SHA:ECDHE-ECDSA-AES128-SHA").rc != 0
    assert client(host, f"{options} ECDHE-ECDSA-AES128-GCM-SHA256").rc == 0


def test_key_exchange_resists_quantum_computers(host: Host) -> None:
    assert "X25519MLKEM768" in client(host, "-servername api.koin.test").stdout


def test_http_2_is_spoken(host: Host) -> None:
    assert get(host, "https://api.koin.test/").headers
    version = host.check_output(f"curl {ALL} --output /dev/null --write-out '%{{http_version}}' https://api.koin.test/")
    assert version == "2"


# --- What upstreams and clients are told -----------------------------------------------------------------------------


def test_upstreams_believe_the_edge_only(host: Host) -> None:
    lies = [
        "X-Forwarded-For: 6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: evil.test",
        "X-Request-ID: mine",
        "Forwarded: for=6.6.6.6",
        "True-Client-IP: 6.6.6.6",
        "X-Original-URL: /admin",
        "Proxy: evil.test",
        "Upgrade: h2c",
    ]
    options = " ".join(f"--header '{lie}'" for lie in lies)
    sent = get(host, "https://limited.koin.test/x?y=1", options).sent
    assert {name: value for name, value in sent.items() if "6.6.6.6" in value or "evil" in value} == {}
    assert sent["x-forwarded-for"] == sent["x-real-ip"] == "127.0.0.1"
    assert (sent["x-forwarded-proto"], sent["host"]) == ("https", "limited.koin.test")
    assert sent["x-forwarded-host"] == "limited.koin.test"
    assert sent["x-request-id"] != "mine"
    assert not {"forwarded", "true-client-ip", "x-original-url", "proxy", "upgrade"} & sent.keys()


def test_headers_of_responses(host: Host) -> None:
    answer = get(host, "https://api.koin.test/")
    assert len(set(answer.names)) == len(answer.names), "a header was sent twice"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert answer.headers["x-content-type-options"] == "nosniff"
    # The upstream says DENY.
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["server"] == "nginx"
    assert "x-powered-by" not in answer.headers


def test_errors_have_them_too(host: Host) -> None:
    answer = get(host, "https://dead.koin.test/")
    assert (answer.status, answer.headers["strict-transport-security"]) == (502, "max-age=31536000")
    assert answer.headers["cache-control"] == "no-store"


def test_websockets(host: Host) -> None:
    options = "--http1.1 --header 'Upgrade: websocket' --header 'Connection: Upgrade'"
    # 101 and nothing more; 28 is the client that waits for it.
    shaken = host.run(f"curl {ALL} --include --max-time 2 {options} https://api.koin.test/")
    assert shaken.stdout.startswith("HTTP/1.1 101")
    assert get(host, "https://office.koin.test/", f"--user koin:correct-horse-battery {options}").status == 200


def test_browsers_write_websocket_as_they_like(host: Host) -> None:
    options = "--http1.1 --header 'Upgrade: WebSocket' --header 'Connection: keep-alive, Upgrade'"
    shaken = host.run(f"curl {ALL} --include --max-time 2 {options} https://api.koin.test/")
    assert shaken.stdout.startswith("HTTP/1.1 101")


@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0", "websocket, h2c", "websocketx"])
def test_nothing_else_is_upgraded(host: Host, protocol: str) -> None:
    options = f"--http1.1 --header 'Upgrade: {protocol}' --header 'Connection: Upgrade, HTTP2-Settings'"
    answer = get(host, "https://api.koin.test/", f"{options} --header 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'")
    assert answer.status == 200
    assert not {"upgrade", "connection", "http2-settings"} & answer.sent.keys()


@pytest.mark.parametrize("encoding", ["gzip", "br"])
@pytest.mark.parametrize("url", ["https://api.koin.test/", "https://koin.test/assets/app.js"])
def test_compression(host: Host, encoding: str, url: str) -> None:
    headers = host.check_output(
        f"curl {ALL} --dump-header - --output /dev/null --header 'Accept-Encoding: {encoding}' {url}"
    )
    assert f"content-encoding: {encoding}" in headers.lower()


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_large_bodies_are_refused(host: Host) -> None:
    host.run("head -c 1048577 /dev/zero > /tmp/large && head -c 1048576 /dev/zero > /tmp/fits")
    assert get(host, "https://api.koin.test/", "--header 'Expect:' --data-binary @/tmp/large").status == 413
    assert get(host, "https://api.koin.test/", "--header 'Expect:' --data-binary @/tmp/fits").status == 200


def test_many_requests_are_refused(host: Host) -> None:
    urls = " ".join(["https://limited.koin.test/"] * 12)
    said = host.check_output(
        f"curl {ALL} --write-out '%{{http_code}} %header{{retry-after}}\\n' {urls} | grep -oE '[0-9]{{3}} ?1?$'"
    )
    statuses = said.splitlines()
    assert "429 1" in statuses
    # One and the burst, and those that time has let in; it was a little used before.
    assert 1 <= sum(status.startswith("200") for status in statuses) <= 8
    answer = get(host, "https://limited.koin.test/")
    assert (answer.status, json.loads(answer.body)["status"]) == (429, 429)


def test_who_may_come_in(host: Host) -> None:
    assert get(host, "https://nobody.koin.test/").status == 403
    assert get(host, "https://office.koin.test/").status == 401
    assert get(host, "https://office.koin.test/", "--user koin:wrong").status == 401
    entered = get(host, "https://office.koin.test/", "--user koin:correct-horse-battery")
    assert entered.status == 200
    assert "authorization" not in entered.sent


def test_passwords_are_not_guessed(host: Host) -> None:
    guesses = " ".join(f"https://koin:guess-{number}@vault.koin.test/" for number in range(15))
    said = host.check_output(f"curl {ALL} --write-out '\\nstatus=%{{http_code}}\\n' {guesses}")
    statuses = re.findall(r"^status=(\d+)$", said, re.MULTILINE)
    assert len(statuses) == 15
    # One and the burst, and those that time has let in.
    assert 1 <= statuses.count("401") <= 8
    assert set(statuses) == {"401", "429"}
    # Not even the right one is looked at now.
    assert get(host, "https://vault.koin.test/", "--user koin:correct-horse-battery").status == 429


def test_passwords_cannot_be_read(host: Host) -> None:
    file = host.file("/etc/koin/edge/users/office")
    assert (file.user, file.group, file.mode) == ("root", "www-data", 0o640)
    assert "correct-horse" not in file.content_string


# --- Sites of files --------------------------------------------------------------------------------------------------


def test_a_program_for_the_browser(host: Host) -> None:
    page = get(host, "https://www.koin.test/some/route")
    assert (page.status, page.headers["cache-control"]) == (200, "no-cache")
    assert "<title>web</title>" in page.body
    asset = get(host, "https://koin.test/assets/app.js")
    assert (asset.status, asset.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
    assert asset.headers["x-content-type-options"] == "nosniff"
    assert get(host, "https://koin.test/assets/gone.js").status == 404
    assert get(host, "https://koin.test/.env").status == 404
    assert get(host, "https://koin.test/assets/.env").status == 404


def test_what_is_put_into_a_folder_can_be_read_by_nginx(host: Host) -> None:
    root = host.file("/srv/web")
    # The role does not change the owner.
    assert (root.user, root.group, root.mode) == ("deployer", "www-data", 0o2755)
    # The umask is that of a host with role base.
    for page, put in {
        "new/page.txt": "mkdir /srv/web/new; echo put > /srv/web/new/page.txt",
        "sent/deep/page.txt": "mkdir -p /tmp/dist/sent/deep; echo put > /tmp/dist/sent/deep/page.txt;"
        " rsync -rltO /tmp/dist/ /srv/web/; rsync -rltO /tmp/dist/ /srv/web/",
    }.items():
        host.check_output(f"sudo -u deployer sh -c 'umask 027; {put}'")
        file = host.file(f"/srv/web/{page}")
        assert (file.user, file.group, file.mode) == ("deployer", "www-data", 0o640)
        assert host.file(str(Path(f"/srv/web/{page}").parent)).mode == 0o2750
        answer = get(host, f"https://koin.test/{page}")
        assert (answer.status, answer.body) == (200, "put")
    assert host.file("/srv/web").mode == 0o2755
    assert host.run("sudo -u www-data touch /srv/web/mine").rc != 0
    assert host.run("sudo -u www-data touch /srv/web/new/mine").rc != 0


def test_a_folder_that_nobody_has_filled(host: Host) -> None:
    root = host.file("/srv/empty/web")
    assert (root.user, root.group, root.mode) == ("root", "www-data", 0o2755)
    assert host.file("/srv/empty").mode == 0o755
    assert get(host, "https://empty.koin.test/").status == 403
    assert get(host, "https://empty.koin.test/page").status == 404


def test_a_redirect(host: Host) -> None:
    answer = get(host, "https://old.koin.test/a?b=1")
    assert (answer.status, answer.headers["location"]) == (301, "https://koin.test/a?b=1")


def test_a_path_that_has_moved(host: Host) -> None:
    answer = get(host, "https://office.koin.test/graph?g0.expr=up%7Ba%3D%22b%22%7D&g0.tab=1")
    where = "https://office.koin.test/classic/graph?g0.expr=up%7Ba%3D%22b%22%7D&g0.tab=1"
    assert (answer.status, answer.headers["location"]) == (302, where)
    assert get(host, "https://office.koin.test/graph/more").status == 401


def test_a_page_that_somebody_else_writes(host: Host) -> None:
    address, login = "https://office.koin.test/platform", "--user koin:correct-horse-battery"
    assert get(host, address, login).status == 404
    host.check_output("install -d -m 0750 -g www-data /usr/local/koin/pages")
    host.check_output("echo '<p>here</p>' > /usr/local/koin/pages/platform.html")
    assert get(host, address).status == 401
    answer = get(host, address, login)
    assert (answer.status, answer.body.strip()) == (200, "<p>here</p>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    host.check_output("rm -r /usr/local/koin/pages")


# --- Errors and maintenance ------------------------------------------------------------------------------------------


def test_an_upstream_that_is_away(host: Host) -> None:
    program = get(host, "https://dead.koin.test/")
    assert (program.status, json.loads(program.body)["status"]) == (502, 502)
    browser = get(host, "https://dead.koin.test/", "--header 'Accept: text/html'")
    assert (browser.status, browser.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert "<h1>502</h1>" in browser.body


def test_what_an_upstream_says_is_passed_on(host: Host) -> None:
    answer = get(host, "https://api.koin.test/status/404")
    assert (answer.status, json.loads(answer.body)["path"]) == (404, "/status/404")


@pytest.mark.usefixtures("flags")
def test_maintenance_of_one_site(host: Host) -> None:
    assert host.check_output("edge-maintenance on api") == "api"
    answer = get(host, "https://api.koin.test/", "--data x")
    assert (answer.status, answer.headers["retry-after"], json.loads(answer.body)["status"]) == (503, "300", 503)
    assert "점검 중" in get(host, "https://api.koin.test/", "--header 'Accept: text/html'").body
    assert get(host, "https://koin.test/").status == 200
    assert host.check_output("edge-maintenance off api") == ""
    assert get(host, "https://api.koin.test/").status == 200


@pytest.mark.usefixtures("flags")
def test_maintenance_of_all_sites(host: Host) -> None:
    host.check_output("edge-maintenance on all")
    urls = ["https://api.koin.test/", "https://koin.test/", "https://koin.test/assets/app.js", "https://old.koin.test/"]
    assert [get(host, url).status for url in urls] == [503] * 4
    # It is not a reason to forget that HTTPS is wanted.
    assert get(host, "http://koin.test/").status == 301


def maintain(folder: Path, **asked: str) -> subprocess.CompletedProcess[str]:
    """Switch maintenance as playbooks/maintenance.yml does it; a second edge does not answer."""
    edges = folder / "edges.yml"
    edges.write_text(
        "edge: {hosts: {host: {}, away: {ansible_host: 192.0.2.1, ansible_ssh_common_args: -o ConnectTimeout=3}}}"
    )
    sites = {"HOST": {"api": {"names": ["api.koin.test"]}}, "AWAY": {"web": {"names": ["koin.test"]}}}
    return subprocess.run(
        [
            "ansible-playbook",
            *("-i", os.environ["MOLECULE_INVENTORY_FILE"], "-i", str(edges)),
            *("-e", json.dumps({"platform_sites": sites, **asked})),
            str(Path(__file__).parents[3] / "playbooks/service/maintenance.yml"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.usefixtures("flags")
def test_one_verb_switches_every_edge_that_answers(host: Host, tmp_path: Path) -> None:
    switched = maintain(tmp_path, on="true")
    assert switched.returncode != 0
    assert "away: it does not answer" in switched.stdout
    assert "host: in maintenance: all" in switched.stdout
    page = get(host, "https://koin.test/", "--header 'Accept: text/html'")
    assert (page.status, page.headers["retry-after"]) == (503, "300")
    assert '<p lang="en">We are working on it.' in page.body
    assert maintain(tmp_path, on="false").returncode != 0
    assert get(host, "https://koin.test/").status == 200


@pytest.mark.usefixtures("flags")
def test_one_verb_switches_one_site_and_its_edge_alone(host: Host, tmp_path: Path) -> None:
    switched = maintain(tmp_path, on="true", site="api.koin.test")
    assert switched.returncode == 0, switched.stdout
    assert get(host, "https://api.koin.test/").status == 503
    assert get(host, "https://koin.test/").status == 200
    refused = maintain(tmp_path, on="maybe")
    assert (refused.returncode, "Say -e on=true or -e on=false" in refused.stdout + refused.stderr) == (2, True)


def test_maintenance_of_a_site_that_is_not_there(host: Host) -> None:
    refused = host.run("edge-maintenance on apii")
    assert refused.rc == 2
    assert "there is no site apii" in refused.stderr


# --- The service -----------------------------------------------------------------------------------------------------


def listening(host: Host) -> list[str]:
    lines = host.check_output("ss --no-header --listening --tcp --numeric --processes | grep nginx").splitlines()
    return sorted({line.split()[3] for line in lines})


def test_it_listens_where_it_should(host: Host) -> None:
    assert listening(host) == ["0.0.0.0:443", "0.0.0.0:80", "127.0.0.1:8090", "[::]:443", "[::]:80"]


def test_the_other_stack(host: Host) -> None:
    url = "--connect-to ::[::1]: https://koin.test/"
    assert Answer(host.check_output(f"curl --noproxy '*' --silent --include {url}")).status == 200


def test_counters_are_for_the_host_itself(host: Host) -> None:
    assert "Active connections" in host.check_output("curl --noproxy '*' --silent http://127.0.0.1:8090/status")


def test_the_access_log_is_json_without_queries(host: Host) -> None:
    get(host, "https://api.koin.test/logged?reset_token=secret", "--user-agent 'a \"quoted\" one'")
    lines = host.file("/var/log/nginx/access.log").content_string.splitlines()
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
    entry = next(entry for entry in reversed(entries) if entry["path"] == "/logged")
    assert (entry["host"], entry["status"], entry["client"]) == ("api.koin.test", "200", "127.0.0.1")
    assert float(entry["request_time"]) >= 0
    assert not any("reset_token" in line for line in lines)


def test_logs_are_rotated_and_written_again(host: Host) -> None:
    host.check_output("logrotate --force /etc/logrotate.d/nginx")
    get(host, "https://api.koin.test/rotated")
    assert "/rotated" in host.file("/var/log/nginx/access.log").content_string


def test_it_is_confined(host: Host) -> None:
    # 1.0 is as good as nothing; the package's unit has 9.6.
    said = host.run("systemd-analyze security --no-pager nginx.service").stdout.splitlines()[-1]
    assert float(said.split()[-3]) < 5, said


def test_it_survives_a_restart(host: Host) -> None:
    assert host.service("nginx").is_enabled
    host.check_output("systemctl restart nginx")
    assert get(host, "https://api.koin.test/").status == 200
    assert host.run("journalctl --unit nginx --priority err --boot --no-pager --quiet").stdout == ""


# --- Changes ---------------------------------------------------------------------------------------------------------


def workers(host: Host) -> set[str]:
    return set(host.check_output("ps --no-headers -o pid --ppid $(cat /run/nginx.pid)").split())


def play_after_a_failure(host: Host) -> None:
    """Play the role again; the run before it has left its mark."""
    mark = json.dumps({"__run_mark": {"stdout_lines": ["found", "whole"]}})
    playbook = Path(__file__).parents[1] / "converge.yml"
    played = subprocess.run(
        ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "-e", mark, str(playbook)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr


def test_a_run_after_a_failed_one_cuts_nobody_off(host: Host) -> None:
    started, before = host.file("/run/nginx.pid").content, workers(host)
    host.check_output("edge-maintenance on web")
    play_after_a_failure(host)
    # It is switched off by whoever has switched it on.
    assert host.check_output("edge-maintenance status") == "web"
    host.check_output("edge-maintenance off web")
    assert host.file("/run/nginx.pid").content == started
    assert workers(host) - before, "not even reloaded"


@pytest.mark.parametrize("left", ["running", "stopped"])
def test_a_unit_that_a_failed_run_has_left_is_taken(host: Host, left: str) -> None:
    unit = "/etc/systemd/system/nginx.service.d/10-platform.conf"
    host.check_output(f"sleep 1; touch {unit}")
    if left == "stopped":
        host.check_output("systemctl stop nginx")
    started = host.run("cat /run/nginx.pid").stdout
    play_after_a_failure(host)
    assert host.check_output("cat /run/nginx.pid") != started.strip()
    assert host.check_output("systemctl show nginx --property=NeedDaemonReload --value") == "no"


def test_a_broken_site_is_refused_and_the_others_are_served(host: Host) -> None:
    before = host.file("/etc/nginx/nginx.conf").content
    playbook = Path(__file__).parents[1] / "broken.yml"
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    played = subprocess.run(
        ["ansible-playbook", "-i", inventory, str(playbook)], capture_output=True, text=True, timeout=120, check=False
    )
    assert played.returncode == 2, played.stdout
    assert 'host not found in upstream "nobody.koin.test' in (played.stdout + played.stderr).replace("\\", "")
    assert host.file("/etc/nginx/nginx.conf").content == before
    host.check_output("systemctl restart nginx")
    assert get(host, "https://api.koin.test/").status == 200
    assert get(host, "https://koin.test/").status == 200
    assert get(host, "https://office.koin.test/", "--user koin:correct-horse-battery").status == 200


def test_a_reload_that_does_nothing_is_noticed(host: Host) -> None:
    host.check_output("cp -p /etc/nginx/nginx.conf /tmp/nginx.conf")
    # The test accepts another key of a limit, the running master does not.
    host.check_output("sed -i 's/limit_req_zone $edge_client /limit_req_zone $host /' /etc/nginx/nginx.conf")
    refused = host.run("edge-reload")
    host.check_output("cp -p /tmp/nginx.conf /etc/nginx/nginx.conf")
    assert refused.rc == 1
    assert "systemctl restart nginx" in refused.stderr
    assert host.run("edge-reload").rc == 0
