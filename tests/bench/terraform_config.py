"""The declared platform as a Terraform configuration: the same resources with the same settings.

Made from the platform's own plan for an account that holds nothing, so neither side is given more to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.platform.engine.model import Action

Block = dict[str, Any]

_SERVICES = ("acm", "cloudfront", "cloudtrail", "cloudwatch", "ec2", "iam", "route53", "s3", "sns", "ssm", "sts")
_CLOUDFRONT_ZONE = "Z2FDTNDATAQYW2"
_TOKEN = re.compile(r"\$\{([a-z0-9_]+):([^:}]+):([a-z0-9_]+)\}")
#: kind -> Terraform's type of the resource that others refer to
_TYPES = {
    "distribution": "aws_cloudfront_distribution",
    "elastic_ip": "aws_eip",
    "iam_boundary": "aws_iam_policy",
    "instance": "aws_instance",
    "topic": "aws_sns_topic",
}
_NUMBERS = {"all": "-1", "esp": "50"}


def label(name: str) -> str:
    """A resource name that Terraform takes."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _at(kind: str, name: str, attribute: str = "id") -> str:
    return f"${{{kind}.{label(name)}.{attribute}}}"


def _translated(value: Any) -> Any:
    """The plan's references as Terraform's."""
    if isinstance(value, str):
        return _TOKEN.sub(lambda m: _at(_TYPES[m[1]], m[2], m[3]), value)
    if isinstance(value, dict):
        return {key: _translated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_translated(item) for item in value]
    return value


def providers(endpoint: str, region: str) -> Block:
    """The AWS provider, pointed at the local AWS and nowhere else; CloudFront's certificates are in us-east-1."""
    common = {
        "access_key": "rehearsal",
        "secret_key": "rehearsal",
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
        "skip_requesting_account_id": False,
        "skip_region_validation": True,
        "s3_use_path_style": True,
        "endpoints": [dict.fromkeys(_SERVICES, endpoint)],
    }
    return {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 5.0, < 7.0"}}},
        "provider": {"aws": [{**common, "region": region}, {**common, "region": "us-east-1", "alias": "global"}]},
    }


def resources(actions: Iterable[Action]) -> Block:
    """`resource` and `data` blocks of every resource that the plan creates."""
    made: dict[str, dict[str, Block]] = {}
    data: dict[str, Block] = {}
    actions = list(actions)
    zones = [action.name for action in actions if action.kind == "zone"]
    for action in actions:
        name, entry = action.name, _translated(action.entry)
        if action.kind == "certificate_validation":
            entry["zone"] = max((zone for zone in zones if f".{entry['domain']}".endswith(f".{zone}")), key=len)
        for kind, key, block in _WRITERS[action.kind](name, entry):
            made.setdefault(kind, {})[label(key)] = block
        if action.kind == "instance":
            data[entry["architecture"]] = {"name": entry["image_parameter"]}
    return {"resource": made, "data": {"aws_ssm_parameter": data}}


Written = Iterable[tuple[str, str, Block]]


def _vpc(name: str, entry: Mapping[str, Any]) -> Written:
    block = {"cidr_block": entry["cidr"], "tags": entry["tags"]}
    block |= {"enable_dns_support": entry["dns_support"], "enable_dns_hostnames": entry["dns_hostnames"]}
    yield "aws_vpc", name, block


def _internet_gateway(name: str, entry: Mapping[str, Any]) -> Written:
    yield "aws_internet_gateway", name, {"vpc_id": _at("aws_vpc", entry["vpc"]), "tags": entry["tags"]}


def _subnet(name: str, entry: Mapping[str, Any]) -> Written:
    yield (
        "aws_subnet",
        name,
        {
            "vpc_id": _at("aws_vpc", entry["vpc"]),
            "cidr_block": entry["cidr"],
            "availability_zone": entry["zone"],
            "map_public_ip_on_launch": entry["map_public_ip"],
            "tags": entry["tags"],
        },
    )


