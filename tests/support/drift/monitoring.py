"""Topics and alarms, changed and deleted behind the platform's back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .model import Account, Drift

ALARM = "KOIN_DB cpu-credits"


#: what an alarm is made of, of what describing one answers
ALARM_SETTINGS = (
    "AlarmName",
    "AlarmDescription",
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "ComparisonOperator",
    "Threshold",
    "Period",
    "EvaluationPeriods",
    "TreatMissingData",
    "AlarmActions",
    "OKActions",
    "InsufficientDataActions",
    "DatapointsToAlarm",
    "Unit",
)


def _alarm(**changed: Any) -> Callable[[Account], None]:
    def make(a: Account) -> None:
        client = a.aws.client("cloudwatch")
        alarm = client.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]
        client.put_metric_alarm(**{key: alarm[key] for key in ALARM_SETTINGS if key in alarm} | changed)

    return make


def _math(**changed: Any) -> Callable[[Account], None]:
    """An alarm that fires otherwise than by a statistic of one metric."""

    def make(a: Account) -> None:
        client = a.aws.client("cloudwatch")
        alarm = client.describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]
        kept = ("AlarmName", "AlarmDescription", "ComparisonOperator", "EvaluationPeriods", "TreatMissingData")
        client.put_metric_alarm(**{key: alarm[key] for key in kept} | changed)

    return make


_PERCENTILE = {"Namespace": "Other", "MetricName": "other", "Period": 60, "Threshold": 9.0, "ExtendedStatistic": "p99"}
_BAND = {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(m)", "ReturnData": True}
_METRIC = {"Id": "m", "MetricStat": {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}}

#: one for each field that is declared
DRIFTS = [
    Drift(
        "topic",
        "koin-alarms",
        "emails",
        lambda a: a.aws.client("sns").subscribe(
            TopicArn=a.id("topic", "koin-alarms"), Protocol="email", Endpoint="kim@example.com"
        ),
    ),
    Drift("alarm", ALARM, "description", _alarm(AlarmDescription="changed by hand")),
    # The unit of another metric would never come.
    Drift("alarm", ALARM, "namespace", _alarm(Namespace="Other"), also=("unit",)),
    Drift("alarm", ALARM, "metric", _alarm(MetricName="other")),
    Drift("alarm", ALARM, "dimensions", _alarm(Dimensions=[{"Name": "path", "Value": "/"}])),
    Drift("alarm", ALARM, "statistic", _alarm(Statistic="Average")),
    Drift("alarm", ALARM, "comparison", _alarm(ComparisonOperator="GreaterThanThreshold")),
    Drift("alarm", ALARM, "threshold", _alarm(Threshold=99.0)),
    Drift("alarm", ALARM, "period", _alarm(Period=60)),
    Drift("alarm", ALARM, "evaluation_periods", _alarm(EvaluationPeriods=9)),
    Drift("alarm", ALARM, "missing_data", _alarm(TreatMissingData="ignore")),
    Drift("alarm", ALARM, "alarm_actions", _alarm(AlarmActions=[])),
    Drift("alarm", ALARM, "ok_actions", _alarm(OKActions=[])),
    Drift(
        "alarm",
        ALARM,
        "actions_enabled",
        lambda a: a.aws.client("cloudwatch").disable_alarm_actions(AlarmNames=[ALARM]),
    ),
    Drift("alarm", ALARM, "extended_statistic", _math(**_PERCENTILE), overwrites=True),
    Drift(
        "alarm", ALARM, "low_samples", _math(**_PERCENTILE, EvaluateLowSampleCountPercentile="ignore"), overwrites=True
    ),
    Drift("alarm", ALARM, "metrics", _math(Metrics=[_METRIC, _BAND], Threshold=9.0), overwrites=True),
    Drift(
        "alarm", ALARM, "threshold_metric", _math(Metrics=[_METRIC, _BAND], ThresholdMetricId="band"), overwrites=True
    ),
]


#: kind and name -> how to delete it
DELETIONS: dict[tuple[str, str], Callable[[Account], object]] = {
    ("topic", "koin-alarms"): lambda a: a.aws.client("sns").delete_topic(TopicArn=a.id("topic", "koin-alarms")),
    ("alarm", ALARM): lambda a: a.aws.client("cloudwatch").delete_alarms(AlarmNames=[ALARM]),
}
