"""The SNS topic and the alarms of every instance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..engine import formats
from ..engine.access import Detail, Read, Removal, Requests, Write, at
from ..engine.context import Context
from ..engine.cost import Usage
from ..engine.declaration import Declaration
from ..engine.errors import Problem, UndeclarableError
from ..engine.model import Desired, Fields, Live
from ..engine.refs import ref
from .base import Goes, Kind, Observation, only


def _name_of(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]


def _subscriptions(declaration: Declaration, answer: Any) -> Requests:
    names = declaration.entries("aws_monitoring_topics")
    for item in answer["Topics"]:
        if _name_of(item["TopicArn"]) in names:
            yield (item["TopicArn"],), {"TopicArn": item["TopicArn"]}


class Topic(Kind):
    """Recognised by its name."""

    name = "topic"
    role = "aws_monitoring"
    service = "sns"
    variable = "aws_monitoring_topics"
    entry_point = "topic"
    shapes = {
        "": formats.text(r"[A-Za-z0-9_-]+", "the name of a topic", "write letters, digits, `-` and `_`", 256),
        "emails": formats.mail,
    }
    offers = ("id", "arn")
    reads = (
        Read(
            service="sns",
            operation="list_topics",
            into="topics",
            value=lambda answer: sorted(item["TopicArn"] for item in answer.get("Topics", [])),
            then=(
                Detail(
                    service="sns",
                    operation="list_subscriptions_by_topic",
                    into="subscriptions",
                    each=_subscriptions,
                    value=at("Subscriptions"),
                ),
            ),
        ),
    )
    # sns:Unsubscribe names no resource, so the policy cannot be narrowed to the topics.
    writes = (
        Write("sns:CreateTopic", creates=True),
        Write("sns:Subscribe", ("emails",)),
        Write("sns:Unsubscribe", ("emails",)),
    )
    module_reads = ("sns:Get*", "sns:List*")
    removes = ("sns:DeleteTopic",)

    def kept(self, want: Desired, live: Live, context: Context, goes: Goes) -> Iterable[str]:
        others = [f"{item['protocol']} {item['endpoint']}" for item in live.attributes["other_subscriptions"]]
        if others:
            yield f"it has subscriptions that nobody declares: {', '.join(others)}"
        actions = ("AlarmActions", "OKActions", "InsufficientDataActions")
        users = [
            raw["AlarmName"]
            for raw in context.observation["alarms"]
            if any(live.id in raw.get(key, []) for key in actions) and not goes(Alarm.name, raw["AlarmName"])
        ]
        if users:
            yield f"alarm {', '.join(users)} notifies it"

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield Removal(service="sns", operation="delete_topic", arguments={"TopicArn": live.id})

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        for name, entry in declaration.entries(self.variable).items():
            fields: Fields = {"emails": sorted(entry["emails"])} if "emails" in entry else {}
            yield Desired(name, entry, fields)

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        for arn in observation["topics"]:
            subscriptions = observation["subscriptions"].get(arn, [])
            others = [
                {"protocol": item["Protocol"], "endpoint": item["Endpoint"]}
                for item in subscriptions
                if item["Protocol"] != "email"
            ]
            attributes = {"id": arn, "arn": arn, "other_subscriptions": others}
            # Topics belong to many systems of an account; none is reported as unmanaged.
            yield Live(arn, _name_of(arn), {"subscriptions": subscriptions}, attributes, listed=False)

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return only(self.name, want.name, [item for item in live if item.label == want.name])

    def entry_name(self, live: Live, context: Context) -> str:
        return live.label

    def fields(self, live: Live, context: Context) -> Fields:
        declared = context.declaration.entries(self.variable).get(live.label, {}).get("emails", [])
        return {
            "emails": sorted(
                item["Endpoint"]
                for item in live.raw["subscriptions"]
                # An unconfirmed subscription cannot be removed; it expires by itself.
                if item["Protocol"] == "email"
                and (item["SubscriptionArn"].startswith("arn:") or item["Endpoint"] in declared)
                and item["SubscriptionArn"] != "Deleted"
            )
        }

    def billed(self, name: str, fields: Fields, live: Live | None, context: Context) -> Iterable[Usage]:
        yield Usage("mails of SNS", quantity=None)


_DAY = 86400
#: fields that nothing declares: what is declared takes their place
_FIXED: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    (
        "actions_enabled",
        "datapoints_to_alarm",
        "unit",
        "extended_statistic",
        "low_samples",
        "metrics",
        "threshold_metric",
    ),
    (),
)


def _period(where: str, value: Any) -> Iterator[Problem]:
    """A period that CloudWatch accepts."""
    if isinstance(value, int) and value not in (10, 20, 30) and (value < 60 or value % 60 or value > _DAY):
        fix = "write seconds: 10, 20, 30 or a multiple of 60"
        yield Problem(where, f"{value} is not a period of CloudWatch", fix)


#: fields that a declared alarm does not have -> what CloudWatch calls them
_OTHERWISE = {
    "extended_statistic": "ExtendedStatistic",
    "low_samples": "EvaluateLowSampleCountPercentile",
    "metrics": "Metrics",
    "threshold_metric": "ThresholdMetricId",
}


def _other_metric(raw: Mapping[str, Any], wanted: Fields) -> bool:
    """Whether an alarm watches another metric than the declared one; the unit of that one would never come."""
    return (raw.get("Namespace"), raw.get("MetricName")) != (wanted.get("namespace"), wanted.get("metric"))


def _text(value: Any) -> str | None:
    """A setting as CloudWatch's API has it."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True) if value else None