def _route_table(name: str, entry: Mapping[str, Any]) -> Written:
    yield "aws_route_table", name, {"vpc_id": _at("aws_vpc", entry["vpc"]), "tags": entry["tags"]}
    table = _at("aws_route_table", name)
    for cidr, route in entry["routes"].items():
        gateway = _at("aws_internet_gateway", route["internet_gateway"])
        block = {"route_table_id": table, "destination_cidr_block": cidr, "gateway_id": gateway}
        yield "aws_route", f"{name}-{label('to-' + cidr)}", block
    for subnet in entry["subnets"]:
        block = {"route_table_id": table, "subnet_id": _at("aws_subnet", subnet)}
        yield "aws_route_table_association", subnet, block


def _network_acl(name: str, entry: Mapping[str, Any]) -> Written:
    def rules(direction: str) -> list[Block]:
        return [
            {
                "rule_no": int(number),
                "protocol": _NUMBERS.get(rule["protocol"], rule["protocol"]),
                "action": rule["action"],
                "cidr_block": rule["cidr"],
                "from_port": 0,
                "to_port": 0,
                "icmp_code": 0,
                "icmp_type": 0,
                "ipv6_cidr_block": None,
            }
            for number, rule in entry[direction].items()
        ]

    yield (
        "aws_network_acl",
        name,
        {
            "vpc_id": _at("aws_vpc", entry["vpc"]),
            "subnet_ids": [_at("aws_subnet", subnet) for subnet in entry["subnets"]],
            "ingress": rules("ingress"),
            "egress": rules("egress"),
            "tags": entry["tags"],
        },
    )


def _security_group(name: str, entry: Mapping[str, Any]) -> Written:
    def rules(direction: str) -> list[Block]:
        return [
            {
                "description": "",
                "protocol": _NUMBERS.get(rule["protocol"], rule["protocol"]),
                "from_port": rule.get("port", 0),
                "to_port": rule.get("to_port", rule.get("port", 0)),
                "cidr_blocks": rule.get("cidrs", []),
                "security_groups": [
                    _at("aws_security_group", group) for group in rule.get("groups", []) if group != name
                ],
                "self": name in rule.get("groups", []),
                "ipv6_cidr_blocks": [],
                "prefix_list_ids": [],
            }
            for rule in entry[direction].values()
        ]

    yield (
        "aws_security_group",
        name,
        {
            "name": name,
            "description": entry["description"],
            "vpc_id": _at("aws_vpc", entry["vpc"]),
            "ingress": rules("ingress"),
            "egress": rules("egress"),
            "tags": entry["tags"],
        },
    )


def _key_pair(name: str, entry: Mapping[str, Any]) -> Written:
    yield "aws_key_pair", name, {"key_name": name, "public_key": entry["public_key"], "tags": entry["tags"]}


def _instance(name: str, entry: Mapping[str, Any]) -> Written:
    metadata, root = entry["metadata"], entry["root_volume"]
    block: Block = {
        "ami": f"${{data.aws_ssm_parameter.{entry['architecture']}.insecure_value}}",
        "instance_type": entry["type"],
        "subnet_id": _at("aws_subnet", entry["subnet"]),
        "private_ip": entry["private_ip"],
        "vpc_security_group_ids": [_at("aws_security_group", group) for group in entry["security_groups"]],
        "iam_instance_profile": _at("aws_iam_instance_profile", entry["profile"], "name"),
        "key_name": _at("aws_key_pair", entry["key_pair"], "key_name"),
        "credit_specification": [{"cpu_credits": entry["cpu_credits"]}],
        "metadata_options": [
            {
                "http_tokens": metadata["http_tokens"],
                "http_endpoint": metadata["http_endpoint"],
                "http_put_response_hop_limit": metadata["hop_limit"],
            }
        ],
        "root_block_device": [
            {"volume_type": root["type"], "volume_size": root["size"], "encrypted": root["encrypted"]}
        ],
        "tags": entry["tags"],
    }
    if "termination_protection" in entry:
        block["disable_api_termination"] = entry["termination_protection"]
    yield "aws_instance", name, block


