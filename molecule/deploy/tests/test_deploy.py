"""Deployments as visitors notice them: good images, broken ones, two at once, and back again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://host"]

SCENARIO = Path(__file__).parents[1]
INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
ACCOUNT: dict[str, Any] = json.loads(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "account.json").read_text())
API, WEB = "koin-stage/api", "koin-stage/web"
REPOSITORY = "127.0.0.1:5000/koin/sample"
CRASHES = 'CMD ["python3", "-c", "print(\'no table users\', flush=True); raise SystemExit(3)"]'
#: it answers, but not as its health check wants
NEVER_HEALTHY = 'CMD ["python3", "-u", "-m", "http.server", "8080", "--directory", "/srv"]'
#: the same image, which says of itself that it is for the other architecture
FOREIGN = """
import base64, hashlib, json, sys, urllib.request
at, base, tag, other = sys.argv[1:]
auth = json.load(open("/etc/koin/docker-push/config.json"))["auths"]["127.0.0.1:5000"]["auth"]
def ask(path, method="GET", body=None, **headers):
    request = urllib.request.Request(path if "://" in path else at + path, body, method=method)
    request.add_header("Authorization", "Basic " + auth)
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    return urllib.request.urlopen(request)
kind = "application/vnd.docker.distribution.manifest.v2+json"
manifest = json.load(ask("/manifests/" + base, Accept=kind))
config = json.load(ask("/blobs/" + manifest["config"]["digest"]))
config["architecture"] = other
body = json.dumps(config).encode()
digest = "sha256:" + hashlib.sha256(body).hexdigest()
place = ask("/blobs/uploads/", "POST", b"").headers["Location"]
ask(place + ("&" if "?" in place else "?") + "digest=" + digest, "PUT", body, Content_Type="application/octet-stream")
manifest["config"] |= {"digest": digest, "size": len(body)}
ask("/manifests/" + tag, "PUT", json.dumps(manifest).encode(), Content_Type=kind)
"""


# --- Verbs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """What a playbook has said, and how long it took."""

    code: int
    said: str
    seconds: float

    def ok(self) -> Ran:
        """It must have succeeded."""
        assert self.code == 0, self.said
        return self


def command(verb: str, *options: str, **variables: str) -> list[str]:
    """The command of a verb."""
    extra = json.dumps(variables)
    return ["ansible-playbook", "-i", INVENTORY, "--extra-vars", extra, *options, str(SCENARIO / f"{verb}.yml")]


def run(verb: str, *options: str, **variables: str) -> Ran:
    """Run a verb."""
    began = time.monotonic()
    done = subprocess.run(
        command(verb, *options, **variables), capture_output=True, text=True, timeout=900, check=False
    )
    return Ran(done.returncode, done.stdout + done.stderr, time.monotonic() - began)


def deploy(image: str, *options: str, service: str = API, **variables: str) -> Ran:
    """Deploy an image."""
    return run("deploy", *options, service=service, image=image, **variables)


# --- What there is ---------------------------------------------------------------------------------------------------


def service(host: Host, name: str = API) -> dict[str, Any]:
    """A service as the Swarm has it."""
    found: list[dict[str, Any]] = json.loads(host.check_output("docker service inspect %s", name.replace("/", "_")))
    return found[0]


def updating(host: Host, name: str = API) -> float:
    """Seconds that the Swarm itself took for the last update: to start tasks, and to see that they are healthy."""
    status = service(host, name)["UpdateStatus"]
    began, ended = (datetime.fromisoformat(status[key]) for key in ("StartedAt", "CompletedAt"))
    return (ended - began).total_seconds()


def image(host: Host, name: str = API) -> str:
    """The image of a service, without its digest."""
    found: str = service(host, name)["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    return found.partition("@")[0]


def answers(host: Host) -> bool:
    """Whether the published port does."""
    return host.run(f"curl --noproxy '*' --silent --fail --max-time 5 http://{address(host)}:8080/health").rc == 0


def address(host: Host) -> str:
    """The host's own."""
    found: str = host.check_output("hostname -I").split()[0]
    return found