class Alarm(Kind):
    """Recognised by its name, ``<instance> <alarm>``."""

    name = "alarm"
    role = "aws_monitoring"
    service = "cloudwatch"
    variable = "aws_monitoring_instance_alarms"
    entry_point = "alarm"
    refers = {"topic": "topic"}
    said_by = {"alarm_actions": ("topic",), "ok_actions": ("topic",), **_FIXED}
    shapes = {
        "": formats.text(r"[A-Za-z0-9][ -~]*", "the name of an alarm", "write letters, digits and `-`", 128),
        "namespace": formats.text(
            r"(?!:)[A-Za-z0-9._/#: -]+", "a namespace of CloudWatch", "write one like AWS/EC2", 255
        ),
        "metric": formats.text(r"[ -~]+", "the name of a metric", "write one like CPUUtilization", 255),
        "threshold": formats.finite,
        "period": _period,
        "evaluation_periods": formats.number(1, 100000, "a number of periods", "write 1 or more"),
    }
    offers = ("id", "arn")
    reads = (
        Read(
            service="cloudwatch",
            operation="describe_alarms",
            into="alarms",
            value=lambda answer: [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])],
            arguments={"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]},
        ),
    )
    writes = (Write("cloudwatch:PutMetricAlarm", operations=("monitoring:PutMetricAlarm",)),)
    module_reads = ("cloudwatch:Describe*",)
    removes = ("cloudwatch:DeleteAlarms",)

    def belongs_to(self, want: Desired, context: Context) -> tuple[str, str] | None:
        hosts = context.declaration.entries("aws_compute_instances")
        return next((("instance", host) for host in hosts if want.fields["dimensions"] and _is_of(want, host)), None)

    def removal(self, want: Desired, live: Live, context: Context) -> Iterable[Removal]:
        yield Removal(service="cloudwatch", operation="delete_alarms", arguments={"AlarmNames": [want.name]})

    def check(self, declaration: Declaration) -> Iterable[Problem]:
        for name, entry in declaration.entries(self.variable).items():
            where, period = f"{self.variable}.{name}", entry["period"]
            longest = 7 * _DAY if period >= 3600 else _DAY
            if not list(_period("", period)) and period * entry["evaluation_periods"] > longest:
                what = f"looks back over {period * entry['evaluation_periods']} seconds, CloudWatch allows {longest}"
                fix = f"write at most {longest // period} periods of {period} seconds"
                yield Problem(f"{where}.evaluation_periods", what, fix)
            if "InstanceId" in entry["dimensions"]:
                yield Problem(f"{where}.dimensions.InstanceId", "is set automatically for each instance", "remove it")
            # Only high-resolution custom metrics have shorter periods.
            if entry["namespace"].startswith("AWS/") and period in (10, 30):
                yield Problem(f"{where}.period", f"AWS metrics come every 60 seconds, not {period}", "write 60 or more")

    def check_account(self, declaration: Declaration, observation: Observation) -> Iterable[Problem]:
        """A composite alarm has a name for itself: CloudWatch refuses a metric alarm of that name."""
        composite = {raw["AlarmName"] for raw in observation["alarms"] if "AlarmRule" in raw}
        for want in self.desired(declaration):
            if want.name in composite:
                fix = "rename it in the account, or the alarm in the declaration"
                yield Problem(f"alarm {want.name}", "the account has a composite alarm of that name", fix)

    def desired(self, declaration: Declaration) -> Iterable[Desired]:
        templates = declaration.entries(self.variable)
        for instance in declaration.entries("aws_compute_instances"):
            for key, entry in templates.items():
                dimensions = {"InstanceId": ref("instance", instance), **entry["dimensions"]}
                # Built from known parts, so that a recreated topic changes no alarm.
                actions = [f"arn:aws:sns:{declaration.region}:{declaration.account}:{entry['topic']}"]
                fields: Fields = {
                    "description": entry["description"],
                    "namespace": entry["namespace"],
                    "metric": entry["metric"],
                    "dimensions": sorted(f"{name}={value}" for name, value in dimensions.items()),
                    "statistic": entry["statistic"],
                    "comparison": entry["comparison"],
                    "threshold": float(entry["threshold"]),
                    "period": entry["period"],
                    "evaluation_periods": entry["evaluation_periods"],
                    "missing_data": entry["missing_data"],
                    "alarm_actions": actions,
                    "ok_actions": actions,
                    # Compared, so that an alarm muted by hand is shown, and not unmuted along with another change.
                    "actions_enabled": True,
                    # Other ways to say when an alarm fires; the declared one takes their place.
                    **dict.fromkeys(_OTHERWISE),
                }
                name = f"{instance} {key}"
                parameters = {
                    "AlarmName": name,
                    "AlarmDescription": entry["description"],
                    "ActionsEnabled": True,
                    "AlarmActions": actions,
                    "OKActions": actions,
                    "Namespace": entry["namespace"],
                    "MetricName": entry["metric"],
                    "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                    "Statistic": entry["statistic"],
                    "ComparisonOperator": entry["comparison"],
                    "Threshold": float(entry["threshold"]),
                    "Period": entry["period"],
                    "EvaluationPeriods": entry["evaluation_periods"],
                    "TreatMissingData": entry["missing_data"],
                }
                yield Desired(name, {**entry, "parameters": parameters}, fields)

    def settled(self, want: Desired, context: Context) -> Desired:
        """An alarm keeps its number of datapoints, unless it is larger than the declared number of periods.

        It keeps its unit, unless that is the unit of another metric.
        """
        periods = want.entry["evaluation_periods"]
        for item in context.live[self.name]:
            if item.id != want.name:
                continue
            if item.raw.get("DatapointsToAlarm", 0) > periods:
                parameters = want.entry["parameters"] | {"DatapointsToAlarm": periods}
                fields = want.fields | {"datapoints_to_alarm": periods}
                want = replace(want, entry=want.entry | {"parameters": parameters}, fields=fields)
            if _other_metric(item.raw, want.fields):
                want = replace(want, fields=want.fields | {"unit": None})
        return want

    def live(self, observation: Observation, context: Context) -> Iterable[Live]:
        declared = {want.name: want.fields for want in self.desired(context.declaration)}
        for raw in observation["alarms"]:
            arn, name = raw["AlarmArn"], raw["AlarmName"]
            # Undeclared settings, because an alarm is written as a whole.
            keys = ["InsufficientDataActions", "DatapointsToAlarm"]
            keys += [] if _other_metric(raw, declared.get(name, {})) else ["Unit"]
            kept = {key: raw[key] for key in keys if raw.get(key)}
            yield Live(name, name, dict(raw), {"id": name, "arn": arn, "kept": kept})

    def match(self, want: Desired, live: Sequence[Live], context: Context) -> Live | None:
        return next((item for item in live if item.id == want.name), None)

    def fields(self, live: Live, context: Context) -> Fields:
        raw = live.raw
        return {
            "description": raw.get("AlarmDescription", ""),
            "namespace": raw.get("Namespace"),
            "metric": raw.get("MetricName"),
            "dimensions": sorted(f"{item['Name']}={item['Value']}" for item in raw.get("Dimensions", [])),
            "statistic": raw.get("Statistic"),
            "comparison": raw.get("ComparisonOperator"),
            "threshold": raw.get("Threshold"),
            "period": raw.get("Period"),
            "evaluation_periods": raw.get("EvaluationPeriods"),
            "missing_data": raw.get("TreatMissingData", "missing"),
            "alarm_actions": sorted(raw.get("AlarmActions", [])),
            "ok_actions": sorted(raw.get("OKActions", [])),
            "actions_enabled": raw.get("ActionsEnabled", True),
            "datapoints_to_alarm": raw.get("DatapointsToAlarm"),
            "unit": raw.get("Unit"),
            **{field: _text(raw.get(key)) for field, key in _OTHERWISE.items()},
        }

    def billed(self, name: str, fields: Fields, live: Live | None, context: Context) -> Iterable[Usage]:
        yield Usage("CloudWatch alarm")

    def declared_at(self, name: str, live: Live, context: Context) -> tuple[str, ...]:
        """One entry is the alarm of every instance, so that an alarm is declared only if all instances have it."""
        hosts = context.declaration.entries("aws_compute_instances")
        fitting = [host for host in hosts if name.startswith(f"{host} ")]
        if not fitting:
            raise UndeclarableError("declared alarms are those of instances: `<declared instance> <alarm>`")
        host = max(fitting, key=len)
        key = name.removeprefix(f"{host} ")
        return (self.variable, key)

    def said(self, name: str, live: Live, context: Context) -> Fields:
        key = self.declared_at(name, live, context)[-1]
        hosts = context.declaration.entries("aws_compute_instances")
        host = name.removesuffix(f" {key}")
        said = _of_one(live.raw)
        others = {item.id: item for item in context.live[self.name]}
        for other in hosts:
            found = others.get(f"{other} {key}")
            if other != host and (found is None or _of_one(found.raw) != said):
                what = "differs" if found else "does not exist"
                raise UndeclarableError(
                    f"an entry of {self.variable} is the alarm of every instance, and `{other} {key}` {what}"
                )
        if len(live.raw.get("AlarmActions", [])) != 1:
            raise UndeclarableError("it has not exactly one action, which is the topic that a declared alarm has")
        return said


def _of_one(raw: Mapping[str, Any]) -> Fields:
    """What an alarm says besides whose it is."""
    dimensions = {item["Name"]: item["Value"] for item in raw.get("Dimensions", [])}
    return {
        "description": raw.get("AlarmDescription", ""),
        "namespace": raw.get("Namespace"),
        "metric": raw.get("MetricName"),
        "dimensions": {name: value for name, value in sorted(dimensions.items()) if name != "InstanceId"},
        "statistic": raw.get("Statistic"),
        "comparison": raw.get("ComparisonOperator"),
        "threshold": raw.get("Threshold"),
        "period": raw.get("Period"),
        "evaluation_periods": raw.get("EvaluationPeriods"),
        "missing_data": raw.get("TreatMissingData", "missing"),
        "topic": next((_name_of(arn) for arn in raw.get("AlarmActions", [])), None),
    }


def _is_of(want: Desired, host: str) -> bool:
    return f"InstanceId={ref('instance', host)}" in want.fields["dimensions"]