def _elastic_ip(name: str, entry: Mapping[str, Any]) -> Written:
    # The declared address is not in an empty account: both sides are given another one.
    yield "aws_eip", name, {"instance": _at("aws_instance", entry["instance"]), "domain": "vpc", "tags": entry["tags"]}


def _zone(name: str, entry: Mapping[str, Any]) -> Written:
    yield "aws_route53_zone", name, {"name": name}


def _record(name: str, entry: Mapping[str, Any]) -> Written:
    zone = _at("aws_route53_zone", entry["zone"], "zone_id")
    block: Block = {"zone_id": zone, "name": entry["name"], "type": entry["type"]}
    if "alias" in entry:
        target = {"name": entry["alias"], "zone_id": _CLOUDFRONT_ZONE, "evaluate_target_health": False}
        yield "aws_route53_record", name, {**block, "alias": [target]}
    else:
        yield "aws_route53_record", name, {**block, "ttl": entry["ttl"], "records": entry["values"]}


def _certificate(name: str, entry: Mapping[str, Any]) -> Written:
    block = {"provider": "aws.global", "domain_name": entry["domain"], "validation_method": "DNS"}
    yield "aws_acm_certificate", name, {**block, "subject_alternative_names": entry["alternative_names"]}


def _certificate_validation(name: str, entry: Mapping[str, Any]) -> Written:
    # A domain and its wildcard are proven by one record.
    option = f"tolist(aws_acm_certificate.{label(name)}.domain_validation_options)[0].resource_record"
    record = {
        "zone_id": _at("aws_route53_zone", entry["zone"], "zone_id"),
        "name": f"${{{option}_name}}",
        "type": f"${{{option}_type}}",
        "records": [f"${{{option}_value}}"],
        "ttl": 300,
    }
    yield "aws_route53_record", f"validation-{name}", record
    validation = {
        "provider": "aws.global",
        "certificate_arn": _at("aws_acm_certificate", name, "arn"),
        "validation_record_fqdns": [_at("aws_route53_record", f"validation-{name}", "fqdn")],
    }
    yield "aws_acm_certificate_validation", name, validation


def _origin_access_control(name: str, entry: Mapping[str, Any]) -> Written:
    block = {"name": name, "description": entry["description"], "origin_access_control_origin_type": "s3"}
    yield (
        "aws_cloudfront_origin_access_control",
        name,
        {**block, "signing_behavior": "always", "signing_protocol": "sigv4"},
    )


def _distribution(name: str, entry: Mapping[str, Any]) -> Written:
    certificate = _at("aws_acm_certificate_validation", entry["certificate"], "certificate_arn")
    yield (
        "aws_cloudfront_distribution",
        name,
        {
            "comment": name,
            "enabled": entry["enabled"],
            "is_ipv6_enabled": entry["ipv6"],
            "http_version": entry["http_version"],
            "price_class": entry["price_class"],
            "default_root_object": entry["default_root_object"],
            "aliases": entry["aliases"],
            "origin": [
                {
                    "origin_id": name,
                    "domain_name": entry["origin_domain"],
                    "origin_access_control_id": _at("aws_cloudfront_origin_access_control", name),
                }
            ],
            "default_cache_behavior": [
                {
                    "target_origin_id": name,
                    "allowed_methods": ["GET", "HEAD"],
                    "cached_methods": ["GET", "HEAD"],
                    "viewer_protocol_policy": entry["viewer_protocol"],
                    "compress": entry["compress"],
                    "cache_policy_id": entry["cache_policy"],
                    "response_headers_policy_id": _at(
                        "aws_cloudfront_response_headers_policy", entry["headers_policy"]
                    ),
                }
            ],
            "restrictions": [{"geo_restriction": [{"restriction_type": "none"}]}],
            "viewer_certificate": [
                {
                    "acm_certificate_arn": certificate,
                    "ssl_support_method": "sni-only",
                    "minimum_protocol_version": entry["minimum_tls"],
                }
            ],
            # The playbooks do not wait for the edges either.
            "wait_for_deployment": False,
        },
    )


