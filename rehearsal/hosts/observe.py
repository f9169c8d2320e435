"""Ask the local AWS what instances and subnets there are."""

from __future__ import annotations

import base64
from typing import Any

from rehearsal.aws import control
from rehearsal.aws.state import REGION, State

from .errors import LocalHostsError
from .fleet import Fleet, fleet


def observe(state: State) -> Fleet:
    """The fleet of the local AWS; does not send requests to a listener that is not ours."""
    running, text = control.status(state)
    if not running:
        raise LocalHostsError(f"{text}: start and provision it first (`make rehearse`)")
    ec2 = _client(state)
    pages = ec2.get_paginator("describe_instances").paginate()
    instances = [item for page in pages for group in page["Reservations"] for item in group["Instances"]]
    alive = [item["InstanceId"] for item in instances if item["State"]["Name"] not in ("terminated", "shutting-down")]
    return fleet(
        instances,
        ec2.describe_subnets()["Subnets"],
        ec2.describe_vpcs()["Vpcs"],
        {instance_id: _user_data(ec2, instance_id) for instance_id in alive},
    )


def _user_data(ec2: Any, instance_id: str) -> str:
    answer = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
    return base64.b64decode(answer.get("UserData", {}).get("Value", "")).decode(errors="replace")


def _client(state: State) -> Any:
    # Imported here: commands that need no AWS save the third of a second that it takes.
    import boto3
    from botocore.config import Config

    own = state.environ()
    return boto3.session.Session().client(
        "ec2",
        region_name=REGION,
        endpoint_url=state.endpoint,
        aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
        # Loopback must not go through the shell's proxy.
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )
