"""A local AWS behind the proxy of tests/faults: the tools go through it, the test's own clients do not."""

from __future__ import annotations

from typing import Any

from tests.faults.proxy import Proxy

from .local_aws import LocalAws


class Behind:
    """Everything of a local AWS, except the way that leads to it."""

    def __init__(self, aws: LocalAws, proxy: Proxy) -> None:
        self._aws = aws
        self._own = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}", "REHEARSAL_AWS_PORT": str(proxy.port)}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._aws, name)

    @property
    def environ(self) -> dict[str, str]:
        """As of the local AWS."""
        return self._aws.environ | self._own

    @property
    def process_environ(self) -> dict[str, str]:
        """As of the local AWS."""
        return self._aws.process_environ | self._own
