"""The configuration that the benchmark gives Terraform: complete, whatever the kinds put into their entries."""

from __future__ import annotations

import json
from collections import Counter

from ansible.module_utils.platform.kinds import KINDS

from tests.bench import terraform_config
from tests.bench.sides import created

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJlbmNobWFya2JlbmNobWFya2JlbmNobWFya2JlbmNo test"


def test_everything_that_the_plan_creates_is_in_the_configuration() -> None:
    actions = created(KEY, {})
    resources = terraform_config.resources(actions)["resource"]
    kinds = Counter(action.kind for action in actions)
    assert set(kinds) == {kind.name for kind in KINDS}
    assert len(resources["aws_cloudwatch_metric_alarm"]) == kinds["alarm"]
    assert len(resources["aws_route53_record"]) >= kinds["record"]
    assert len(resources["aws_instance"]) == kinds["instance"]
    alarm = next(iter(resources["aws_cloudwatch_metric_alarm"].values()))
    assert alarm["dimensions"]["InstanceId"].startswith("${aws_instance.")
    assert alarm["alarm_actions"] == alarm["ok_actions"] != []
    # No reference of the plan is left in the plan's own words.
    assert not [kind.name for kind in KINDS if f"${{{kind.name}:" in json.dumps(resources)]
