"""boto3 clients, and what their failures mean to an operator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore
import botocore.config
import botocore.exceptions as failures

from .. import guard
from ..endpoint import keep_host
from .errors import PlatformError

guard.install()

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_INVALID = frozenset(
    {
        "AuthFailure",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})


class Clients:
    """One boto3 client per service and region, made when first asked for.

    environment: AWS_* variables of the inventory, which win over those of the process. Empty values count as unset.
    """

    def __init__(self, region: str, environment: Mapping[str, str]) -> None:
        self.region = region
        self.endpoint = environment.get("AWS_ENDPOINT_URL") or None
        self._clients: dict[tuple[str, str], Any] = {}
        try:
            self._session = boto3.session.Session(
                aws_access_key_id=environment.get("AWS_ACCESS_KEY_ID") or None,
                aws_secret_access_key=environment.get("AWS_SECRET_ACCESS_KEY") or None,
                aws_session_token=environment.get("AWS_SESSION_TOKEN") or None,
                profile_name=environment.get("AWS_PROFILE") or None,
                region_name=region,
            )
        except failures.BotoCoreError as error:
            raise explain(error, None) from error

    def __getitem__(self, service: str) -> Any:
        return self.of(service)

    def of(self, service: str, region: str = "") -> Any:
        """The client of a service; region: where it is not the declared one."""
        key = (service, region or self.region)
        if key not in self._clients:
            # Attempts and time-outs are those of every client of this process, see ``guard``.
            retries = {"mode": "adaptive", "total_max_attempts": guard.ATTEMPTS}
            config = botocore.config.Config(retries=retries, max_pool_connections=32)
            self._clients[key] = self._session.client(
                service, region_name=key[1], endpoint_url=self.endpoint, config=config
            )
            keep_host(self._clients[key])
        return self._clients[key]


@cache
def regions() -> dict[str, str]:
    """What AWS calls each of its regions, by id; empty when botocore keeps its list elsewhere."""
    path = Path(botocore.__file__).parent / "data/endpoints.json"
    if not path.exists():
        return {}
    partitions = json.loads(path.read_bytes())["partitions"]
    public = next(item for item in partitions if item["partition"] == "aws")
    return {name: region["description"] for name, region in public["regions"].items()}


def iam_action(service: str, operation: str) -> str:
    """``ec2:DescribeVpcs`` of what botocore calls EC2 and DescribeVpcs."""
    return f"{service.lower().replace(' ', '')}:{operation}"


def explain(error: Exception, client: Any, action: str = "") -> PlatformError:
    """A failure of boto3 in the operator's terms: what is wrong and what to do.

    action: the IAM action of the call, when it is not named like the operation.
    """
    if isinstance(error, failures.ProfileNotFound):
        return PlatformError(
            f"{error}. Name an existing profile in AWS_PROFILE, or create one (`aws configure --profile …`)."
        )
    if isinstance(error, (failures.NoCredentialsError, failures.PartialCredentialsError)):
        return PlatformError(
            f"No AWS credentials: {error}. Set AWS_PROFILE (and run `aws sso login` for an SSO profile), "
            "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if isinstance(error, (failures.TokenRetrievalError, failures.UnauthorizedSSOTokenError)):
        return PlatformError(f"The SSO session has ended: {error}. Run `aws sso login`.")
    if isinstance(error, failures.ClientError):
        return _explain_answer(error, client, action)
    if isinstance(error, (failures.EndpointConnectionError, failures.ConnectTimeoutError, failures.ReadTimeoutError)):
        return PlatformError(
            f"AWS does not answer: {error}. Check the network, AWS_REGION and AWS_ENDPOINT_URL "
            "(in the rehearsal: `make aws`)."
        )
    return PlatformError(f"{action} failed: {error}" if action else f"{type(error).__name__}: {error}")


def explain_failure(error: BaseException) -> str:
    """The same for an error that boto3 has caused, without a client at hand."""
    cause: BaseException | None = error
    while cause and not isinstance(cause, (failures.BotoCoreError, failures.ClientError)):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, failures.BotoCoreError):
        return str(explain(cause, None))
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{text}. Check AWS_PROFILE, and what its user may do (roles/aws_plan/README.md)."


def _explain_answer(error: failures.ClientError, client: Any, action: str) -> PlatformError:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    if code in _EXPIRED:
        return PlatformError(f"The AWS credentials have expired ({code}). Renew them (`aws sso login`) and run again.")
    if code in _INVALID:
        return PlatformError(
            f"AWS does not accept the credentials ({code}: {message}). Check AWS_PROFILE and the keys."
        )
    service = client.meta.service_model.service_id if client is not None else "AWS"
    action = action or iam_action(service, error.operation_name)
    if code in _DENIED:
        return PlatformError(
            f"The credentials may not {action} ({message}). Grant that action; "
            "docs/iam.md lists all that plan and provision need."
        )
    return PlatformError(f"{action} failed: {code}: {message}")
