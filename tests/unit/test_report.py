"""The page: what it is made of, that both languages say all of it, and that nothing in it is more than text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform.credits import Balances
from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.plan import plan_in
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS
from ansible.module_utils.platform.planning import prices_for
from ansible.module_utils.platform.report import page as pages
from ansible.module_utils.platform.report import reach as reaching
from ansible.module_utils.platform.report.facts import Found, facts
from ansible.module_utils.platform.reporting import write
from ansible.module_utils.platform.status import Seen, attention
from markupsafe import Markup

from rehearsal import REPOSITORY
from tests.support import status
from tests.support.platform import specs
from tests.support.report import HOSTILE, NOW, OFFERS, asked, found, hostile, html, instance, koin, run, unwell

FOLDER = REPOSITORY / "plugins/module_utils/platform/report"
TEMPLATE = (FOLDER / "page.html.j2").read_text()


@pytest.fixture(scope="module")
def empty() -> Found:
    """Of an account that holds nothing."""
    return found()


class Parsed(HTMLParser):
    """A page as a browser reads it: elements, attributes, and text outside scripts and styles."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.unclosed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


# --- Words -----------------------------------------------------------------------------------------------------------


def placeholders(text: str) -> set[str]:
    """What is filled in."""
    return set(re.findall(r"\{(\w+)\}", text))


def wrong(words: dict[str, Any]) -> Iterator[str]:
    """Keys that one of the languages does not say."""
    for key, texts in words.items():
        if not isinstance(texts, dict) or set(texts) != set(pages.LANGUAGES):
            yield f"{key}: languages"
        elif not all(isinstance(text, str) and text.strip() for text in texts.values()):
            yield f"{key}: empty"
        elif placeholders(texts["en"]) != placeholders(texts["ko"]):
            yield f"{key}: placeholders"
        elif re.search(r"[가-힣]", texts["en"]) or (
            texts["en"] != texts["ko"] and not re.search(r"[가-힣]", texts["ko"])
        ):
            yield f"{key}: another language"


def test_both_languages_say_everything() -> None:
    assert list(wrong(dict(pages.words()))) == []


@pytest.mark.parametrize(
    ("texts", "what"),
    [
        ({"en": "a"}, "languages"),
        ({"en": "a", "ko": ""}, "empty"),
        ({"en": True, "ko": "가"}, "empty"),
        ({"en": "{a}", "ko": "가"}, "placeholders"),
        ({"en": "a", "ko": "b"}, "another language"),
        ({"en": "가", "ko": "가"}, "another language"),
    ],
)
def test_a_word_that_one_language_lacks_is_noticed(texts: Any, what: str) -> None:
    assert list(wrong({"x": texts})) == [f"x: {what}"]


#: keys that follow from data: what a price, a unit, an exposure or an answer is called
_DERIVED = ("item_", "unit_", "exposed_", "verdict_", "attention_", "age_", "answer_", "update_")


def test_every_word_is_used_and_every_word_that_is_used_exists() -> None:
    called = {key for key in re.findall(r"""\bt\("(\w+)"[,)]""", TEMPLATE) if not key.endswith("_")}
    assert called - set(pages.words()) == set()
    named = called | set(re.findall(r'"([a-z_]+)"', TEMPLATE))
    unused = {key for key in set(pages.words()) - named if not key.startswith(_DERIVED)}
    assert unused - {"create", "change", "replace", "ok", "failed", "killed", "running"} == set()


def test_a_word_that_is_missing_is_an_error(empty: Found) -> None:
    less = {key: value for key, value in pages.words().items() if key != "no_changes"}
    told = facts(empty)
    told["head"]["counts"] = dict.fromkeys(told["head"]["counts"], 0)
    with pytest.raises(KeyError, match="no_changes"):
        pages.page(told, "<svg/>", less)


def test_what_is_filled_in_is_escaped_and_both_languages_are_marked() -> None:
    say = pages.translator({"x": {"en": "of {a}", "ko": "{a}의"}})
    text = say("x", a="<b>")
    assert isinstance(text, Markup)
    assert text == '<span class="en" lang="en">of &lt;b&gt;</span><span class="ko" lang="ko">&lt;b&gt;의</span>'


# --- The file --------------------------------------------------------------------------------------------------------


