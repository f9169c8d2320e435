"""One read-only snapshot of the account, by parallel boto3 calls.

Paginated where the service pages, retried in boto3's adaptive mode. What a read finds may ask for further reads (a
bucket's settings, a zone's records); those start as soon as it has answered. The kinds declare the reads; the snapshot
is plain data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

import botocore.exceptions
import botocore.parsers

from .access import Arguments, Call, Detail, Read
from .catalogue import Catalogue
from .declaration import Declaration
from .errors import PlatformError
from .session import Clients, explain, iam_action

#: calls under way at once: enough to hide the latency of a region, few enough not to be throttled
PARALLEL = 24


@dataclass(frozen=True)
class _Job:
    """A call with its arguments, and where the value goes below its subject."""

    call: Call
    arguments: Arguments
    path: tuple[str, ...] = ()

    def store(self, snapshot: dict[str, Any], answer: Any) -> None:
        """Put the value of the answer into the snapshot."""
        *outer, last = (self.call.into, *self.path)
        inner = snapshot
        for step in outer:
            inner = inner.setdefault(step, {})
        inner[last] = _understood(self.call, lambda: self.call.value(answer))


def _first(declaration: Declaration, kinds: Catalogue) -> Iterator[_Job]:
    for read in kinds.reads():
        arguments = read.arguments_for(declaration)
        if arguments is not None:
            yield _Job(read, arguments)


def _requests(detail: Detail, declaration: Declaration, answer: Any) -> list[tuple[tuple[str, ...], Arguments]]:
    return list(detail.each(declaration, answer))


def _next(declaration: Declaration, job: _Job, answer: Any) -> Iterator[_Job]:
    details: tuple[Detail, ...] = job.call.then if isinstance(job.call, Read) else ()
    for detail in details:
        for path, arguments in _understood(job.call, partial(_requests, detail, declaration, answer)):
            yield _Job(detail, arguments, path)


def _named(call: Call) -> str:
    """The call's IAM action, which is how an operator knows it."""
    operation = "".join(word.capitalize() for word in call.operation.split("_"))
    return call.action or iam_action(call.service, operation)


def _understood(call: Call, value: Callable[[], Any]) -> Any:
    """What a kind makes of an answer; of one that lacks what AWS always sends it can make nothing."""
    try:
        return value()
    except (LookupError, TypeError, ValueError, AttributeError, StopIteration) as error:
        what = f"{type(error).__name__}: {error}"
        raise PlatformError(f"{_named(call)} failed: AWS's answer lacks what it always has ({what})") from error


def ask(client: Any, call: Call, arguments: Arguments) -> Any:
    """The whole answer of a call, all pages of it; runs in a thread."""
    try:
        if call.paged and client.can_paginate(call.operation):
            return client.get_paginator(call.operation).paginate(**arguments).build_full_result()
        return getattr(client, call.operation)(**arguments)
    except botocore.exceptions.ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code in call.absent:
            return {}
        if code in call.told:
            return {"Code": code}
        raise explain(error, client, call.action) from error
    except botocore.exceptions.BotoCoreError as error:
        raise explain(error, client, _named(call)) from error
    # A syntax error is that of the XML that botocore parses itself, as for GetBucketLocation.
    except (botocore.parsers.ResponseParserError, LookupError, TypeError, ValueError, SyntaxError) as error:
        raise PlatformError(f"{_named(call)} failed: AWS's answer cannot be read ({error})") from error


#: whose account it is; asked before anything else
IDENTITY = Call(service="sts", operation="get_caller_identity", into="account", value=lambda answer: answer["Account"])


def account(clients: Clients) -> str:
    """The account (12 digits) that the credentials are for."""
    return str(IDENTITY.value(ask(clients[IDENTITY.service], IDENTITY, {})))


def observe(clients: Clients, declaration: Declaration, kinds: Catalogue) -> dict[str, Any]:
    """The snapshot: AWS's answers by subject, as ``kinds.empty()`` names them. Raises PlatformError."""
    snapshot = kinds.empty()
    waiting = deque(_first(declaration, kinds))
    running: dict[Future[Any], _Job] = {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        try:
            while waiting or running:
                # Clients are made here, in one thread, while the reads before are under way.
                while waiting and len(running) < PARALLEL:
                    job = waiting.popleft()
                    client = clients.of(job.call.service, job.call.region)
                    running[pool.submit(ask, client, job.call, job.arguments)] = job
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    job = running.pop(future)
                    answer = future.result()
                    job.store(snapshot, answer)
                    waiting.extend(_next(declaration, job, answer))
        except PlatformError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return snapshot
