"""What every boto3 client of this process does with answers that lie, and with answers that get lost.

The planner, the modules in ``warm``'s forks and the inventory plugin make clients of their own, so this adds to what
botocore gives each new session: its built-in handlers, the defaults of ``Config``, its page iterator (botocore 1.44).

- An answer without the shape of botocore's model (``answers``) counts as a failed attempt.
- A create is not repeated when its answer was lost, unless AWS can tell by a token that it is the same one. Whether it
  was carried out is for the caller to find out: ``state`` remembers that there is something to find out.
- What is known to exist, and is "not there", is asked for again: AWS's reads lag some seconds behind its writes.
- A quota is not tried again. Pages end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import botocore.handlers
import botocore.paginate
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ConnectTimeoutError,
    EndpointConnectionError,
    PaginationError,
    ProxyConnectionError,
)
from botocore.retries.standard import ThrottledRetryableChecker

from .answers import HTML, creates, fault, reads

#: error code of an answer without the shape of the model
MALFORMED = "MalformedAnswer"
#: attempts of one call: with a fifth of them failing, one of ten million calls fails
ATTEMPTS = 10
#: seconds to connect, and between two pieces of an answer; no call here works longer before it answers
CONNECT, READ = 5, 20
#: attempts when nobody listens: an unreachable account is reported at once
UNREACHABLE = 2
#: attempts when a page of HTML comes instead: whatever sends it goes on doing so
STRANGERS = 3
#: attempts when a HEAD is refused with 400: it has no body, so the refusal may as well be throttling
SPEECHLESS = 4
#: what is known to exist is asked for so often, so many seconds apart
PATIENCE, PAUSE = 30, 0.5
#: pages of one list at most; a page has 100 items or more
PAGES = 10_000

_NOT_SENT = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)
#: ACM says by it that a quota is reached, which does not pass by itself
_QUOTA = frozenset({"LimitExceededException"})
_THROTTLED = frozenset(ThrottledRetryableChecker._THROTTLED_ERROR_CODES) - _QUOTA
_NOT_FOUND = re.compile(r"Invalid\w+\.NotFound|\w*NotFound(Exception)?|NoSuch\w+")
_ID = re.compile(r"[a-z]+(?:-[a-z]+)*-[0-9a-f]{8,17}")


class LostAnswerError(BotoCoreError):
    """A create whose answer did not arrive. No ClientError: amazon.aws repeats those."""

    fmt = "the answer of {operation} was lost ({reason}), so that it is not known whether it was carried out"


@dataclass
class State:
    """Of this process.

    lost: writes whose answers were lost. made: creates that succeeded. known: ids of what exists. tags: for what is
    created.
    """

    lost: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    tags: Mapping[str, str] = field(default_factory=dict)


state = State()


class Pages(botocore.paginate.PageIterator):
    """Pages that end: botocore notices a token that comes twice in a row, not one that comes back later."""

    def __iter__(self) -> Iterator[Any]:
        seen: set[str] = set()
        for page in super().__iter__():
            yield page
            token = repr(sorted(self._get_next_token(page).items(), key=str))
            if token in seen or len(seen) > PAGES:
                raise PaginationError(message="the pages of the list do not end: AWS names a page that we had before")
            seen.add(token)


def install() -> None:
    """Once per process, before its first client is made."""
    handlers: list[Any] = botocore.handlers.BUILTIN_HANDLERS
    if ("before-parse.*.*", _check) in handlers:
        return
    handlers += [
        ("before-parse.*.*", _check),
        ("needs-retry.*.*", _decide),
        ("provide-client-params.ec2.*", _tag),
        ("after-call.*.*", _remember),
    ]
    Config.OPTION_DEFAULTS |= {
        "connect_timeout": CONNECT,
        "read_timeout": READ,
        "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
    }
    botocore.paginate.Paginator.PAGE_ITERATOR_CLS = Pages


def begin(known: Iterable[str] = (), tags: Mapping[str, str] | None = None) -> None:
    """A new piece of work: ids of what is known to exist, and the tags of what it creates."""
    state.lost, state.made, state.known, state.tags = [], [], set(known), dict(tags or {})


def _check(
    operation_model: Any, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Turn a malformed answer into an error before it is parsed."""
    wrong = fault(operation_model, response_dict["status_code"], response_dict["headers"], response_dict.get("body"))
    if wrong:
        response_dict.update(status_code=503, body=b"")
        customized_response_dict["Error"] = {"Code": MALFORMED, "Message": f"AWS's answer is malformed: {wrong}"}


