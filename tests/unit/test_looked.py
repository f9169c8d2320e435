"""How much of an answer a plan compares: what a kind reads is compared, whatever way it reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.declaration import Declaration
from ansible.module_utils.platform.engine.looked import Looked, looked
from ansible.module_utils.platform.engine.model import Live, Plan
from ansible.module_utils.platform.engine.render import render

RAW = {"Name": "x", "Open": {"From": 1, "To": 2}, "Rules": [{"Port": 80, "Note": "a"}], "Tags": [], "Ips": ["1", "2"]}


class _Kind:
    name = "thing"

    def __init__(self, fields: Any) -> None:
        self._fields = fields

    def fields(self, live: Live, context: Context) -> dict[str, Any]:
        return {"value": self._fields(live.raw)}


def _looked(fields: Any) -> Looked:
    context = Context(Declaration({}), {})
    return looked(_Kind(fields), [Live("id", "x", dict(RAW))], context)


@pytest.mark.parametrize(
    ("fields", "compared"),
    [
        (lambda raw: raw["Name"], {"Name"}),
        (lambda raw: raw.get("Absent"), set()),
        (lambda raw: raw["Open"]["From"], {"Open.From"}),
        (lambda raw: [rule.get("Port") for rule in raw["Rules"]], {"Rules.Port"}),
        (lambda raw: raw["Ips"], {"Ips"}),
        (lambda raw: dict(raw["Open"]), {"Open.From", "Open.To"}),
        (lambda raw: {**raw["Open"]}, {"Open.From", "Open.To"}),
        (lambda raw: list(raw["Open"].values()), {"Open.From", "Open.To"}),
        (lambda raw: json.dumps(raw["Rules"]), {"Rules.Port", "Rules.Note"}),
        (lambda raw: {"a": 1} | raw["Open"], {"Open.From", "Open.To"}),
        (lambda raw: "Name" in raw, set()),
    ],
)
def test_what_is_read_is_compared(fields: Any, compared: set[str]) -> None:
    found = _looked(fields)
    assert set(found.compared) == compared
    assert set(found.others) == {"Name", "Open.From", "Open.To", "Rules.Port", "Rules.Note", "Tags", "Ips"} - compared


def test_a_part_of_which_nothing_is_compared_is_named_once() -> None:
    found = _looked(lambda raw: [raw["Name"], [rule["Port"] for rule in raw["Rules"]]])
    assert set(found.other_parts) == {"Open.*", "Rules.Note", "Tags", "Ips"}


def test_only_a_verbose_plan_says_how_much_it_compared() -> None:
    plan = Plan("1", "r", (), {}, looked=(_looked(lambda raw: raw["Name"]),))
    assert "Compared" not in render(plan)
    text = render(plan, verbose=True)
    assert "  thing    1 of 7" in text
    assert "not compared: Ips, Open.*, Rules.*, Tags" in text