def releases(name: str = API) -> list[dict[str, Any]]:
    """What is recorded of a service, oldest first."""
    stack, _, service_name = name.partition("/")
    environment = ACCOUNT["environment"]
    client = boto3.client(
        "s3",
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    text = client.get_object(Bucket="koin-platform", Key=f"releases/{stack}.json")["Body"].read()
    found: list[dict[str, Any]] = json.loads(text)[service_name]
    return found


def built(host: Host, tag: str, lines: str) -> str:
    """An image upon the declared one, in the registry."""
    base = host.check_output(f"docker image ls --format '{{{{.Tag}}}}' {REPOSITORY} | grep -- ^trixie- | head -1")
    full = f"{REPOSITORY}:{tag}"
    # Each one is new, also to a scenario that has been tested before.
    content = f"FROM {REPOSITORY}:{base}\nENV BUILT={time.time()}\n{lines}\n"
    host.check_output("mkdir -p /var/tmp/image && printf %%s %s > /var/tmp/image/Dockerfile", content)
    host.check_output(f"DOCKER_BUILDKIT=0 docker build --quiet --tag {full} /var/tmp/image")
    host.check_output(f"docker --config /etc/koin/docker-push push --quiet {full}")
    return full


# --- Load ------------------------------------------------------------------------------------------------------------


@dataclass
class Load:
    """What callers have met: requests, and the moments of those that failed."""

    asked: int = 0
    failed: tuple[float, ...] = ()

    @property
    def gap(self) -> float:
        """Seconds from the first failure to the last."""
        return self.failed[-1] - self.failed[0] if self.failed else 0.0

    def __str__(self) -> str:
        return f"{self.asked} requests, {len(self.failed)} failed, gap {self.gap:.1f} s"


def counted(lines: list[str]) -> Load:
    """Of what load.py prints."""
    asked = [int(line.split()[1]) for line in lines if line.startswith("asked")]
    failed = tuple(float(line.split()[1]) for line in lines if line.startswith("failed"))
    return Load(asked[-1] - asked[0] if asked else 0, failed)


@contextmanager
def load_on_port(host: Host) -> Iterator[Load]:
    """Requests to the published port of `api`, all the time."""
    host.check_output("printf '%%s' %s > /var/tmp/load.py", (SCENARIO / "files/load.py").read_text())
    url = f"http://{address(host)}:8080/health"
    host.check_output(
        f"systemd-run --quiet --unit=load --property=StandardOutput=truncate:/var/tmp/load.log "
        f"python3 -u /var/tmp/load.py {url}"
    )
    found = Load()
    try:
        time.sleep(2)
        yield found
        time.sleep(2)
    finally:
        host.run("systemctl stop load")
    seen = counted(host.check_output("cat /var/tmp/load.log").splitlines())
    found.asked, found.failed = seen.asked, seen.failed


@contextmanager
def load_on_web(host: Host) -> Iterator[Load]:
    """Requests to `web` by its name, from the service beside it."""

    label = "com.docker.swarm.service.name=koin-stage_load"
    container = host.check_output(f"docker ps --quiet --filter label={label}")

    def lines() -> list[str]:
        found: list[str] = host.check_output(f"docker logs {container} 2>&1").splitlines()
        return found

    before = len(lines())
    found = Load()
    time.sleep(2)
    yield found
    time.sleep(3)
    seen = counted(lines()[before:])
    found.asked, found.failed = seen.asked, seen.failed


def waited_for(what: str, happened: Callable[[], object], seconds: float = 300) -> None:
    """Until it has happened."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


# --- Good images -----------------------------------------------------------------------------------------------------


def test_a_service_that_can_start_first_fails_no_request(host: Host) -> None:
    full = built(host, "web-2", "ENV VERSION=2")
    with load_on_web(host) as load:
        done = deploy(full, service=WEB).ok()
    print(f"start-first: {load}, {done.seconds:.1f} s, {done.seconds - updating(host, WEB):.1f} s beyond the update")
    assert load.asked > 50
    assert load.failed == ()
    assert image(host, WEB) == full
    assert f"{WEB} runs {full}@sha256:" in done.said


def test_another_service_has_a_gap_and_no_more(host: Host) -> None:
    full = built(host, "2", "ENV VERSION=2")
    before = service(host, WEB)["Version"]
    with load_on_port(host) as load:
        done = deploy(":2").ok()
    print(f"stop-first: {load}, {done.seconds:.1f} s, {done.seconds - updating(host):.1f} s beyond the update")
    assert load.asked > 50
    assert load.failed
    assert image(host) == full
    last = releases()[-1]
    assert (last["result"], last["by"], last["holds"]) == ("healthy", "deploy", "image")
    assert re.fullmatch(rf"{full}@sha256:[0-9a-f]{{64}}", last["content"]["image"])
    assert "@" in last["who"]
    # Its label changes, its tasks do not.
    assert service(host, WEB)["Spec"]["TaskTemplate"]["ForceUpdate"] == 0
    assert before["Index"] <= service(host, WEB)["Version"]["Index"]


def test_what_runs_already_is_left_alone(host: Host) -> None:
    before = service(host)["Version"]
    done = deploy(":2").ok()
    print(f"nothing to do: {done.seconds:.1f} s")
    assert "ran already, unchanged" in done.said
    assert service(host)["Version"] == before


def test_its_logs_are_shown_whichever_output_they_were_written_to(host: Host) -> None:
    host.run(f"curl --noproxy '*' --silent http://{address(host)}:8080/nowhere")
    said = run("logs", service=API).ok().said
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d host\.1 .*GET /nowhere", said, re.MULTILINE), said


@pytest.mark.parametrize(
    ("verb", "options", "variables", "says"),
    [
        ("deploy", (), {"service": API, "image": ""}, "names no version of an image"),
        ("deploy", ("--limit", "host"), {"service": API, "image": ":2"}, "Run it without `--limit host`"),
        ("logs", ("--limit", "host"), {"service": API}, "Run it without `--limit host`"),
    ],
)
def test_what_would_do_nothing_is_refused(
    verb: str, options: tuple[str, ...], variables: dict[str, str], says: str
) -> None:
    done = run(verb, *options, **variables)
    assert done.code != 0
    assert says in " ".join(done.said.split())


def test_a_run_over_everything_keeps_what_was_deployed(host: Host) -> None:
    done = run("converge").ok()
    assert re.search(r"^host .*changed=0 ", done.said, re.MULTILINE), done.said
    assert image(host) == f"{REPOSITORY}:2"
    assert image(host, WEB) == f"{REPOSITORY}:web-2"


def test_other_hosts_are_not_contacted(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.yml"
    nowhere.write_text(
        "all: {hosts: {peer: {ansible_host: 192.0.2.1, "
        "ansible_ssh_common_args: -o ConnectTimeout=3 -o ControlPath=none}}}"
    )
    asked = subprocess.run(
        ["ansible", "-i", INVENTORY, "-i", str(nowhere), "-m", "ping", "peer"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "UNREACHABLE" in asked.stdout
    deploy(":2", "-i", str(nowhere)).ok()


# --- Broken ones -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "lines", "says"),
    [("crash", CRASHES, "no table users"), ("sick", NEVER_HEALTHY, '"GET /health HTTP/1.1" 404')],
    ids=["crash", "never healthy"],
)
def test_a_broken_image_is_taken_back_by_itself(host: Host, tag: str, lines: str, says: str) -> None:
    before, full = image(host), built(host, tag, lines)
    with load_on_port(host) as load:
        done = deploy(full)
    print(f"{tag}: {load}, {done.seconds:.1f} s")
    assert done.code != 0
    assert "koin-stage_api was rolled back" in done.said, done.said
    assert says in done.said, done.said
    assert f"{API} runs {before}@sha256:" in done.said
    assert (image(host), answers(host)) == (before, True)
    last = releases()[-1]
    assert (last["result"], last["content"]["image"].partition("@")[0]) == ("failed", full)
    # What is to be is what runs.
    assert f"{before}@sha256:" in host.check_output("grep -A1 '^  api:' /etc/koin/stacks/koin-stage.yml")
    assert re.search(r"^host .*changed=0 ", run("converge").ok().said, re.MULTILINE)


def test_a_broken_image_of_a_service_that_starts_first_is_not_noticed(host: Host) -> None:
    full = built(host, "web-crash", CRASHES)
    with load_on_web(host) as load:
        done = deploy(full, service=WEB)
    print(f"crash, start-first: {load}, {done.seconds:.1f} s")
    assert done.code != 0
    assert load.failed == ()
    assert image(host, WEB) == f"{REPOSITORY}:web-2"


def test_an_image_that_no_node_can_run_changes_nothing(host: Host) -> None:
    base = host.check_output(f"docker image ls --format '{{{{.Tag}}}}' {REPOSITORY} | grep -- ^trixie- | head -1")
    other = "arm64" if host.check_output("uname -m") == "x86_64" else "amd64"
    host.check_output("python3 -c %s http://127.0.0.1:5000/v2/koin/sample %s foreign %s", FOREIGN, base, other)
    before, known = service(host)["Version"], len(releases())
    done = deploy(":foreign")
    print(f"wrong architecture: {done.seconds:.1f} s")
    assert done.code != 0
    assert f"{REPOSITORY}:foreign is for {other}, and {API} may run on host (" in done.said, done.said
    assert (service(host)["Version"], len(releases())) == (before, known)


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (":missing", f"The registry has no image {REPOSITORY}:missing"),
        ("127.0.0.1:5001/koin/sample:2", "does not answer for 127.0.0.1:5001/koin/sample:2"),
        ("sample", "`sample` names no version of an image"),
    ],
)
def test_an_image_that_cannot_be_had_changes_nothing(host: Host, named: str, says: str) -> None:
    before, known = service(host)["Version"], len(releases())
    done = deploy(named)
    print(f"{named}: {done.seconds:.1f} s")
    assert done.code != 0
    assert says in done.said, done.said
    assert (service(host)["Version"], len(releases())) == (before, known)


# --- Two at once, and one that is killed -----------------------------------------------------------------------------


def test_a_second_deployment_is_told_or_waits(host: Host) -> None:
    built(host, "3", "ENV VERSION=3")
    first = subprocess.Popen(command("deploy", service=API, image=":3"), stdout=subprocess.PIPE, text=True)
    waited_for("the first has not begun", lambda: releases()[-1]["result"] == "begun")
    second = deploy(":2")
    assert second.code != 0
    assert "The platform is locked by" in second.said, second.said
    assert first.poll() is None
    third = deploy(":2", wait="5m").ok()
    assert first.wait() == 0, first.communicate()
    assert image(host) == f"{REPOSITORY}:2"
    assert [release["content"]["image"].partition("@")[0][-2:] for release in releases()[-2:]] == [":3", ":2"]
    print(f"waited: {third.seconds:.1f} s")


def test_a_deployment_that_was_killed_is_gone_on_with(host: Host) -> None:
    killed = subprocess.Popen(
        command("deploy", service=API, image=":3"), stdout=subprocess.DEVNULL, start_new_session=True
    )
    waited_for("it has not begun", lambda: releases()[-1]["result"] == "begun")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    run("converge", wait="3m").ok()
    assert (image(host), answers(host)) == (f"{REPOSITORY}:3", True)
    assert releases()[-1]["result"] == "healthy"


# --- Back ------------------------------------------------------------------------------------------------------------


def inside(host: Host, text: str) -> str:
    """What a command says in the container of `api`."""
    container = host.check_output("docker ps --quiet --filter label=com.docker.swarm.service.name=koin-stage_api")
    found: str = host.check_output(f"docker exec {container} {text}")
    return found


def store(name: str, value: str) -> None:
    """Another value of a secret, where it is kept."""
    environment = ACCOUNT["environment"]
    boto3.client(
        "ssm",
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    ).put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def test_a_rollback_brings_back_image_settings_and_secrets_together(host: Host) -> None:
    new = {"scenario_environment": {"COLOUR": "green"}}
    extra = ("--extra-vars", json.dumps(new))
    store("/koin/stage/database", "second-horse-battery")
    deploy(":2", *extra).ok()
    assert inside(host, "cat /run/secrets/database") == "second-horse-battery"
    assert inside(host, "printenv COLOUR") == "green"
    back = run("rollback", *extra, service=API).ok()
    print(f"rollback: {back.seconds:.1f} s")
    assert image(host) == f"{REPOSITORY}:3"
    assert inside(host, "cat /run/secrets/database") == "first-horse-battery"
    assert inside(host, "env").count("COLOUR") == 0
    # A run over everything, with the settings and secrets of now, does not undo it.
    assert re.search(r"^host .*changed=0 ", run("converge", *extra).ok().said, re.MULTILINE)
    assert inside(host, "cat /run/secrets/database") == "first-horse-battery"
    listed = run("releases", service=API).ok().said
    assert re.search(rf"\* +\d+ .* healthy  rollback of \d+ by \S+@\S+\n +{REPOSITORY}:3@sha256", listed), listed
    for secret in ("horse", "battery"):
        assert secret not in back.said + listed


def test_another_release_is_gone_to_by_its_number(host: Host) -> None:
    wanted = [one for one in releases() if one["content"]["image"].startswith(f"{REPOSITORY}:2@")]
    number = wanted[-1]["number"]
    run("rollback", service=API, to=str(number)).ok()
    assert image(host) == f"{REPOSITORY}:2"
    refused = run("rollback", service=API, to="99")
    assert refused.code != 0
    assert "has no release 99 that was healthy" in refused.said


def test_another_declaration_counts_again(host: Host) -> None:
    deploy("declared").ok()
    assert image(host).startswith(f"{REPOSITORY}:trixie-")
    assert releases()[-1]["holds"] == ""
