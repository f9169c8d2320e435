"""boto3 clients, and what their failures mean to an operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
import botocore.config
import botocore.exceptions as failures

from .errors import PlatformError

#: where AWS answers for services that are not regional, and for what CloudFront reads
GLOBAL_REGION = "us-east-1"
_GLOBAL = frozenset({"acm", "route53domains", "cloudfront", "route53", "iam"})

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

#: IAM names its actions after the service's endpoint, or otherwise
_IAM_PREFIX = {"CloudWatch": "cloudwatch", "Route 53": "route53", "Route 53 Domains": "route53domains"}

#: operations that take an action of another name (Service Authorization Reference, Amazon S3)
_IAM_ACTIONS = {
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:GetBucketCors": "s3:GetBucketCORS",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
}


class Clients:
    """One boto3 client per service, made when first asked for.

    environment: AWS_* variables of the inventory, which win over those of the process. Empty values count as unset.
    """

    def __init__(self, region: str, environment: Mapping[str, str]) -> None:
        self.region = region
        self.endpoint = environment.get("AWS_ENDPOINT_URL") or None
        self._clients: dict[str, Any] = {}
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
        if service not in self._clients:
            region = GLOBAL_REGION if service in _GLOBAL else self.region
            # STS is asked first, once: who cannot be reached is to be told soon, not after ten attempts.
            config = botocore.config.Config(
                retries={"mode": "adaptive", "max_attempts": 2 if service == "sts" else 10},
                connect_timeout=5,
                read_timeout=60,
                max_pool_connections=32,
            )
            self._clients[service] = self._session.client(
                service, region_name=region, endpoint_url=self.endpoint, config=config
            )
        return self._clients[service]


def iam_action(service: str, operation: str) -> str:
    """``ec2:DescribeVpcs`` of what botocore calls EC2 and DescribeVpcs."""
    prefix = _IAM_PREFIX.get(service, service.lower().replace(" ", ""))
    return _IAM_ACTIONS.get(f"{prefix}:{operation}", f"{prefix}:{operation}")


def explain(error: Exception, client: Any) -> PlatformError:
    """A failure of boto3 in the operator's terms: what is wrong and what to do."""
    if isinstance(error, failures.ProfileNotFound):
        return PlatformError(f"{error}. Name an existing profile in AWS_PROFILE, or `aws configure --profile …` it.")
    if isinstance(error, (failures.NoCredentialsError, failures.PartialCredentialsError)):
        return PlatformError(
            f"No AWS credentials: {error}. Set AWS_PROFILE (and `aws sso login` where it is an SSO profile), "
            "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if isinstance(error, (failures.TokenRetrievalError, failures.UnauthorizedSSOTokenError)):
        return PlatformError(f"The SSO session has ended: {error}. Run `aws sso login`.")
    if isinstance(error, failures.ClientError):
        return _explain_answer(error, client)
    if isinstance(error, (failures.EndpointConnectionError, failures.ConnectTimeoutError, failures.ReadTimeoutError)):
        return PlatformError(
            f"AWS does not answer: {error}. Check the network, AWS_REGION and AWS_ENDPOINT_URL "
            "(in the rehearsal: `make aws`)."
        )
    return PlatformError(f"{type(error).__name__}: {error}")


def _explain_answer(error: failures.ClientError, client: Any) -> PlatformError:
    code = error.response.get("Error", {}).get("Code", "")
    message = error.response.get("Error", {}).get("Message", "")
    if code in _EXPIRED:
        return PlatformError(f"The AWS credentials have expired ({code}). Renew them (`aws sso login`) and run again.")
    if code in _INVALID:
        return PlatformError(
            f"AWS does not accept the credentials ({code}: {message}). Check AWS_PROFILE and the keys."
        )
    service = client.meta.service_model.service_id if client is not None else "AWS"
    action = iam_action(service, error.operation_name)
    if code in _DENIED:
        return PlatformError(
            f"The credentials may not {action} ({message}). Grant that action; "
            "docs/iam.md lists all that plan and provision take."
        )
    return PlatformError(f"{action} failed: {code}: {message}")
