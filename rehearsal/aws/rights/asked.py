"""Which actions on which resources a call asks IAM for: its own, and those that AWS asks for on the caller's behalf."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import parse_qsl

from ..operations import Call
from .policies import Asked, Context

#: signing names that differ from the prefix of actions
_PREFIXES = {"monitoring": "cloudwatch", "s3control": "s3"}


class Account(Protocol):
    """What has to be looked up in the account."""

    number: str

    def role(self, name: str) -> tuple[str, str]:
        """Path and boundary of a role; ``/`` and nothing when there is none."""

    def profile(self, name: str) -> tuple[str, str]:
        """Path of an instance profile, and the name of its role."""

    def tags(self, region: str, resource: str) -> Mapping[str, str]:
        """The tags of a resource of EC2, by its id."""


@dataclass(frozen=True)
class Question:
    """A call and what is known about it."""

    call: Call
    headers: Mapping[str, str]
    account: Account

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters of the call."""
        return self.call.params

    def text(self, *names: str) -> str:
        """The first of these parameters that is there."""
        return next((str(self.params[name]) for name in names if self.params.get(name)), "")

    def arn(self, resource: str, *, region: bool = True, service: str = "", account: bool = True) -> str:
        """The ARN of a resource of the call's service."""
        where = self.call.region if region else ""
        prefix = service or _PREFIXES.get(self.call.service, self.call.service)
        return f"arn:aws:{prefix}:{where}:{self.account.number if account else ''}:{resource}"


def asked(call: Call, headers: Mapping[str, str], account: Account) -> list[Asked]:
    """Everything that the call has to be allowed to do."""
    question = Question(call, headers, account)
    base = {
        "aws:requestedregion": (call.region,),
        "aws:securetransport": ("true",),
        "aws:principalaccount": (account.number,),
    }
    found = _SERVICES.get(call.service, _plain)(question)
    return [replace(item, context={**base, **item.context}) for item in found]


def _action(question: Question) -> str:
    return f"{_PREFIXES.get(question.call.service, question.call.service)}:{question.call.operation}"


def _plain(question: Question) -> Iterator[Asked]:
    yield Asked(_action(question))


def _tagged(tags: Mapping[str, str]) -> Context:
    if not tags:
        return {}
    return {"aws:tagkeys": tuple(tags), **{f"aws:requesttag/{key.lower()}": (value,) for key, value in tags.items()}}


# --- EC2 -----------------------------------------------------------------------------------------------------------

#: how ids begin -> the type of the resource
_IDS = {
    "i": "instance",
    "vpc": "vpc",
    "subnet": "subnet",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "rtb": "route-table",
    "acl": "network-acl",
    "igw": "internet-gateway",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "vol": "volume",
    "ami": "image",
    "key": "key-pair",
    "fl": "vpc-flow-log",
}
_ID = re.compile(rf"({'|'.join(_IDS)})-[0-9a-f]{{8,}}")
#: what an operation brings into being
_MADE = {
    "RunInstances": ("instance", "network-interface", "volume"),
    "AllocateAddress": ("elastic-ip",),
    "ImportKeyPair": ("key-pair",),
    "CreateFlowLogs": ("vpc-flow-log",),
    "CreateVpc": ("vpc",),
    "CreateSubnet": ("subnet",),
    "CreateInternetGateway": ("internet-gateway",),
    "CreateRouteTable": ("route-table",),
    "CreateNetworkAcl": ("network-acl",),
    "CreateSecurityGroup": ("security-group",),
}
_PASSING = ("RunInstances", "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation")


def _ec2_tags(params: Mapping[str, Any], prefix: str) -> dict[str, str]:
    keys = {name: str(value) for name, value in params.items() if re.fullmatch(rf"{prefix}\.\d+\.Key", name)}
    return {value: str(params.get(f"{name[:-3]}Value", "")) for name, value in keys.items()}


