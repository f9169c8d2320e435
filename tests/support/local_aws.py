"""A private local AWS for tests, and a reader of its request log."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from ansible.module_utils.platform import lock, records
from ansible.module_utils.platform.endpoint import keep_host
from botocore.config import Config

from rehearsal import COMMAND, REPOSITORY
from rehearsal.aws.state import RESET_PATH, TOKEN_HEADER, State


def _of_run(key: Any) -> bool:
    """Whether an object is what a run leaves in the platform's bucket."""
    return str(key) == lock.KEY or str(key).startswith(records.PREFIX)


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Keys:
    """Credentials; those that IAM has made do what policies allow, any other is the root's."""

    id: str
    secret: str
    token: str = ""

    @property
    def environ(self) -> dict[str, str]:
        """The variables that make them those of a process."""
        found = {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret}
        return found | ({"AWS_SESSION_TOKEN": self.token} if self.token else {})


class LocalAws:
    """One local AWS process with its own state directory and port."""

    def __init__(self, directory: Path):
        self._state = State(directory, 0)
        self._token = ""
        self._mark = 0
        # One for all clients: each would read the descriptions of the API for itself.
        self._session = boto3.session.Session()
        self._clients: dict[tuple[str, str, Keys | None], Any] = {}

    def __enter__(self) -> Self:
        """Start it. A free port may be gone a moment later: try again."""
        for attempt in range(5):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._state = State(self._state.directory, probe.getsockname()[1])
            answer = self.launcher("start")
            if answer.returncode == 0:
                break
            if attempt == 4 or "port" not in answer.stderr:
                raise RuntimeError(answer.stderr)
        self._token = json.loads(self._state.process_file.read_text())["token"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.launcher("stop")

    def launcher(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `rehearsal aws` for this instance."""
        return subprocess.run(
            [*COMMAND, "aws", *arguments],
            cwd=REPOSITORY,
            env=self.process_environ | {"REHEARSAL_OWNER": str(os.getpid())},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def endpoint(self) -> str:
        """The URL of every service."""
        return self._state.endpoint

    @property
    def directory(self) -> Path:
        """Its state directory: ssh/id_ed25519, requests.jsonl, local_aws.log."""
        return self._state.directory

    @property
    def environ(self) -> dict[str, str]:
        """The variables that point the AWS SDK, the launcher and inventories/rehearsal to this instance."""
        return self._state.environ() | {"REHEARSAL_DIR": str(self._state.directory)}

    @property
    def process_environ(self) -> dict[str, str]:
        """The whole environment for a subprocess: the test's own, with every AWS setting replaced."""
        return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | self.environ

    def client(self, service: str, region: str = "ap-northeast-2", keys: Keys | None = None) -> Any:
        """A boto3 client; made once per service and region, since making one costs more than using it.

        keys: whose it is; the root's, if nobody is named.
        """
        key = (service, region, keys)
        if key not in self._clients:
            who = keys or Keys("rehearsal", "not-a-secret-0123456789")
            self._clients[key] = self._session.client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                aws_access_key_id=who.id,
                aws_secret_access_key=who.secret,
                aws_session_token=who.token or None,
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
            keep_host(self._clients[key])
        return self._clients[key]

    def user(self, name: str, *policies: Mapping[str, Any]) -> Keys:
        """A user who may do what these policies allow, and nothing else; one that exists gets them anew."""
        iam = self.client("iam")
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_user(UserName=name)
        for old in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=old["AccessKeyId"])
        for number, policy in enumerate(item for item in policies if item["Statement"]):
            iam.put_user_policy(UserName=name, PolicyName=f"rights-{number}", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName=name)["AccessKey"]
        return Keys(made["AccessKeyId"], made["SecretAccessKey"])

    def session(self, role: str) -> Keys:
        """What a host gets from its role."""
        arn = self.client("iam").get_role(RoleName=role)["Role"]["Arn"]
        made = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="host")["Credentials"]
        return Keys(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])

    def reset(self, *, empty: bool = False, rates: dict[str, float] | None = None) -> Self:
        """A clean account and an empty request log.

        empty: without the default VPC, too. rates: requests a second that a service answers, by service.
        """
        request = urllib.request.Request(
            self.endpoint + RESET_PATH,
            data=json.dumps({"empty": empty, "rates": rates or {}}).encode(),
            headers={TOKEN_HEADER: self._token},
            method="POST",
        )
        with _OPENER.open(request, timeout=30):
            self._mark = 0
        return self

    def __call__(self, *, empty: bool = False) -> Self:
        """The fixture as a factory: `local_aws(empty=True)`."""
        return self.reset(empty=empty)

    def mark(self) -> int:
        """Remember this moment: `requests` and `writes` then tell what came after it."""
        self._mark = self._state.request_log.stat().st_size
        return self._mark

    def requests(self, since: int | None = None) -> list[dict[str, Any]]:
        """The logged requests since a mark: the given one, else the last one, else since the reset.

        Each has time, service, region, operation, write, status, milliseconds and params.
        """
        with self._state.request_log.open("rb") as log:
            log.seek(self._mark if since is None else since)
            # The last line may be half written: the server goes on meanwhile.
            return [json.loads(line) for line in log if line.endswith(b"\n")]

    def writes(self, since: int | None = None) -> list[dict[str, Any]]:
        """The requests that would change the account, refused ones included; not lock and record of a run."""
        return [call for call in self.requests(since) if call["write"] and not _of_run(call["params"].get("Key"))]
