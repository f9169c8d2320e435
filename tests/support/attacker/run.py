"""Runs moves on the rehearsed platform."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.local_aws import LocalAws
from tests.support.local_hosts import LocalHosts

from . import account, data, machines, services, swarm
from .model import CALLERS, CONTAINERS, SHELLS, Move, Origin

MOVES: tuple[Move, ...] = (*swarm.MOVES, *data.MOVES, *services.MOVES, *machines.MOVES, *account.MOVES)
_PLACE = re.compile(r"@([a-z_]+)@")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
#: sees packets that the host's own filter drops as they arrive, too, and none that it drops as they leave
_SNIFF = """\
import select, socket, sys, time
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
link.bind(("eth0", 3))
print("ready", flush=True)
end = time.monotonic() + 8
while (left := end - time.monotonic()) > 0:
    if select.select([link], [], [], left)[0] and b"@mark@" in link.recv(65535):
        print("arrived", flush=True)
        break
"""


def filled(text: str, values: Mapping[str, str]) -> str:
    """A script with its values; a value may have places of its own. An unknown name is an error."""
    while match := _PLACE.search(text):
        text = text[: match.start()] + values[match[1]] + text[match.end() :]
    return text


@dataclass
class Result:
    """What came of a move: whether it won, and whether its control did."""

    move: Move
    won: bool
    control: bool
    said: str
    control_said: str

    @property
    def verdict(self) -> str:
        """A word for the table."""
        if not self.control:
            return "CONTROL FAILED"
        return "SUCCEEDED" if self.won else "refused"


class Attacker:
    """Tries moves. values: what scripts may need to know (addresses, stolen passwords)."""

    def __init__(self, hosts: LocalHosts, aws: LocalAws, values: Mapping[str, str]) -> None:
        self._hosts = hosts
        self._aws = aws
        self._values = values
        self._clients: dict[str, Any] = {}
        self._marks = iter(f"attacker-mark-{number}-" for number in range(1, 1000))

    def attempt(self, move: Move) -> Result:
        """A move and its control."""
        said = self._once(move, move.origin, move.values, move.watched)
        watched = move.control.watched or move.watched
        control = self._once(move, move.control.origin, {**move.values, **move.control.values}, watched)
        return Result(move, _matches(move, said), _matches(move, control), said, control)

    def _once(self, move: Move, origin: Origin, values: Mapping[str, str], watched: str) -> str:
        known = {**self._values, "login": "", **values, "mark": next(self._marks)}
        script = filled(move.command, known)
        if not watched:
            return self.run(origin, script)
        with self._watching(watched, filled(_SNIFF, known)) as seen:
            said = self.run(origin, script)
        return said + "".join(seen)

    def _watching(self, host: str, program: str) -> _Watch:
        return _Watch(self._hosts, host, program)

    def run(self, origin: Origin, script: str) -> str:
        """What a script prints, and how it ends."""
        if origin in CALLERS:
            return self._call(CALLERS[origin], script)
        try:
            done = self._process(origin, script)
        except subprocess.TimeoutExpired:
            return "rc=timeout\n"
        return f"{done.stdout}{done.stderr}\nrc={done.returncode}\n"

    def _process(self, origin: Origin, script: str) -> subprocess.CompletedProcess[str]:
        if origin in CONTAINERS:
            host, service = CONTAINERS[origin]
            container = f"$(docker ps --quiet --filter label=com.docker.swarm.service.name={service} | head -1)"
            command = ["sh", "-c", f'exec docker exec --interactive "{container}" python3 -']
            return self._hosts.inside(host, *command, stdin=script, seconds=90)
        if origin in SHELLS:
            host, program = SHELLS[origin]
            return self._hosts.inside(
                host, program, *(["-s"] if program == "bash" else ["-"]), stdin=script, seconds=120
            )
        return subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=False, timeout=90)

    def _client(self, role: str, service: str) -> Any:
        """A client with what a host gets from its role, or the operator's."""
        if not role:
            return self._aws.client(service)
        if service not in self._clients:
            arn = f"arn:aws:iam::123456789012:role/{role}"
            made = self._aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="host")["Credentials"]
            self._clients[service] = boto3.session.Session().client(
                service,
                region_name="ap-northeast-2",
                endpoint_url=self._aws.endpoint,
                aws_access_key_id=made["AccessKeyId"],
                aws_secret_access_key=made["SecretAccessKey"],
                aws_session_token=made["SessionToken"],
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
        return self._clients[service]

    def _call(self, role: str, script: str) -> str:
        service, operation, arguments = script.split(" ", 2)
        try:
            getattr(self._client(role, service), operation)(**json.loads(arguments))
        except ClientError as error:
            code, text = error.response["Error"]["Code"], error.response["Error"]["Message"]
            denied = code in _DENIED or "not authorized" in text
            # What is not there may be asked for, all the same.
            return f"{'denied' if denied else 'allowed'}\n{code}: {text}\n"
        return "allowed\n"


class _Watch:
    """Listens on a host while something is sent there; what it prints."""

    def __init__(self, hosts: LocalHosts, host: str, program: str) -> None:
        self._seen: list[str] = []
        self._thread = threading.Thread(target=self._listen, args=(hosts, host, program), daemon=True)

    def _listen(self, hosts: LocalHosts, host: str, program: str) -> None:
        self._seen.append(hosts.inside(host, "python3", "-", stdin=program, seconds=60).stdout)

    def __enter__(self) -> list[str]:
        self._thread.start()
        # Time to start: what is sent before is not seen. The controls would notice.
        self._thread.join(2)
        return self._seen

    def __exit__(self, *_: object) -> None:
        self._thread.join()


def _matches(move: Move, said: str) -> bool:
    return re.search(move.won, said, re.MULTILINE) is not None


def table(results: Iterable[Result]) -> str:
    """The list of moves, as it is printed."""
    rows = [("", "move", "from", "result", "the same succeeds for")]
    listed = list(results)
    rows += [
        (str(number), one.move.name, one.move.origin.value, one.verdict, one.move.control.origin.value)
        for number, one in enumerate(listed, 1)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    counts = {word: sum(one.verdict == word for one in listed) for word in sorted({one.verdict for one in listed})}
    return "\n".join([*lines, "", "; ".join(f"{count} {word}" for word, count in counts.items())])


def stand_in() -> Iterator[str]:
    """Scripts that start, and end, a metadata service on stage: reached over a link, as EC2's is."""
    yield """\
set -e
ip netns add metadata
ip link add metadata0 type veth peer name metadata1
ip link set metadata1 netns metadata
ip address add 169.254.169.253/30 dev metadata0
ip link set metadata0 up
ip netns exec metadata sh -c 'ip address add 169.254.169.254/30 dev metadata1; ip link set lo up; \
  ip link set metadata1 up; ip route add default via 169.254.169.253'
mkdir -p /run/metadata/latest/meta-data
echo security-credentials/ >/run/metadata/latest/meta-data/iam
cd /run/metadata
setsid -f ip netns exec metadata python3 -c '
# Not HTTPServer, which asks DNS for its own name first.
import http.server, socketserver
socketserver.TCPServer(("169.254.169.254", 80), http.server.SimpleHTTPRequestHandler).serve_forever()
' >/dev/null 2>&1 </dev/null
for try in $(seq 20); do
  curl --noproxy '*' --silent --max-time 2 http://169.254.169.254/ >/dev/null && exit 0
  sleep 0.5
done
exit 1
"""
    yield """\
ip netns pids metadata | xargs --no-run-if-empty kill
ip link delete metadata0
ip netns delete metadata
rm -rf /run/metadata
"""