def _ec2(question: Question) -> Iterator[Asked]:
    operation, params = question.call.operation, question.params
    if operation.startswith(("Describe", "Get")):
        yield Asked(_action(question))
        return
    ids = {value for value in map(str, params.values()) if _ID.fullmatch(value)}
    about = [
        question.arn(f"{_IDS[item.partition('-')[0]]}/{item}", account=not item.startswith("ami-"))
        for item in sorted(ids)
    ]
    made = [question.arn(f"{kind}/*") for kind in _MADE.get(operation, ())]
    own = {} if operation != "CreateTags" else _ec2_tags(params, "Tag")
    context = _tagged(own)
    for item in ids if len(ids) == 1 else ():
        tags = question.account.tags(question.call.region, item)
        context = {**context, **{f"aws:resourcetag/{key.lower()}": (value,) for key, value in tags.items()}}
    new = _ec2_tags(params, r"TagSpecification\.\d+\.Tag") or _ec2_tags(params, r"TagSpecifications\.\d+\.Tag")
    yield Asked(_action(question), tuple(made + about) or ("*",), {**context, **_tagged(new)})
    if new:
        kinds = {str(value) for name, value in params.items() if name.endswith(".ResourceType")}
        arns = tuple(question.arn(f"{kind}/*") for kind in sorted(kinds)) or ("*",)
        yield Asked("ec2:CreateTags", arns, {**_tagged(new), "ec2:createaction": (operation,)})
    profile = question.text("IamInstanceProfile.Name") or question.text("IamInstanceProfile.Arn").rpartition("/")[2]
    if operation in _PASSING and profile:
        yield _passed(question, question.account.profile(profile)[1])
    if operation == "CreateFlowLogs":
        yield Asked("logs:CreateLogDelivery")


def _passed(question: Question, role: str) -> Asked:
    return Asked("iam:PassRole", (_role(question, role),), {"iam:passedtoservice": ("ec2.amazonaws.com",)})


# --- IAM -----------------------------------------------------------------------------------------------------------

#: operations on a role that IAM judges by the role's boundary, as it is or as it is to be
BY_BOUNDARY = (
    "CreateRole",
    "PutRolePermissionsBoundary",
    "DeleteRolePermissionsBoundary",
    "PutRolePolicy",
    "DeleteRolePolicy",
    "AttachRolePolicy",
    "DetachRolePolicy",
)


def _role(question: Question, name: str, path: str = "") -> str:
    path = path or question.account.role(name)[0]
    return question.arn(f"role{path}{name}", region=False, service="iam")


def _iam(question: Question) -> Iterator[Asked]:
    operation, params = question.call.operation, question.params
    path, resource = question.text("Path") if operation.startswith("Create") else "", "*"
    context: Context = _tagged(_members(params, "Tags"))
    if name := question.text("InstanceProfileName"):
        where = path or question.account.profile(name)[0]
        resource = question.arn(f"instance-profile{where}{name}", region=False)
    elif role := question.text("RoleName"):
        resource = _role(question, role, path)
        boundary = question.text("PermissionsBoundary") or question.account.role(role)[1]
        if operation in BY_BOUNDARY and boundary:
            context = {**context, "iam:permissionsboundary": (boundary,)}
        if policy := question.text("PolicyArn"):
            context = {**context, "iam:policyarn": (policy,)}
    elif name := question.text("UserName"):
        resource = question.arn(f"user/{name}", region=False)
    elif operation == "CreatePolicy":
        resource = question.arn(f"policy{path or '/'}{question.text('PolicyName')}", region=False)
    elif policy := question.text("PolicyArn"):
        resource = policy
    yield Asked(_action(question), (resource,), context)
    kinds = {"CreateRole": "TagRole", "CreateInstanceProfile": "TagInstanceProfile", "CreatePolicy": "TagPolicy"}
    if operation in kinds and _members(params, "Tags"):
        yield Asked(f"iam:{kinds[operation]}", (resource,), context)
    if operation == "AddRoleToInstanceProfile":
        yield _passed(question, question.text("RoleName"))