def _decide(
    response: Any, operation: Any, attempts: int, caught_exception: Any, request_dict: dict[str, Any], **_: Any
) -> float | bool | None:
    """A delay to try again, False to give up, None to leave it to botocore."""
    code = response[1].get("Error", {}).get("Code", "") if response is not None else ""
    if code == MALFORMED:
        # botocore raises errors, and repeats calls, by the status.
        response[0].status_code = 503
    service = operation.service_model.service_name
    if isinstance(caught_exception, EndpointConnectionError) and service == "sts" and attempts >= UNREACHABLE:
        return False
    if code in _QUOTA or (code == MALFORMED and attempts >= STRANGERS and HTML in response[1]["Error"]["Message"]):
        return False
    if code == "400" and operation.http["method"] == "HEAD":
        return PAUSE * 2**attempts if attempts < SPEECHLESS else False
    reason = _lost(response, code, caught_exception)
    if reason and not reads(operation.name):
        state.lost.append(f"{service}:{operation.name}")
        if creates(operation.name) and not operation.idempotent_members:
            raise LostAnswerError(operation=f"{service}:{operation.name}", reason=reason)
    if service == "ec2" and not reason and attempts <= PATIENCE and _hidden(response, code, operation, request_dict):
        return PAUSE
    return None


def _lost(response: Any, code: str, error: Any) -> str:
    """Why it is not known what AWS did; empty when it is."""
    if error is not None:
        return "" if isinstance(error, _NOT_SENT) else f"{type(error).__name__}"
    if code == MALFORMED:
        return str(response[1]["Error"]["Message"])
    if response[0].status_code >= 500 and code not in _THROTTLED:
        return f"{response[0].status_code} {code}"
    return ""


def _hidden(response: Any, code: str, operation: Any, request: Mapping[str, Any]) -> bool:
    """Whether a read asks for something by its id that exists, and does not get it."""
    if not state.known or not operation.name.startswith("Describe"):
        return False
    asked = _asked(operation.name, request.get("body"))
    if not asked or not asked <= state.known:
        return False
    if _NOT_FOUND.fullmatch(code):
        return True
    lists = [value for value in response[1].values() if isinstance(value, list)]
    return response[0].status_code < 300 and bool(lists) and not any(lists)


def _asked(operation: str, body: Any) -> set[str]:
    """The ids by which a request of EC2 asks for its own kind of resource: ``NetworkAclId.1``, or a filter by it."""
    if not isinstance(body, Mapping):
        return set()
    noun = _noun(operation.removeprefix("Describe"))
    keys = {f"{name}." for name in body if re.fullmatch(r"[A-Z]\w*Id\.\d+", name)}
    for name, value in body.items():
        number = re.fullmatch(r"Filter\.(\d+)\.Name", name)
        # `group-id` of security groups is one, `vpc-id` of network ACLs is not.
        if number and str(value).endswith("-id") and noun.endswith(str(value).removesuffix("-id")):
            keys.add(f"Filter.{number[1]}.Value.")
    return {str(value) for name, value in body.items() if f"{name}.".startswith(tuple(keys))}


def _noun(name: str) -> str:
    """``network-acl`` of NetworkAcls."""
    words = re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
    return words if words.endswith("ss") else words.removesuffix("s")


def _remember(model: Any, parsed: Any, http_response: Any, **_: Any) -> None:
    """What was created exists from now on, whether reads show it yet or not."""
    if http_response.status_code < 300 and creates(model.name):
        state.made.append(model.name)
        state.known |= set(_ids(parsed))


def _ids(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if _ID.fullmatch(value):
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _ids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _ids(inner)


#: what tags call it, where the operation calls it otherwise
_CALLED = {"address": "elastic-ip"}


def _tag(params: dict[str, Any], model: Any, **_: Any) -> dict[str, Any] | None:
    """Tag at creation: what is only half made when the run ends is then recognised by its name."""
    shape = model.input_shape
    if not state.tags or not creates(model.name) or "TagSpecifications" in params:
        return None
    specifications = shape.members.get("TagSpecifications") if shape is not None else None
    if specifications is None:
        return None
    kind = _noun(re.sub(r"^[A-Z][a-z]+", "", model.name))
    kind = _CALLED.get(kind, kind)
    if kind not in specifications.member.members["ResourceType"].enum:
        return None
    tags = [{"Key": key, "Value": value} for key, value in state.tags.items()]
    return {**params, "TagSpecifications": [{"ResourceType": kind, "Tags": tags}]}