def _headers_policy(name: str, entry: Mapping[str, Any]) -> Written:
    own = {"override": True}
    headers = {
        "strict_transport_security": [
            {
                **own,
                "access_control_max_age_sec": entry["hsts_max_age"],
                "include_subdomains": entry["hsts_include_subdomains"],
                "preload": False,
            }
        ],
        "content_type_options": [own],
        "frame_options": [{**own, "frame_option": entry["frame_options"]}],
        "referrer_policy": [{**own, "referrer_policy": entry["referrer_policy"]}],
        "content_security_policy": [{**own, "content_security_policy": entry["content_security_policy"]}],
    }
    block = {"name": name, "comment": entry["description"], "security_headers_config": [headers]}
    yield "aws_cloudfront_response_headers_policy", name, block


def _account_settings(name: str, entry: Mapping[str, Any]) -> Written:
    # Without the public access block: S3 Control puts the account before the host, which leads nowhere here.
    yield "aws_ebs_encryption_by_default", name, {"enabled": entry["ebs_encryption"]}
    policy = entry["password_policy"]
    yield (
        "aws_iam_account_password_policy",
        name,
        {
            "minimum_password_length": policy["MinimumPasswordLength"],
            "require_lowercase_characters": policy["RequireLowercaseCharacters"],
            "require_uppercase_characters": policy["RequireUppercaseCharacters"],
            "require_numbers": policy["RequireNumbers"],
            "require_symbols": policy["RequireSymbols"],
            "allow_users_to_change_password": policy["AllowUsersToChangePassword"],
            "max_password_age": policy["MaxPasswordAge"],
            "password_reuse_prevention": policy["PasswordReusePrevention"],
        },
    )


def _trail(name: str, entry: Mapping[str, Any]) -> Written:
    yield (
        "aws_cloudtrail",
        name,
        {
            "name": name,
            # Its policy has to be there first.
            "s3_bucket_name": _at("aws_s3_bucket_policy", entry["bucket"], "bucket"),
            "is_multi_region_trail": entry["multi_region"],
            "include_global_service_events": entry["global_services"],
            "enable_log_file_validation": entry["log_file_validation"],
            "enable_logging": entry["logging"],
        },
    )


def _flow_log(name: str, entry: Mapping[str, Any]) -> Written:
    yield (
        "aws_flow_log",
        name,
        {
            "vpc_id": _at("aws_vpc", entry["vpc"]),
            "log_destination_type": "s3",
            "log_destination": f"arn:aws:s3:::{_at('aws_s3_bucket_policy', entry['bucket'], 'bucket')}",
            "traffic_type": entry["traffic"],
            "max_aggregation_interval": entry["interval"],
            "tags": entry["tags"],
        },
    )


def _bucket(name: str, entry: Mapping[str, Any]) -> Written:
    bucket = {"bucket": _at("aws_s3_bucket", name)}
    blocked = entry["block_public_access"]
    encryption = {"apply_server_side_encryption_by_default": [{"sse_algorithm": entry["encryption"]}]}
    yield "aws_s3_bucket", name, {"bucket": name, "tags": entry["tags"]}
    yield "aws_s3_bucket_versioning", name, {**bucket, "versioning_configuration": [{"status": "Enabled"}]}
    yield "aws_s3_bucket_server_side_encryption_configuration", name, {**bucket, "rule": [encryption]}
    yield (
        "aws_s3_bucket_public_access_block",
        name,
        {
            **bucket,
            "block_public_acls": blocked,
            "ignore_public_acls": blocked,
            "block_public_policy": blocked,
            "restrict_public_buckets": blocked,
        },
    )
    yield "aws_s3_bucket_ownership_controls", name, {**bucket, "rule": [{"object_ownership": entry["ownership"]}]}
    yield "aws_s3_bucket_policy", name, {**bucket, "policy": json.dumps(entry["policy"])}
    if entry.get("cors"):
        rules = [
            {
                "id": key,
                "allowed_methods": rule["methods"],
                "allowed_origins": rule["origins"],
                "allowed_headers": rule["headers"],
                "max_age_seconds": rule["max_age"],
            }
            for key, rule in entry["cors"].items()
        ]
        yield "aws_s3_bucket_cors_configuration", name, {**bucket, "cors_rule": rules}
    yield "aws_s3_bucket_lifecycle_configuration", name, {**bucket, "rule": _lifecycle(entry["lifecycle"])}
    for prefix in entry.get("prefixes", []):
        yield "aws_s3_object", f"{name}-{label(prefix)}", {**bucket, "key": prefix, "content": ""}