def _members(params: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """Tags as the query protocol lists them."""
    return _ec2_tags(params, rf"{prefix}\.member")


# --- S3 ------------------------------------------------------------------------------------------------------------

#: operations whose action is called otherwise
_S3_ACTIONS = {
    "ListBuckets": "ListAllMyBuckets",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "DeleteObjects": "DeleteObject",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
}


def _s3(question: Question) -> Iterator[Asked]:
    operation, headers = question.call.operation, question.headers
    bucket, key = question.text("Bucket"), question.text("Key")
    action = f"s3:{_S3_ACTIONS.get(operation, operation)}"
    if action in ("s3:GetObject", "s3:DeleteObject") and "versionId" in question.params:
        action += "Version"
    resource = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}" if bucket else "*"
    resources: tuple[str, ...] = (resource,)
    if operation == "DeleteObjects":
        keys = re.findall(r"<Key>(.*?)</Key>", question.text("Body"))
        resources = tuple(f"{resource}/{item}" for item in keys) or resources
    context = {f"s3:{name}": (str(question.params[name]),) for name in ("prefix", "delimiter") if question.text(name)}
    yield Asked(action, resources, context)
    if operation == "CreateBucket":
        if headers.get("x-amz-acl", "private") != "private":
            yield Asked("s3:PutBucketAcl", resources)
        if "x-amz-object-ownership" in headers:
            yield Asked("s3:PutBucketOwnershipControls", resources)
        if headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true":
            yield Asked("s3:PutBucketObjectLockConfiguration", resources)
            yield Asked("s3:PutBucketVersioning", resources)
    elif action == "s3:PutObject":
        if "x-amz-acl" in headers:
            yield Asked("s3:PutObjectAcl", resources)
        if tags := headers.get("x-amz-tagging"):
            yield Asked("s3:PutObjectTagging", resources, _tagged(dict(parse_qsl(tags))))
        if source := headers.get("x-amz-copy-source"):
            yield Asked("s3:GetObject", (f"arn:aws:s3:::{source.lstrip('/')}",))


def _s3_account(question: Question) -> Iterator[Asked]:
    names = {"PublicAccessBlock": "AccountPublicAccessBlock"}
    verb, rest = re.fullmatch(r"([A-Z][a-z]+)(.*)", question.call.operation).groups()  # type: ignore[union-attr]
    yield Asked(f"s3:{'Put' if verb == 'Delete' else verb}{names.get(rest, rest)}")


# --- Global services -----------------------------------------------------------------------------------------------


def _route53(question: Question) -> Iterator[Asked]:
    zone, context = question.text("HostedZoneId", "Id"), dict[str, tuple[str, ...]]()
    resource = f"arn:aws:route53:::hostedzone/{zone}" if zone and "HostedZone" not in _made(question) else "*"
    if question.call.operation == "ChangeResourceRecordSets":
        body, key = question.text("Body"), "route53:changeresourcerecordsets"
        names = [name.lower().rstrip(".").replace("*", r"\052") for name in re.findall(r"<Name>(.*?)</Name>", body)]
        context[f"{key}normalizedrecordnames"] = tuple(names)
        context[f"{key}recordtypes"] = tuple(re.findall(r"<Type>(.*?)</Type>", body))
        context[f"{key}actions"] = tuple(re.findall(r"<Action>(.*?)</Action>", body))
    yield Asked(_action(question), (resource,), context)


def _made(question: Question) -> str:
    """What an operation creates, empty for any other."""
    return question.call.operation.removeprefix("Create") if question.call.operation.startswith("Create") else ""


_CLOUDFRONT = {
    "Distribution": "distribution",
    "Invalidation": "distribution",
    "OriginAccessControl": "origin-access-control",
    "ResponseHeadersPolicy": "response-headers-policy",
    "CachePolicy": "cache-policy",
}


