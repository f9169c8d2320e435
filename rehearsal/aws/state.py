"""Where the local AWS keeps its files, and how clients are pointed at it."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from rehearsal import REPOSITORY

HOST = "127.0.0.1"
ACCOUNT = "123456789012"
REGION = "ap-northeast-2"
DEFAULT_PORT = 5566

IDENTITY_PATH = "/_rehearsal/identity"
RESET_PATH = "/_rehearsal/reset"
TOKEN_HEADER = "X-Rehearsal-Token"


class LocalAwsError(Exception):
    """Something the operator has to know; the message says what to do."""


@dataclass(frozen=True)
class State:
    """The state directory and the port of one local AWS."""

    directory: Path
    port: int

    @classmethod
    def from_environ(cls) -> State:
        """Read REHEARSAL_DIR and REHEARSAL_AWS_PORT."""
        directory = os.environ.get("REHEARSAL_DIR") or REPOSITORY / ".rehearsal"
        text = os.environ.get("REHEARSAL_AWS_PORT") or str(DEFAULT_PORT)
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise LocalAwsError(f"REHEARSAL_AWS_PORT is {text!r}: give a port number from 1 to 65535")
        return cls(Path(directory).resolve(), int(text))

    @property
    def process_file(self) -> Path:
        """Pid, start time, token and port of the process that was started."""
        return self.directory / "local_aws.json"

    @property
    def lock_file(self) -> Path:
        """Held while starting or stopping."""
        return self.directory / "local_aws.lock"

    @property
    def log_file(self) -> Path:
        """The server process's own output; requests are in `request_log`."""
        return self.directory / "local_aws.log"

    @property
    def request_log(self) -> Path:
        """One JSON line per API request."""
        return self.directory / "requests.jsonl"

    @property
    def ssh_key(self) -> Path:
        """The private key that opens the rehearsal's hosts."""
        return self.directory / "ssh" / "id_ed25519"

    @property
    def authority(self) -> Path:
        """The certificate that signs the pages of configured hosts; exists while such hosts do."""
        return self.directory / "ca.pem"

    @property
    def endpoint(self) -> str:
        """The one URL of every service."""
        return f"http://{HOST}:{self.port}"

    def environ(self) -> dict[str, str]:
        """Variables that point every AWS tool here, and away from the operator's own account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "rehearsal",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret-0123456789",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "REHEARSAL_AWS_PORT": str(self.port),
        }

    def exports(self) -> str:
        """Shell lines for `eval`. A leftover profile or session token would override the keys: unset them."""
        lines = [f"export {name}={shlex.quote(value)}" for name, value in self.environ().items()]
        # Loopback must not go through the shell's proxy.
        lines += [f'export {name}="{HOST},localhost${{{name}:+,${name}}}"' for name in ("NO_PROXY", "no_proxy")]
        return "\n".join(["unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN", *lines])