def test_the_page_is_well_formed_and_loads_nothing(empty: Found) -> None:
    text = html(empty)
    parsed = Parsed(text)
    assert (parsed.open, parsed.unclosed) == ([], [])
    loads = [
        value for _, attributes in parsed.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    assert [value for value in loads if not value.startswith(("#", "data:"))] == []
    assert not re.search(r"@import|url\(|https?://(?!www\.w3\.org)", text)
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    referred = [value.removeprefix("#") for value in loads if value.startswith("#")]
    referred += [attributes["aria-labelledby"] for _, attributes in parsed.elements if "aria-labelledby" in attributes]
    assert set(referred) <= set(ids)


def test_only_its_own_script_and_style_may_run(empty: Found) -> None:
    text = html(empty)
    [policy] = [item["content"] for item in Parsed(text).all("meta") if "http-equiv" in item]
    for tag in ("script", "style"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy


def test_every_head_of_a_table_says_what_it_is_the_head_of(empty: Found) -> None:
    heads = Parsed(html(empty)).all("th")
    assert heads
    assert {head.get("scope") for head in heads} == {"col", "row"}


def test_what_the_account_says_stays_text() -> None:
    text = html(hostile())
    parsed = Parsed(text)
    assert len(parsed.all("script")) == 1
    assert len(parsed.all("img")) == 1
    assert [name for _, attributes in parsed.elements for name in attributes if name.startswith("on")] == []
    assert parsed.text.count(HOSTILE) >= 18
    assert (parsed.open, parsed.unclosed) == ([], [])


def test_the_page_is_for_its_owner_only_and_written_at_once(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("before")
    write(path, "after")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("after", 0o600)
    with pytest.raises(PlatformError, match="Name a file in a folder that exists"):
        write(tmp_path / "none" / "report.html", "x")
    assert [item.name for item in tmp_path.iterdir()] == ["report.html"]


# --- What it says ----------------------------------------------------------------------------------------------------


def test_hosts_that_are_not_there_are_said_to_be_missing(empty: Found) -> None:
    hosts = facts(empty)["hosts"]
    assert [host["name"] for host in hosts] == list(koin()["aws_compute_instances"])
    assert {(host["exists"], host["state"], host["cost"]["usd"]) for host in hosts} <= {
        (False, "", "$22.56"),
        (False, "", "$20.66"),
    }


def test_a_host_is_shown_as_the_account_has_it() -> None:
    public = {"AllocationId": "e-1", "PublicIp": "3.3.3.3", "InstanceId": "i-20"}
    source = found(
        instances=[instance("KOIN_PROD", 20, PublicIpAddress="3.3.3.3"), instance("test-kim", 9)],
        addresses=[public],
        credits={"i-20": "unlimited"},
    )
    hosts = {host["name"]: host for host in facts(source)["hosts"]}
    assert hosts["KOIN_PROD"]["public"] == "3.3.3.3"
    assert (hosts["KOIN_PROD"]["state"], hosts["KOIN_PROD"]["credits"]) == ("running", "unlimited")
    assert (hosts["test-kim"]["declared"], hosts["test-kim"]["cost"]["usd"]) == (False, "$17.08")
    assert hosts["KOIN_DB"]["exists"] is False


def test_what_differs_is_written_as_the_plan_writes_it() -> None:
    host = instance(
        "KOIN_PROD", 20, InstanceType="t3a.micro", IamInstanceProfile={"Arn": "arn:aws:iam::1:instance-profile/x"}
    )
    actions = facts(found(instances=[host]))["plan"]["actions"]
    change = next(
        one for one in actions if (one["kind"], one["name"], one["action"]) == ("instance", "KOIN_PROD", "change")
    )
    fields = {field["field"]: (field["gone"], field["new"]) for field in change["fields"]}
    assert fields["type"] == (["t3a.micro"], ["t3a.small"])
    assert fields["termination_protection"] == ([""], ["true"])
    # The volume of that host is not known, so all of it is new.
    assert change["cost"]["usd"] == "+ $18.91"
    assert change["cost"]["no_longer"] == [{"item": "t3a.micro", "count": 1}]


def test_the_path_of_a_request_leads_from_the_name_to_the_data(empty: Found) -> None:
    rows = {row["name"]: row for row in facts(empty)["requests"]}
    assert rows["static.koreatech.in"] == {
        "name": "static.koreatech.in",
        "kind": "cdn",
        "site": "static",
        "bucket": "team-kap-koin-storage",
    }
    api = rows["api.koreatech.in"]
    assert (api["host"], api["service"], api["swarm"], api["database"]) == (
        "KOIN_PROD",
        "koin-prod/api",
        "production",
        "koin_prod",
    )
    text = Parsed(html(empty)).text
    assert "service koin-prod/api in Swarm production" in text
    assert "데이터베이스 koin_prod, KOIN_DB" in text


def pair(told: dict[str, Any], source: str, target: str) -> Any:
    """The cell of the matrix from one to the other."""
    [row] = [row for row in told["rows"] if row["source"] == source]
    return row["cells"][told["targets"].index(target)]


def test_who_reaches_whom_is_that_of_the_declaration_while_there_are_no_hosts(empty: Found) -> None:
    told = facts(empty)["reach"]
    assert (told["of"], told["many"], told["changes"]) == ("declaration", 0, [])
    assert told["targets"] == [*koin()["aws_compute_instances"], "internet"]
    assert pair(told, "KOIN_DB", "KOIN_DB") is None
    database = pair(told, "internet", "KOIN_DB")
    assert (database["open"], database["parts"]) == (False, [])
    web = pair(told, "internet", "KOIN_PROD")
    assert [(part["text"], part["how"]) for part in web["parts"]] == [("tcp/80, 443", "passes")]


def test_a_cell_says_what_decides_and_where_that_is_declared(empty: Found) -> None:
    told = facts(empty)["reach"]
    [why] = pair(told, "internet", "KOIN_DB")["why"]
    assert why["verdict"] == "closed"
    assert [hop["passes"] for hop in why["hops"]][-1] is False
    opened = pair(told, "internet", "KOIN_PROD")["why"]
    assert {one["verdict"] for one in opened} == {"passes"}
    # The offered port of a range is the one that is explained.
    assert [one["question"] for one in opened] == ["internet → KOIN_PROD tcp/80", "internet → KOIN_PROD tcp/443"]
    assert any(hop["where"].startswith("aws_security_groups.Web.") for hop in opened[1]["hops"])
    assert pair(told, "administrators", "KOIN_PROD")["why"][0]["question"].endswith("tcp/80")
    text = html(empty)
    assert "a file:1" in text
    assert "KOIN_DB tcp/22" in text


@pytest.mark.parametrize(
    ("ports", "target", "port"),
    [
        ((0, 65535), "KOIN_PROD", 22222),
        ((440, 450), "KOIN_PROD", 443),
        ((100, 200), "KOIN_PROD", 100),
        ((0, 65535), "KOIN_DB", 22),
        ((0, 65535), "internet", 443),
        ((0, 20), "internet", 1),
    ],
)
def test_of_a_range_the_port_that_means_something_is_explained(ports: Any, target: str, port: int) -> None:
    cells = {("tcp", 4): reaching.Cell((ports,), (ports,), (ports,))}
    offers = OFFERS if target == "KOIN_PROD" else {}
    assert list(reaching._asked(cells, target, offers)) == [("tcp", port)]


def test_more_hosts_than_fit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "MOST", 4)
    told = facts(found())["reach"]
    assert (told["many"], told["rows"]) == (5, [])
    assert "5 hosts are too many for this table" in Parsed(html(found())).text


def test_what_the_account_breaks_of_the_policy_is_said_with_its_line() -> None:
    host = instance("KOIN_PROD", 20, VpcId="vpc-1", SubnetId="subnet-1")
    network = {
        "vpcs": [{"VpcId": "vpc-1", "CidrBlock": "172.31.0.0/16", "IsDefault": True}],
        "subnets": [
            {
                "SubnetId": "subnet-1",
                "VpcId": "vpc-1",
                "CidrBlock": "172.31.0.0/20",
                "AvailabilityZone": "ap-northeast-2a",
                "MapPublicIpOnLaunch": True,
            }
        ],
    }
    source = found(instances=[host], **network)
    assert facts(source)["reach"]["of"] == "account"
    text = Parsed(html(source)).text
    assert "What the account breaks of the declared policy" in text
    assert "group_vars/all/reach.yml:1" in text


def test_cost_is_that_of_the_plan(empty: Found) -> None:
    told = facts(empty)["cost"]
    assert (told["declared"], told["change"]["usd"]) == ("$110.88", "+ $110.88")
    assert {row["total"] for row in told["rows"] if row["kind"] == "elastic_ip"} == {"$3.65"}
    alarms = next(row for row in told["others"] if row["kind"] == "alarm")
    assert len(alarms["names"]) == 15
    assert [usage["usd"] for usage in alarms["usages"]] == [None]


@pytest.mark.parametrize(
    ("until", "days"), [(NOW + timedelta(days=90, hours=1), 90), ("2026-12-01T09:00:00", 3), (None, None)]
)
def test_certificates_have_their_days(until: Any, days: int | None) -> None:
    raw = {
        "CertificateArn": "arn:aws:acm:us-east-1:1:certificate/c",
        "DomainName": "koreatech.in",
        "SubjectAlternativeNameSummaries": ["koreatech.in", "*.koreatech.in"],
        "Status": "ISSUED",
        "Type": "AMAZON_ISSUED",
        **({"NotAfter": until} if until else {}),
    }
    [row] = facts(found(certificates=[raw]))["certificates"]
    assert (row["names"], row["days"]) == (["*.koreatech.in", "koreatech.in"], days)


def test_strays_have_cost_and_exposure() -> None:
    rules = [{"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": []}]
    strays = facts(
        found(
            instances=[instance("test-kim", 9, PublicIpAddress="3.3.3.3")],
            addresses=[{"AllocationId": "e-9", "PublicIp": "5.5.5.5"}],
            buckets={"old": "ap-northeast-2"},
        )
    )["strays"]
    told = {(row["kind"], row["exposed"]["what"] if row["exposed"] else ""): row["cost"]["usd"] for row in strays}
    # Of a host in no network that is known, only its address.
    assert told == {("instance", "address"): "$20.73", ("elastic_ip", "unused"): "$3.65", ("bucket", "unknown"): ""}
    from ansible.module_utils.platform.report.facts import _open

    assert _open({"IpPermissions": rules})
    assert not _open({"IpPermissions": [{"IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]})


def test_the_newest_runs_come_first_and_the_last_backup_is_named(empty: Found) -> None:
    runs = [run("backup", 30), run("provision", 20), run("backup", 9, "failed"), run("configure", 1, "")]
    told = facts(replace(empty, runs=runs))["runs"]
    assert [(row["what"], row["result"]) for row in told["rows"]] == [
        ("configure", "killed"),
        ("backup", "failed"),
        ("provision", "ok"),
        ("backup", "ok"),
    ]
    assert [row["what"] for row in told["last"]] == ["backup"]
    assert facts(replace(empty, runs=runs, holder="t"))["runs"]["rows"][0]["result"] == "running"


@pytest.mark.parametrize(
    ("drills", "said"),
    [
        (None, "the bucket of the backups could not be read"),
        ({}, "No drill has noted yet that a backup could be restored."),
        ({"koin-prod": NOW - timedelta(hours=9)}, "A backup was last restored, as a drill, at"),
        ({"koin-prod": NOW - timedelta(hours=60)}, "That is too long ago."),
    ],
)
def test_the_last_drill_is_said(empty: Found, drills: Any, said: str) -> None:
    text = Parsed(html(replace(empty, drills=drills))).text
    assert said in text
    assert ("That is too long ago." in text) == (said == "That is too long ago.")


def test_what_is_not_known_is_said_to_be_unknown(empty: Found) -> None:
    text = Parsed(html(replace(empty, runs=None, runs_problem="denied"))).text
    assert "The records could not be read: denied" in text
    assert "기록을 읽지 못했습니다: denied" in text
    assert "not created yet" in text
    assert "Unknown, because the hosts were not asked." in text


def test_the_balance_of_credits_is_that_of_cloudwatch_or_unknown_with_the_reason() -> None:
    source = found(
        instances=[instance("KOIN_PROD", 20), instance("KOIN_DB", 21), instance("big", 22, InstanceType="m7i.large")]
    )
    source = replace(source, credits=Balances({"i-20": 143.6}, "may not cloudwatch:GetMetricData"))
    balances = {host["name"]: (host["exists"], host["balance"]) for host in facts(source)["hosts"] if host["exists"]}
    assert balances == {"KOIN_PROD": (True, "144"), "KOIN_DB": (True, ""), "big": (True, "")}
    text = Parsed(html(source)).text
    assert "144 left" in text
    assert "잔량 144" in text
    # Not of another type, and not of a host that is not there yet.
    assert text.count("balance unknown") == 1
    assert "may not cloudwatch:GetMetricData" in text


# --- What hosts say --------------------------------------------------------------------------------------------------


def test_a_page_of_the_account_alone_says_that_no_host_was_asked(empty: Found) -> None:
    running = replace(found(instances=[instance("KOIN_PROD", 20)]), seen=Seen({}, monitored=False, alarms=["x cpu"]))
    told = facts(running)["health"]
    assert (told["asked"], told["hosts"], told["certificates"], told["backups"]) == (False, [], [], [])
    # What the account alone tells is said all the same.
    assert told["things"] == [{"what": "alarm", "say": {"name": "x cpu"}}]
    text = Parsed(html(running)).text
    assert "The hosts were not asked: this page is made of the account alone." in text
    assert "All is well." not in text
    text = Parsed(html(empty)).text
    assert "No declared host runs, so none could be asked." in text
    assert "All is well." not in text


def test_hosts_that_are_well_need_no_attention(empty: Found) -> None:
    source = replace(empty, seen=asked())
    told = facts(source)["health"]
    assert told["things"] == []
    assert [host["name"] for host in told["hosts"] if host["answer"] == "yes"] == [*sorted(asked().hosts)]
    assert told["services"] == [
        {"name": "koin-prod/api", "version": "api:1.4", "age": [4, "d"], "running": 1, "wanted": 1, "wrong": []}
    ]
    assert [(row["name"], row["age"], row["wrong"]) for row in told["backups"]] == [
        ("mariadb-drill", [5, "h"], False),
        ("mariadb", [6, "h"], False),
        ("mariadb-logs", [4, "min"], False),
    ]
    text = Parsed(html(source)).text
    assert "All is well." in text
    assert "이상이 없습니다." in text
    assert f"The hosts were asked at {told['when']}" in text


def test_what_needs_attention_is_what_status_says(empty: Found) -> None:
    source = replace(empty, seen=unwell())
    told = facts(source)["health"]
    text = re.sub(r"\s+", " ", Parsed(html(source)).text)
    said = attention(unwell())
    assert len(said) == len(told["things"]) == 12
    # An age is in a part of its own, in both languages.
    assert [line for line in said if line not in text and " old" not in line] == []
    wrong = {host["name"]: host["wrong"] for host in told["hosts"] if host["answer"] == "yes"}
    assert {"disk", "units"} <= set(wrong["koin-prod"])
    assert wrong["koin-db"][0] == "memory"
    assert wrong["bcsd-build"] == []
    assert [(one["days"], one["wrong"]) for one in told["certificates"][:3]] == [(-2, True), (9, True), (61, False)]
    assert [(row["name"], row["wrong"]) for row in told["backups"]] == [
        ("mariadb-drill", False),
        ("mariadb", True),
        ("mariadb-logs", True),
    ]
    assert [alert["wrong"] for alert in told["alerts"]] == [True, True]
    assert {one["name"]: one["wrong"] for one in told["services"]} == {
        "koin-prod/api": ["tasks"],
        "koin-prod/batch": ["rolled_back"],
    }


def test_of_hosts_that_say_nothing_the_page_says_why() -> None:
    some = replace(asked(koin_stage=None), missing=["koin-db"])
    some = replace(some, hosts={name: some.hosts[name] for name in ("koin-prod", "koin-stage")})
    source = replace(found(instances=[instance("BCSD_Build", 20)]), seen=some)
    hosts = {host["name"]: host for host in facts(source)["health"]["hosts"]}
    assert {name: host["answer"] for name, host in hosts.items()} == {
        "bcsd-build": "not_asked",
        "koin-db": "missing",
        "koin-prod": "yes",
        "koin-stage": "silent",
    }
    assert hosts["koin-stage"]["why"] == "ssh: connect to host 172.31.0.20 port 22222: timed out"
    # Of a host that does not answer it is not known whether it has a backup.
    [drill] = [row for row in facts(source)["health"]["backups"] if row["name"] == "mariadb-drill"]
    assert (drill["known"], drill["when"], drill["wrong"]) == (False, "", False)


def test_no_secret_of_a_host_is_on_the_page(empty: Found) -> None:
    key = "AKIAABCDEFGHIJKLMNOP"
    seen = asked(koin_prod=status.host(failed=[key], disk_path=key), koin_stage=None)
    seen = replace(seen, unreachable={"koin-stage": f"denied for {key}"})
    assert key not in html(replace(empty, seen=seen))


def test_secrets_of_the_plan_are_digests() -> None:
    tag = {"Key": "api_token", "Value": "something-secret"}
    declared_tags = {**koin()["aws_compute_instances"]}
    declared_tags["KOIN_PROD"] = {**declared_tags["KOIN_PROD"], "tags": {"api_token": "another-secret"}}
    raw = {name: value for name, value in koin().items() if name.startswith("aws_")}
    declaration = declaration_of({**raw, "aws_compute_instances": declared_tags}, specs(), KINDS)
    declaration.account = "123456789012"
    live = instance("KOIN_PROD", 20)
    live["Tags"].append(tag)
    context = Context(declaration, KINDS.empty() | {"instances": [live]})
    source = Found(plan_in(context, KINDS), context, prices_for("ap-northeast-2"), koin(), NOW, runs=[])
    text = html(source)
    assert "tags.api_token" in text
    assert "something-secret" not in text
    assert "another-secret" not in text
