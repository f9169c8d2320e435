"""A private local AWS for tests, and a reader of its request log."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from ansible.module_utils.platform import mark
from ansible.module_utils.platform.endpoint import keep_host
from botocore.config import Config

from rehearsal import COMMAND, REPOSITORY
from rehearsal.aws.state import RESET_PATH, TOKEN_HEADER, State

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class LocalAws:
    """One local AWS process with its own state directory and port."""

    def __init__(self, directory: Path):
        self._state = State(directory, 0)
        self._token = ""
        self._mark = 0
        self._clients: dict[tuple[str, str], Any] = {}

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

    def client(self, service: str, region: str = "ap-northeast-2") -> Any:
        """A boto3 client; made once per service and region, since making one costs more than using it."""
        if (service, region) not in self._clients:
            self._clients[service, region] = boto3.session.Session().client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                aws_access_key_id="rehearsal",
                aws_secret_access_key="not-a-secret-0123456789",
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
            keep_host(self._clients[service, region])
        return self._clients[service, region]

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
            return [json.loads(line) for line in log]

    def writes(self, since: int | None = None) -> list[dict[str, Any]]:
        """The requests that would change the account, refused ones included; not the mark of a run under way."""
        return [call for call in self.requests(since) if call["write"] and call["params"].get("Name") != mark.NAME]
