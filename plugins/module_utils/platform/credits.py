"""What is left of the CPU credits of burstable instances. The alarms watch them; this is for people who look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .engine.errors import PlatformError
from .engine.session import explain

#: what reading them takes, beside what planning reads
ACTIONS = ("cloudwatch:GetMetricData",)
#: EC2 writes a value every five minutes, and some minutes late
_PERIOD = 300
_BACK = timedelta(minutes=30)
#: instances in one call
_MOST = 500


@dataclass(frozen=True)
class Balances:
    """The newest balance by name, and why others are unknown; empty when none is."""

    known: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""


def balances(cloudwatch: Any, instances: Mapping[str, str], now: datetime) -> Balances:
    """The balances of instances: their ids by name. What cannot be read is unknown, and fails nothing."""
    names, found = sorted(instances), dict[str, float]()
    try:
        for begin in range(0, len(names), _MOST):
            some = names[begin : begin + _MOST]
            pages = cloudwatch.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[_query(number, instances[name]) for number, name in enumerate(some)],
                StartTime=now - _BACK,
                EndTime=now,
                ScanBy="TimestampDescending",
            )
            for page in pages:
                for result in page["MetricDataResults"]:
                    for value in result["Values"][:1]:
                        found.setdefault(some[int(result["Id"].removeprefix("m"))], float(value))
    except (BotoCoreError, ClientError) as error:
        return Balances(found, " ".join(str(explain(error, cloudwatch, ACTIONS[0])).split()))
    except (PlatformError, KeyError, ValueError, IndexError) as error:
        return Balances(found, " ".join(str(error).split()))
    silent = [name for name in names if name not in found]
    return Balances(found, f"CloudWatch has no value of the last 30 minutes for {', '.join(silent)}" if silent else "")


def _query(number: int, instance: str) -> dict[str, Any]:
    dimensions = [{"Name": "InstanceId", "Value": instance}]
    metric = {"Namespace": "AWS/EC2", "MetricName": "CPUCreditBalance", "Dimensions": dimensions}
    return {"Id": f"m{number}", "MetricStat": {"Metric": metric, "Period": _PERIOD, "Stat": "Average"}}
