"""One read-only snapshot of the account, by parallel boto3 calls.

Paginated where the service pages, retried in boto3's adaptive mode. What a read finds may ask for further reads (a
bucket's settings, a zone's records); those start as soon as it has answered. The snapshot is plain data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import botocore.exceptions

from .errors import PlatformError
from .scope import Scope
from .session import Clients, explain

#: calls under way at once: enough to hide the latency of a region, few enough not to be throttled
PARALLEL = 24


@dataclass(frozen=True)
class Read:
    """One call: where its answer goes, and what to read next.

    absent: error codes that mean "there is none", answered as an empty mapping.
    store: puts the answer into the snapshot. then: further reads that the answer asks for.
    """

    service: str
    operation: str
    store: Callable[[dict[str, Any], Any], None]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    then: Callable[[Any], Iterable[Read]] = lambda answer: ()


def _put(key: str, *path: str) -> Callable[[dict[str, Any], Any], None]:
    """Store what lies at ``path`` of the answer under ``key``."""

    def store(snapshot: dict[str, Any], answer: Any) -> None:
        for part in path:
            # An empty list of distributions is answered as no mapping at all.
            answer = (answer or {}).get(part)
        snapshot[key] = answer or []

    return store


def _put_in(key: str, name: str, value: Callable[[Any], Any]) -> Callable[[dict[str, Any], Any], None]:
    """Store a part of the answer as one entry of the mapping ``key``."""

    def store(snapshot: dict[str, Any], answer: Any) -> None:
        snapshot[key][name] = value(answer)

    return store


def _tag(raw: Mapping[str, Any], key: str) -> str:
    return next((tag["Value"] for tag in raw.get("Tags") or [] if tag["Key"] == key), "")


def _network_reads(scope: Scope) -> Iterable[Read]:
    def attributes(answer: Any) -> Iterable[Read]:
        for vpc in answer["Vpcs"]:
            if vpc["CidrBlock"] not in scope.vpcs and vpc["VpcId"] not in scope.vpc_ids:
                continue
            for attribute, name in (("enableDnsSupport", "dns_support"), ("enableDnsHostnames", "dns_hostnames")):

                def store(snapshot: dict[str, Any], found: Any, vpc: str = vpc["VpcId"], name: str = name) -> None:
                    value = next(item for key, item in found.items() if key.startswith("Enable"))
                    snapshot["vpc_attributes"].setdefault(vpc, {})[name] = value["Value"]

                arguments = {"VpcId": vpc["VpcId"], "Attribute": attribute}
                yield Read("ec2", "describe_vpc_attribute", store, arguments)

    yield Read("ec2", "describe_vpcs", _put("vpcs", "Vpcs"), then=attributes)
    yield Read("ec2", "describe_subnets", _put("subnets", "Subnets"))
    yield Read("ec2", "describe_internet_gateways", _put("internet_gateways", "InternetGateways"))
    yield Read("ec2", "describe_route_tables", _put("route_tables", "RouteTables"))
    yield Read("ec2", "describe_network_acls", _put("network_acls", "NetworkAcls"))
    yield Read("ec2", "describe_security_groups", _put("security_groups", "SecurityGroups"))


def _compute_reads(scope: Scope) -> Iterable[Read]:
    def instances(snapshot: dict[str, Any], answer: Any) -> None:
        found = [instance for group in answer["Reservations"] for instance in group["Instances"]]
        snapshot["instances"] = found

    def protection(answer: Any) -> Iterable[Read]:
        for instance in (item for group in answer["Reservations"] for item in group["Instances"]):
            if _tag(instance, "Name") not in scope.protected or instance["State"]["Name"] == "terminated":
                continue
            store = _put_in("protection", instance["InstanceId"], lambda found: found["DisableApiTermination"]["Value"])
            arguments = {"InstanceId": instance["InstanceId"], "Attribute": "disableApiTermination"}
            yield Read("ec2", "describe_instance_attribute", store, arguments)

    def credits_of(snapshot: dict[str, Any], answer: Any) -> None:
        found = answer["InstanceCreditSpecifications"]
        snapshot["credits"] = {item["InstanceId"]: item["CpuCredits"] for item in found}

    yield Read("ec2", "describe_instances", instances, then=protection)
    yield Read("ec2", "describe_instance_credit_specifications", credits_of)
    yield Read("ec2", "describe_volumes", _put("volumes", "Volumes"))
    # While a volume is being modified it is described as it was.
    under_way = {"Filters": [{"Name": "modification-state", "Values": ["modifying", "optimizing"]}]}
    store = _put("volume_modifications", "VolumesModifications")
    yield Read("ec2", "describe_volumes_modifications", store, under_way)
    yield Read("ec2", "describe_addresses", _put("addresses", "Addresses"))
    yield Read("ec2", "describe_key_pairs", _put("key_pairs", "KeyPairs"), {"IncludePublicKey": True})
    if scope.types:
        arguments = {
            "LocationType": "availability-zone",
            "Filters": [{"Name": "instance-type", "Values": sorted(scope.types)}],
        }
        store = _put("offerings", "InstanceTypeOfferings")
        yield Read("ec2", "describe_instance_type_offerings", store, arguments)
    if scope.images:

        def images(snapshot: dict[str, Any], answer: Any) -> None:
            snapshot["images"] = {item["Name"]: item["Value"] for item in answer["Parameters"]}

        yield Read("ssm", "get_parameters", images, {"Names": sorted(scope.images)})


#: setting of a bucket -> operation, error code of a bucket without it, how to read the answer
_BUCKET_SETTINGS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "versioning": ("get_bucket_versioning", "", lambda a: a.get("Status")),
    "encryption": (
        "get_bucket_encryption",
        "ServerSideEncryptionConfigurationNotFoundError",
        lambda a: _encryption(a),
    ),
    "public_access_block": (
        "get_public_access_block",
        "NoSuchPublicAccessBlockConfiguration",
        lambda a: a.get("PublicAccessBlockConfiguration"),
    ),
    "ownership": (
        "get_bucket_ownership_controls",
        "OwnershipControlsNotFoundError",
        lambda a: next((rule["ObjectOwnership"] for rule in a.get("OwnershipControls", {}).get("Rules", [])), None),
    ),
    "policy": ("get_bucket_policy", "NoSuchBucketPolicy", lambda a: a.get("Policy")),
    "cors": ("get_bucket_cors", "NoSuchCORSConfiguration", lambda a: a.get("CORSRules")),
    "lifecycle": (
        "get_bucket_lifecycle_configuration",
        "NoSuchLifecycleConfiguration",
        lambda a: a.get("Rules"),
    ),
    "tags": (
        "get_bucket_tagging",
        "NoSuchTagSet",
        lambda a: {item["Key"]: item["Value"] for item in a.get("TagSet", [])},
    ),
}


def _encryption(answer: Mapping[str, Any]) -> str | None:
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    found = (rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm") for rule in rules)
    return next(found, None)


def _storage_reads(scope: Scope) -> Iterable[Read]:
    def bucket(name: str) -> Iterable[Read]:
        for setting, (operation, absent, value) in _BUCKET_SETTINGS.items():

            def store(
                snapshot: dict[str, Any],
                answer: Any,
                setting: str = setting,
                value: Callable[[Any], Any] = value,
            ) -> None:
                snapshot["bucket_configs"].setdefault(name, {})[setting] = value(answer)

            yield Read("s3", operation, store, {"Bucket": name}, frozenset({absent} - {""}))
        for prefix in scope.buckets[name]:

            def found(snapshot: dict[str, Any], answer: Any, prefix: str = prefix) -> None:
                if answer.get("Contents"):
                    snapshot["bucket_configs"].setdefault(name, {}).setdefault("prefixes", []).append(prefix)

            arguments = {"Bucket": name, "Prefix": prefix, "MaxKeys": 1}
            yield Read("s3", "list_objects_v2:page", found, arguments)

    def declared(answer: Any) -> Iterable[Read]:
        for item in answer["Buckets"]:
            if item["Name"] in scope.buckets:
                yield from bucket(item["Name"])

    def names(snapshot: dict[str, Any], answer: Any) -> None:
        snapshot["buckets"] = sorted(item["Name"] for item in answer["Buckets"])

    yield Read("s3", "list_buckets", names, then=declared)


def _zone_name(raw: Mapping[str, Any]) -> str:
    return str(raw["Name"]).rstrip(".").lower()


def _dns_reads(scope: Scope) -> Iterable[Read]:
    def zones(answer: Any) -> Iterable[Read]:
        for raw in answer["HostedZones"]:
            if raw["Config"]["PrivateZone"] or _zone_name(raw) not in scope.zones:
                continue
            zone = raw["Id"].rsplit("/", 1)[-1]
            store = _put_in("records", zone, lambda found: found["ResourceRecordSets"])
            yield Read("route53", "list_resource_record_sets", store, {"HostedZoneId": zone})
            if _zone_name(raw) in scope.domains:
                servers = _put_in("zone_servers", zone, lambda found: found["DelegationSet"]["NameServers"])
                yield Read("route53", "get_hosted_zone", servers, {"Id": zone})

    def owned(answer: Any) -> Iterable[Read]:
        for item in answer["Domains"]:
            if item["DomainName"] in scope.domains:
                servers = _put_in(
                    "domains", item["DomainName"], lambda found: [host["Name"] for host in found["Nameservers"]]
                )
                yield Read("route53domains", "get_domain_detail", servers, {"DomainName": item["DomainName"]})

    yield Read("route53", "list_hosted_zones", _put("zones", "HostedZones"), then=zones)
    if scope.domains:
        yield Read("route53domains", "list_domains", lambda snapshot, answer: None, then=owned)


def _cdn_reads(scope: Scope) -> Iterable[Read]:
    def certificates(answer: Any) -> Iterable[Read]:
        for item in answer["CertificateSummaryList"]:
            if item["DomainName"] in scope.certificates:

                def store(snapshot: dict[str, Any], found: Any) -> None:
                    snapshot["certificates"].append(found["Certificate"])

                arguments = {"CertificateArn": item["CertificateArn"]}
                yield Read("acm", "describe_certificate", store, arguments)

    def others(snapshot: dict[str, Any], answer: Any) -> None:
        # Those that no declared name matches: enough is known of them to list them.
        found = answer["CertificateSummaryList"]
        snapshot["certificates"] += [item for item in found if item["DomainName"] not in scope.certificates]

    def configurations(answer: Any) -> Iterable[Read]:
        for item in answer.get("DistributionList", {}).get("Items") or []:
            aliases = set(item.get("Aliases", {}).get("Items") or [])
            if item["Id"] in scope.distributions or aliases & scope.aliases:
                store = _put_in("distribution_configs", item["Id"], lambda found: found["DistributionConfig"])
                yield Read("cloudfront", "get_distribution_config", store, {"Id": item["Id"]})

    if scope.certificates:
        # Without key types ACM lists RSA_1024 and RSA_2048 only.
        arguments = {"Includes": {"keyTypes": ["RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1"]}}
        yield Read("acm", "list_certificates", others, arguments, then=certificates)
    store = _put("distributions", "DistributionList", "Items")
    yield Read("cloudfront", "list_distributions", store, then=configurations)
    access = _put("access_controls", "OriginAccessControlList", "Items")
    yield Read("cloudfront", "list_origin_access_controls", access)


def _monitoring_reads(scope: Scope) -> Iterable[Read]:
    def topics(snapshot: dict[str, Any], answer: Any) -> None:
        snapshot["topics"] = sorted(item["TopicArn"] for item in answer["Topics"])

    def subscriptions(answer: Any) -> Iterable[Read]:
        for item in answer["Topics"]:
            if item["TopicArn"].rsplit(":", 1)[-1] in scope.topics:
                store = _put_in(
                    "subscriptions",
                    item["TopicArn"],
                    lambda found: found["Subscriptions"],
                )
                yield Read("sns", "list_subscriptions_by_topic", store, {"TopicArn": item["TopicArn"]})

    yield Read("sns", "list_topics", topics, then=subscriptions)
    yield Read("cloudwatch", "describe_alarms", _put("alarms", "MetricAlarms"), {"AlarmTypes": ["MetricAlarm"]})


def _reads(scope: Scope) -> Iterable[Read]:
    """Those that lead to further reads first."""
    yield from _compute_reads(scope)
    yield from _network_reads(scope)
    yield from _storage_reads(scope)
    yield from _dns_reads(scope)
    yield from _cdn_reads(scope)
    yield Read("iam", "list_roles", _put("role_list", "Roles"))
    yield Read("iam", "get_account_authorization_details", _put("roles", "RoleDetailList"), {"Filter": ["Role"]})
    yield from _monitoring_reads(scope)


def _call(client: Any, read: Read) -> Any:
    """The whole answer of a read, all pages of it; runs in a thread."""
    operation, _, single = read.operation.partition(":")
    try:
        if not single and client.can_paginate(operation):
            return client.get_paginator(operation).paginate(**read.arguments).build_full_result()
        return getattr(client, operation)(**read.arguments)
    except botocore.exceptions.ClientError as error:
        if error.response.get("Error", {}).get("Code") in read.absent:
            return {}
        raise explain(error, client) from error
    except botocore.exceptions.BotoCoreError as error:
        raise explain(error, client) from error


_EMPTY_LISTS = [
    "vpcs",
    "subnets",
    "internet_gateways",
    "route_tables",
    "network_acls",
    "security_groups",
    "instances",
    "volumes",
    "volume_modifications",
    "addresses",
    "key_pairs",
    "offerings",
    "buckets",
    "zones",
    "certificates",
    "distributions",
    "access_controls",
    "roles",
    "role_list",
    "topics",
    "alarms",
]
_EMPTY_MAPPINGS = [
    "vpc_attributes",
    "protection",
    "credits",
    "images",
    "bucket_configs",
    "records",
    "zone_servers",
    "domains",
    "distribution_configs",
    "subscriptions",
]


def empty() -> dict[str, Any]:
    """The snapshot of an account that holds nothing."""
    return {key: [] for key in _EMPTY_LISTS} | {key: {} for key in _EMPTY_MAPPINGS}


def account(clients: Clients) -> str:
    """The account (12 digits) that the credentials open."""
    return str(_call(clients["sts"], Read("sts", "get_caller_identity", lambda snapshot, answer: None))["Account"])


def observe(clients: Clients, scope: Scope) -> dict[str, Any]:
    """The snapshot: AWS's answers by subject, as ``empty`` names them. Raises PlatformError."""
    snapshot = empty()
    waiting = deque(_reads(scope))
    running: dict[Future[Any], Read] = {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        try:
            while waiting or running:
                # Clients are made here, in one thread, while the reads before are under way.
                while waiting and len(running) < PARALLEL:
                    read = waiting.popleft()
                    running[pool.submit(_call, clients[read.service], read)] = read
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    read = running.pop(future)
                    answer = future.result()
                    read.store(snapshot, answer)
                    waiting.extend(read.then(answer))
        except PlatformError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return snapshot