def _cloudfront(question: Question) -> Iterator[Asked]:
    named, resource = question.text("DistributionId", "Id"), "*"
    kind = next((kind for name, kind in _CLOUDFRONT.items() if name in question.call.operation), "")
    if kind and (named or _made(question)):
        resource = question.arn(f"{kind}/{named or '*'}", region=False)
    yield Asked(_action(question).replace("WithTags", ""), (resource,))
    body = question.text("Body")
    if question.call.operation.endswith("WithTags"):
        yield Asked("cloudfront:TagResource", (resource,))
    if question.call.operation.startswith(("CreateDistribution", "UpdateDistribution")):
        functions = tuple(re.findall(r"<LambdaFunctionARN>(.*?)</LambdaFunctionARN>", body))
        for action in ("lambda:GetFunction", "lambda:EnableReplication*") if functions else ():
            yield Asked(action, functions)


# --- Regional services ---------------------------------------------------------------------------------------------


def _ssm(question: Question) -> Iterator[Asked]:
    def parameter(name: str) -> str:
        name = name.partition(":")[0].strip("/")
        return question.arn(f"parameter/{name}", account=not name.startswith("aws/"))

    params = question.params
    named = params.get("Names") or [question.text("Name", "Path", "ResourceId")]
    arns = tuple(parameter(str(name)) for name in named if name) or ("*",)
    yield Asked(_action(question), arns)
    if params.get("Tags") and question.call.operation == "PutParameter":
        tags = {item["Key"]: item["Value"] for item in params["Tags"]}
        yield Asked("ssm:AddTagsToResource", arns, _tagged(tags))


def _sns(question: Question) -> Iterator[Asked]:
    topic = question.text("TopicArn", "ResourceArn")
    resource = topic or (question.arn(question.text("Name")) if question.text("Name") else "*")
    yield Asked(_action(question), (resource,))
    if question.call.operation == "CreateTopic" and _members(question.params, "Tags"):
        yield Asked("sns:TagResource", (resource,))


def _cloudwatch(question: Question) -> Iterator[Asked]:
    name, operation = question.text("AlarmName"), question.call.operation
    resource = question.arn(f"alarm:{name}") if name else "*"
    spaces = (question.text("Namespace"),)
    yield Asked(
        _action(question), (resource,), {"cloudwatch:namespace": spaces} if operation == "PutMetricData" else {}
    )
    if operation == "PutMetricAlarm" and question.params.get("Tags"):
        yield Asked("cloudwatch:TagResource", (resource,))


def _trail(question: Question) -> Iterator[Asked]:
    name = question.text("Name")
    resource = name if name.startswith("arn:") else question.arn(f"trail/{name}") if name else "*"
    yield Asked(_action(question), (resource,))
    if question.params.get("TagsList") and question.call.operation == "CreateTrail":
        yield Asked("cloudtrail:AddTags", (resource,))


def _certificate(question: Question) -> Iterator[Asked]:
    resource = question.text("CertificateArn") or "*"
    yield Asked(_action(question), (resource,))
    if question.params.get("Tags") and question.call.operation == "RequestCertificate":
        yield Asked("acm:AddTagsToCertificate", (resource,))


def _sts(question: Question) -> Iterator[Asked]:
    # Who one is may be asked by everybody, even if a policy denies it.
    if question.call.operation != "GetCallerIdentity":
        yield Asked(_action(question), (question.text("RoleArn") or "*",))


_SERVICES: dict[str, Callable[[Question], Iterator[Asked]]] = {
    "ec2": _ec2,
    "iam": _iam,
    "s3": _s3,
    "s3control": _s3_account,
    "route53": _route53,
    "cloudfront": _cloudfront,
    "ssm": _ssm,
    "sns": _sns,
    "monitoring": _cloudwatch,
    "cloudtrail": _trail,
    "acm": _certificate,
    "sts": _sts,
}