def _lifecycle(rules: Mapping[str, Mapping[str, Any]]) -> list[Block]:
    blocks = []
    for key, rule in rules.items():
        block: Block = {"id": key, "status": "Enabled", "filter": [{"prefix": rule.get("prefix", "")}]}
        if "noncurrent_days" in rule:
            block["noncurrent_version_expiration"] = [{"noncurrent_days": rule["noncurrent_days"]}]
        if "abort_multipart_days" in rule:
            days = rule["abort_multipart_days"]
            block["abort_incomplete_multipart_upload"] = [{"days_after_initiation": days}]
        if "expire_days" in rule:
            block["expiration"] = [{"days": rule["expire_days"]}]
        blocks.append(block)
    return blocks


def _iam_boundary(name: str, entry: Mapping[str, Any]) -> Written:
    content = {"name": name, "description": entry["description"], "policy": json.dumps(entry["policy"])}
    yield "aws_iam_policy", name, content


def _iam_role(name: str, entry: Mapping[str, Any]) -> Written:
    role = {"name": name, "description": entry["description"], "assume_role_policy": json.dumps(entry["trust"])}
    if "boundary_arn" in entry:
        role["permissions_boundary"] = entry["boundary_arn"]
    yield "aws_iam_role", name, role
    made = _at("aws_iam_role", name, "name")
    policy = {"name": entry["policy_name"], "role": made, "policy": json.dumps(entry["policy"])}
    yield "aws_iam_role_policy", name, policy
    yield "aws_iam_instance_profile", name, {"name": name, "role": made}


def _topic(name: str, entry: Mapping[str, Any]) -> Written:
    yield "aws_sns_topic", name, {"name": name}


def _alarm(name: str, entry: Mapping[str, Any]) -> Written:
    told = entry["parameters"]
    yield (
        "aws_cloudwatch_metric_alarm",
        name,
        {
            "alarm_name": name,
            "alarm_description": told["AlarmDescription"],
            "namespace": told["Namespace"],
            "metric_name": told["MetricName"],
            "dimensions": {item["Name"]: item["Value"] for item in told["Dimensions"]},
            "statistic": told["Statistic"],
            "comparison_operator": told["ComparisonOperator"],
            "threshold": told["Threshold"],
            "period": told["Period"],
            "evaluation_periods": told["EvaluationPeriods"],
            "treat_missing_data": told["TreatMissingData"],
            "alarm_actions": told["AlarmActions"],
            "ok_actions": told["OKActions"],
        },
    )


_WRITERS = {
    "vpc": _vpc,
    "internet_gateway": _internet_gateway,
    "subnet": _subnet,
    "route_table": _route_table,
    "network_acl": _network_acl,
    "security_group": _security_group,
    "key_pair": _key_pair,
    "instance": _instance,
    "elastic_ip": _elastic_ip,
    "zone": _zone,
    "record": _record,
    "certificate": _certificate,
    "certificate_validation": _certificate_validation,
    "origin_access_control": _origin_access_control,
    "headers_policy": _headers_policy,
    "distribution": _distribution,
    "bucket": _bucket,
    "account_settings": _account_settings,
    "trail": _trail,
    "flow_log": _flow_log,
    "iam_boundary": _iam_boundary,
    "iam_role": _iam_role,
    "topic": _topic,
    "alarm": _alarm,
}
