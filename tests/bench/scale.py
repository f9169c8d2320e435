"""Many instances that exist: declared, built in the account, and known to Terraform's state."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.bench.sides import Playbooks, Side, Terraform, created, public_key
from tests.bench.terraform_config import label
from tests.support.local_aws import LocalAws
from tests.support.platform import declared

COUNTS = (5, 50, 200, 500)
#: the declared instance that the further ones are like
MODEL = "KOIN_STAGE"
_SUBNETS = (("BCSDLab-a", 0), ("BCSDLab-c", 32))


def variables(count: int) -> dict[str, Any]:
    """The declaration with `count` instances, and without alarms, of which each instance would bring four."""
    instances = dict(declared()["aws_compute_instances"])
    for number in range(count - len(instances)):
        subnet, third = _SUBNETS[number % 2]
        # From .1.0 of its subnet on, clear of the addresses that are declared.
        address = f"172.31.{third + 1 + number // 200}.{number % 200 + 10}"
        instances[f"SCALE_{number:04}"] = {
            "role": "STAGE",
            "subnet": subnet,
            "private_ip": address,
            # A host outside every Swarm, which the monitoring reaches.
            "security_groups": ["Web", "SSH", "Registry"],
            "profile": "koin-stage",
        }
    return {"aws_compute_instances": instances, "aws_monitoring_instance_alarms": {}}


def launch(aws: LocalAws, changed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Launch the declared instances that are not there, by plain boto3 calls; what EC2 answered, by Name."""
    ec2 = aws.client("ec2")
    subnets = {_named(item): item["SubnetId"] for item in ec2.describe_subnets()["Subnets"]}
    groups = {item["GroupName"]: item["GroupId"] for item in ec2.describe_security_groups()["SecurityGroups"]}
    there = {_named(item) for item in _instances(ec2)}
    launched = {}
    for action in created(public_key(aws), changed):
        if action.kind != "instance" or action.name in there:
            continue
        entry = action.entry
        metadata, root = entry["metadata"], entry["root_volume"]
        volume = {"VolumeType": root["type"], "VolumeSize": root["size"], "Encrypted": root["encrypted"]}
        image = aws.client("ssm").get_parameter(Name=entry["image_parameter"])["Parameter"]["Value"]
        answer = ec2.run_instances(
            MinCount=1,
            MaxCount=1,
            ImageId=image,
            InstanceType=entry["type"],
            KeyName=entry["key_pair"],
            SubnetId=subnets[entry["subnet"]],
            PrivateIpAddress=entry["private_ip"],
            SecurityGroupIds=[groups[group] for group in entry["security_groups"]],
            IamInstanceProfile={"Name": entry["profile"]},
            CreditSpecification={"CpuCredits": entry["cpu_credits"]},
            MetadataOptions={
                "HttpTokens": metadata["http_tokens"],
                "HttpEndpoint": metadata["http_endpoint"],
                "HttpPutResponseHopLimit": metadata["hop_limit"],
            },
            BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {**volume, "DeleteOnTermination": True}}],
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in entry["tags"].items()],
                }
            ],
        )
        launched[action.name] = {**answer["Instances"][0], "tags": entry["tags"]}
    return launched


def grow(side: Side, count: int) -> None:
    """Bring a side to `count` instances that are declared and exist."""
    changed = variables(count)
    side.variables(changed)
    launched = launch(side.aws, changed)
    if isinstance(side, Terraform) and launched:
        _learn(side, launched)


def _learn(side: Terraform, launched: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the new instances into the state after the model of one it made itself, and let a refresh correct them.

    Launching them with Terraform takes ten seconds for every ten; importing one by one, longer.
    """
    state = json.loads(side.state_file.read_text())
    model = next(item for item in state["resources"] if item["type"] == "aws_instance" and item["name"] == label(MODEL))
    for name, raw in launched.items():
        twin = json.loads(json.dumps(model))
        twin["name"] = label(name)
        attributes = twin["instances"][0]["attributes"]
        attributes |= {"id": raw["InstanceId"], "private_ip": raw["PrivateIpAddress"], "subnet_id": raw["SubnetId"]}
        attributes |= {"arn": attributes["arn"].rpartition("/")[0] + f"/{raw['InstanceId']}"}
        attributes |= {"tags": raw["tags"], "tags_all": raw["tags"]}
        state["resources"].append(twin)
    state["serial"] += 1
    side.state_file.write_text(json.dumps(state))
    side.refresh()


def _named(raw: Mapping[str, Any]) -> str:
    return next((tag["Value"] for tag in raw.get("Tags", []) if tag["Key"] == "Name"), "")


def _instances(ec2: Any) -> Iterable[dict[str, Any]]:
    for page in ec2.get_paginator("describe_instances").paginate():
        for reservation in page["Reservations"]:
            yield from reservation["Instances"]


def slope(times: Mapping[int, float]) -> float:
    """Seconds for every hundred instances: least squares over (count, seconds)."""
    middle = sum(times) / len(times)
    mean = sum(times.values()) / len(times)
    over = sum((count - middle) * (seconds - mean) for count, seconds in times.items())
    return 100 * over / sum((count - middle) ** 2 for count in times)


def bend(times: Mapping[int, float]) -> float | None:
    """Slope from 200 to 500 over slope from 50 to 200: 1 is linear, more grows faster. None without those counts."""
    if not {50, 200, 500} <= times.keys() or times[200] <= times[50]:
        return None
    return ((times[500] - times[200]) / 300) / ((times[200] - times[50]) / 150)


def build(side: Playbooks | Terraform) -> None:
    """The declared platform in an empty account, without alarms."""
    side.reset()
    side.variables(variables(0))
    side.apply(nothing=False)
