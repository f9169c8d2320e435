"""Replacement of a host: looks at the account, decides, and makes the calls that no role makes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import botocore.exceptions

from .declared_hosts import host_name
from .destruction import POLICY
from .engine.context import Context
from .engine.errors import PlatformError
from .engine.model import Plan
from .engine.schema import Specs
from .engine.session import Clients, explain
from .engine.workflow import plan_for
from .kinds import KINDS
from .kinds.compute import DATABASE
from .kinds.iam import appended_buckets
from .kinds.storage import VERIFIED
from .kinds.succession import FORMER, HANDED_OVER
from .replacement import Facts, Replacement, decide

#: kinds whose actions belong to the replaced host, if they bear its name
_OWN = ("instance", "elastic_ip", "alarm")


@dataclass(frozen=True)
class Replacer:
    """The account, and the declared host that is replaced there. confirm: raises when the lock is lost."""

    name: str
    context: Context
    plan: Plan
    clients: Clients
    confirm: Callable[[], None]

    @classmethod
    def look(
        cls,
        name: str,
        raw: Mapping[str, Any],
        specs: Specs,
        environment: Mapping[str, str],
        confirm: Callable[[], None],
    ) -> Replacer:
        """Observe the account and plan. Raises PlatformError."""
        found: list[Context] = []

        def keep(context: Context, plan: Plan) -> Plan:
            found.append(context)
            return plan

        plan = plan_for(raw, specs, environment, KINDS, review=keep)
        entries = found[0].declaration.entries("aws_compute_instances")
        declared = {host_name(entry): entry for entry in entries}
        if host_name(name) not in declared:
            raise PlatformError(f"`{name}` is not declared. Write one of {', '.join(declared)}.")
        clients = Clients(found[0].declaration.region, environment)
        return cls(declared[host_name(name)], found[0], plan, clients, confirm)

    @property
    def entry(self) -> Mapping[str, Any]:
        """What is declared of the host."""
        found: Mapping[str, Any] = self.context.declaration.entries("aws_compute_instances")[self.name]
        return found

    @property
    def kept(self) -> bool:
        """Whether its name has to be typed."""
        roles: Collection[str] = self.context.declaration.value("aws_compute_kept_roles", ())
        return self.entry["role"] in roles

    def decide(self, without: Collection[str] = ()) -> Replacement:
        """The next step."""
        subnet = self.context.declaration.entries("aws_network_subnets")[self.entry["subnet"]]["cidr"]
        own = {f"{action.kind} {action.name}" for action in self.plan.writes if self._own(action.kind, action.name)}
        others = [f"{action.kind} {action.name}" for action in self.plan.writes]
        facts = Facts(
            self.name,
            self.context.declaration.entries("aws_compute_instances"),
            self.context.observation["instances"],
            subnet,
            self._held(),
            self._verified(),
            without,
            [text for text in others if text not in own],
        )
        return decide(facts, datetime.now(UTC))

    def _own(self, kind: str, name: str) -> bool:
        return kind in _OWN and (name == self.name or name.startswith(f"{self.name} "))

    def _held(self) -> set[str]:
        """The private addresses that are in use in the subnet of the new host."""
        subnet = self.context.id("subnet", self.entry["subnet"])
        if subnet is None:
            return set()
        pages = self.clients["ec2"].get_paginator("describe_network_interfaces")
        filters = [{"Name": "subnet-id", "Values": [subnet]}]
        found = self._asked(lambda: pages.paginate(Filters=filters).build_full_result())["NetworkInterfaces"]
        own = {item["PrivateIpAddress"] for item in found if item.get("PrivateIpAddress")}
        more = {address["PrivateIpAddress"] for item in found for address in item.get("PrivateIpAddresses", [])}
        return own | more

    def _verified(self) -> datetime | None:
        """When a backup of its data was last proved to be restorable."""
        if DATABASE not in self.entry.get("functions", ()):
            return None
        roles = self.context.declaration.entries("aws_iam_roles")
        buckets = appended_buckets(roles.get(self.entry.get("profile") or "", {}))
        proofs = [proof for bucket in buckets for proof in self._proofs(bucket)]
        return max((item["LastModified"] for item in proofs), default=None)

    def _proofs(self, bucket: str) -> list[dict[str, Any]]:
        answer = self._asked(lambda: self.clients["s3"].list_objects_v2(Bucket=bucket, Prefix=VERIFIED))
        return list(answer.get("Contents", []))

    # --- What is written ----------------------------------------------------------------------------------------------

    def rename(self, current: Mapping[str, Any]) -> None:
        """Give the name away: the instance goes on, and keeps its address."""
        self._write("create_tags", Resources=[current["InstanceId"]], Tags=[_tag("Name", self.name + FORMER)])

    def hand_over(self, current: Mapping[str, Any], former: Mapping[str, Any]) -> None:
        """Move the elastic IP, and mark the former instance: from here on everything counts the new one as the host."""
        address = self.context.found("elastic_ip", self.name)
        if address and address.raw.get("InstanceId") != current["InstanceId"]:
            interface = self.context.registry["instance"][self.name]["interface"]
            target = {"NetworkInterfaceId": interface} if interface else {"InstanceId": current["InstanceId"]}
            self._write("associate_address", AllocationId=address.id, AllowReassociation=True, **target)
        self._write("create_tags", Resources=[former["InstanceId"]], Tags=[_tag(HANDED_OVER, "true")])

    def stop(self, former: Mapping[str, Any]) -> None:
        """Shut the former instance down; its disk stays."""
        self._write("stop_instances", InstanceIds=[former["InstanceId"]])

    def terminate(self, former: Mapping[str, Any]) -> None:
        """Delete the former instance with its disk."""
        self._write("terminate_instances", InstanceIds=[former["InstanceId"]])

    def protected(self, former: Mapping[str, Any]) -> bool:
        """Whether EC2 would refuse to terminate it."""
        ec2, asked = self.clients["ec2"], {"InstanceId": former["InstanceId"], "Attribute": "disableApiTermination"}
        answer = self._asked(lambda: ec2.describe_instance_attribute(**asked))
        return bool(answer["DisableApiTermination"]["Value"])

    def _write(self, operation: str, **arguments: Any) -> None:
        self.confirm()
        self._asked(lambda: getattr(self.clients["ec2"], operation)(**arguments))

    def _asked(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            told = explain(error, self.clients["ec2"])
            if "ec2:TerminateInstances" in str(told):
                told = PlatformError(f"{told}\nOperators may not delete: somebody with {POLICY} beside it may.")
            raise told from error


def _tag(key: str, value: str) -> dict[str, str]:
    return {"Key": key, "Value": value}
