"""Removal of what is declared: looks, decides, and makes the calls that the kinds name, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import botocore.exceptions

from .engine.access import Removal
from .engine.context import Context
from .engine.declaration import Declaration
from .engine.destroy import Decision, Doomed, decide
from .engine.errors import PlatformError
from .engine.observe import account, observe
from .engine.plan import plan_in
from .engine.schema import Specs
from .engine.session import Clients, explain
from .engine.workflow import check_account, declaration_of
from .kinds import KINDS

#: what AWS says while something that is being removed is still there, and how often it is asked again, seconds apart
_BUSY = frozenset({"DependencyViolation", "DeleteConflict", "ResourceInUseException", "InvalidIPAddress.InUse"})
ATTEMPTS, PAUSE = 20, 3.0
#: what AWS says of those who may not
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
#: the policy with the rights
POLICY = "docs/iam-policy-destroy.json"


class Destroyer:
    """What is declared, and the account that it is removed from."""

    def __init__(self, raw: Mapping[str, Any], specs: Specs, environment: Mapping[str, str]) -> None:
        self._declaration: Declaration = declaration_of(raw, specs, KINDS)
        self._clients = Clients(self._declaration.region, environment)
        self._declaration.account = account(self._clients)
        check_account(self._declaration.declared_account, self._declaration.account)
        self.context: Context | None = None

    @property
    def account(self) -> str:
        """The account that is observed."""
        return self._declaration.account

    def decide(self, only: str = "") -> Decision:
        """Look at the account and decide; nothing is written."""
        kinds = KINDS.with_removal_reads()
        self.context = Context(self._declaration, observe(self._clients, self._declaration, kinds))
        plan_in(self.context, KINDS)
        return decide(self._declaration, self.context, KINDS, only)

    def remove(self, doomed: Sequence[Doomed], confirm: Callable[[], None]) -> Iterator[tuple[Doomed, float]]:
        """Remove one after the other; yields each with its seconds. confirm: raises when the lock is lost."""
        assert self.context is not None
        for item in doomed:
            started = time.monotonic()
            for removal in item.kind.removal(item.want, item.live, self.context):
                confirm()
                self._call(item, removal)
            yield item, time.monotonic() - started

    def _call(self, item: Doomed, removal: Removal) -> None:
        client = self._clients.of(removal.service, removal.region)
        for attempt in range(ATTEMPTS):
            try:
                arguments = dict(removal.arguments)
                if removal.etag_from:
                    arguments["IfMatch"] = getattr(client, removal.etag_from)(Id=arguments["Id"])["ETag"]
                answer = getattr(client, removal.operation)(**arguments)
                _refuse_partly(answer, removal)
                if removal.wait:
                    client.get_waiter(removal.wait[0]).wait(**removal.wait[1])
                return
            except botocore.exceptions.ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                if code in removal.absent:
                    return
                if code not in _BUSY or attempt == ATTEMPTS - 1:
                    raise PlatformError(_told(item, error, client)) from error
                time.sleep(PAUSE)
            except botocore.exceptions.BotoCoreError as error:
                raise PlatformError(_told(item, error, client)) from error


def _refuse_partly(answer: Mapping[str, Any], removal: Removal) -> None:
    """EC2 lists refusals of some calls in an answer that is a success."""
    for found in answer.get("Unsuccessful") or ():
        error = found.get("Error") or {}
        raise botocore.exceptions.ClientError({"Error": error}, removal.operation)


def _told(item: Doomed, error: Exception, client: Any) -> str:
    text = f"{item.text} was not deleted. {explain(error, client)}"
    code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    if code in _DENIED:
        text += f"\nOperators may not delete, on purpose: somebody with {POLICY} beside the operator's policy may."
    return f"{text}\nWhat was deleted before is gone. Run it again: it goes on from here."
