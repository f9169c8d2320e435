"""Ask the local AWS what instances and subnets there are."""

from __future__ import annotations

import base64
from typing import Any

from rehearsal.aws import control
from rehearsal.aws.state import State

from .errors import LocalHostsError
from .fleet import Fleet, fleet


def observe(state: State) -> Fleet:
    """The fleet of the local AWS; does not send requests to a listener that is not ours."""
    running, text = control.status(state)
    if not running:
        raise LocalHostsError(f"{text}: start and provision it first (`make rehearse`)")
    # Imported here: commands that need no AWS save the third of a second that it takes.
    from rehearsal.aws.client import client

    ec2 = client(state, "ec2")
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
