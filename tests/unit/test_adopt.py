"""What adoption writes, where, and what it refuses: a copy of KOIN's declaration, and answers of AWS as literals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform.adoption import Adopter
from ansible.module_utils.platform.engine.adopt import Seen, declaration_in
from ansible.module_utils.platform.engine.context import Context
from ansible.module_utils.platform.engine.errors import PlatformError
from ansible.module_utils.platform.engine.plan import plan_in
from ansible.module_utils.platform.kinds import KINDS

from tests.support.checkout import Checkout
from tests.support.input_check import rehearsal_folder
from tests.support.platform import specs

DNS, SECURITY = "group_vars/all/aws_dns.yml", "group_vars/all/aws_security.yml"
HOSTS, ACCOUNT = "inventories/rehearsal/hosts.yml", "group_vars/all/aws_account.yml"
ZONE = {"Id": "/hostedzone/Z1", "Name": "koreatech.in.", "Config": {"PrivateZone": False}}
VPC = {"VpcId": "vpc-1", "CidrBlock": "172.31.0.0/16", "Tags": [{"Key": "Name", "Value": "BCSDLab"}]}


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A repository of the test's own."""
    with rehearsal_folder():
        yield Checkout(tmp_path)


def _adopter(checkout: Checkout, **observed: Any) -> Adopter:
    def look(raw: Any) -> Seen:
        declaration = declaration_in(raw, specs(), KINDS, "123456789012")
        context = Context(declaration, KINDS.empty() | observed)
        return Seen(declaration, plan_in(context, KINDS), context)

    return Adopter([str(checkout.top / HOSTS)], specs(), {}, str(checkout.top / "playbooks"), look)


def _records(*records: dict[str, Any]) -> dict[str, Any]:
    return {"zones": [ZONE], "records": {"Z1": list(records)}}


def _record(name: str, kind: str, *values: str) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "TTL": 300, "ResourceRecords": [{"Value": value} for value in values]}


def _line(checkout: Checkout, path: str, text: str) -> int:
    return next(number for number, line in enumerate(checkout.text(path).splitlines(), 1) if text in line)


def _refusal(adopter: Adopter, what: str, **how: bool) -> str:
    with pytest.raises(PlatformError) as refused:
        adopter.adopt(what, **how)
    return str(refused.value)


def test_rules_that_a_template_computes_are_refused_with_their_line(checkout: Checkout) -> None:
    open_rule = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    out = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    group = {"GroupId": "sg-1", "GroupName": "Web", "VpcId": "vpc-1", "Tags": [{"Key": "Name", "Value": "Web"}]}
    group |= {"IpPermissions": [open_rule], "IpPermissionsEgress": [out]}
    text = _refusal(_adopter(checkout, vpcs=[VPC], security_groups=[group]), "security_group Web", keep_live=True)
    assert f"stands at {SECURITY}:{_line(checkout, SECURITY, 'offered_rules')}, and a template computes it" in text
    assert checkout.changed() == []


def test_a_record_that_follows_from_a_site_is_refused_with_its_line(checkout: Checkout) -> None:
    adopter = _adopter(checkout, **_records(_record("api.koreatech.in.", "A", "13.125.7.44")))
    text = _refusal(adopter, "record api.koreatech.in A", keep_live=True)
    assert f"computed by a template at {DNS}:{_line(checkout, DNS, 'aws_dns_records:')}" in text
    assert checkout.changed() == []


def test_what_ansible_would_run_is_never_written(checkout: Checkout) -> None:
    text = "\"{{ lookup('pipe', 'id') }}\""
    adopter = _adopter(checkout, **_records(_record("evil.koreatech.in.", "TXT", text)))
    assert "would take for a template of yours and run" in _refusal(adopter, "record evil.koreatech.in TXT")
    # Nor does it keep the others from being adopted.
    both = _records(_record("evil.koreatech.in.", "TXT", text), _record("old.koreatech.in.", "A", "13.125.7.44"))
    adoption = _adopter(checkout, **both).adopt("all")
    assert [target.text for target in adoption.targets] == ["record old.koreatech.in A"]
    assert "record evil.koreatech.in TXT" in adoption.refused


@pytest.mark.parametrize(
    ("what", "observed", "reason"),
    [
        ("bucket Old_Bucket", {"buckets": {"Old_Bucket": "ap-northeast-2"}}, "is not a bucket name"),
        (
            "subnet old",
            {
                "vpcs": [VPC],
                "subnets": [
                    {
                        "SubnetId": "subnet-1",
                        "VpcId": "vpc-1",
                        "CidrBlock": "172.31.0.0/24",
                        "AvailabilityZone": "ap-northeast-2a",
                        "MapPublicIpOnLaunch": False,
                        "Tags": [{"Key": "Name", "Value": "old"}],
                    }
                ],
            },
            "overlaps subnet BCSDLab-a",
        ),
    ],
)
def test_what_would_not_be_valid_is_not_written(
    checkout: Checkout, what: str, observed: dict[str, Any], reason: str
) -> None:
    text = _refusal(_adopter(checkout, **observed), what)
    assert "The declaration would not be valid with it, so nothing was written." in text
    assert reason in text
    assert re.search(r"group_vars/all/aws_\w+\.yml:\d+", text)
    assert checkout.changed() == []


def test_the_change_goes_where_the_fact_stands(checkout: Checkout) -> None:
    """Settings that only this inventory declares stay in its file, comments and all."""
    settings = checkout.text(ACCOUNT).partition("aws_account_settings:\n")[2].partition("\naws_account_trails")[0]
    checkout.replace(ACCOUNT, f"aws_account_settings:\n{settings}", "")
    own = "".join(f"      {line}\n" if line else "\n" for line in f"aws_account_settings:\n{settings}".splitlines())
    checkout.replace(
        HOSTS,
        "      aws_security_admin_cidrs:",
        f"{own.rstrip()}\n      # Who may log in.\n      aws_security_admin_cidrs:",
    )
    checkout.commit()
    policy = {"MinimumPasswordLength": 20, "MaxPasswordAge": 90, "PasswordReusePrevention": 24}
    needs = ("RequireLowercaseCharacters", "RequireUppercaseCharacters", "RequireNumbers", "RequireSymbols")
    policy |= dict.fromkeys((*needs, "AllowUsersToChangePassword"), True)
    block = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    adopter = _adopter(checkout, ebs_encryption=True, account_public_access_block=block, password_policy=policy)
    adopter.write(adopter.adopt("account_settings account", keep_live=True))
    assert checkout.changed() == ["-          min_length: 14", "+          min_length: 20"]


def test_a_file_that_changes_meanwhile_is_not_overwritten(checkout: Checkout) -> None:
    adopter = _adopter(checkout, **_records(_record("old.koreatech.in.", "A", "13.125.7.44")))
    adoption = adopter.adopt("record old.koreatech.in A")
    checkout.replace(DNS, "# Seconds.", "# Seconds, at most.")
    with pytest.raises(PlatformError, match=f"{DNS} was changed while the account was read. Nothing was written"):
        adopter.write(adoption)
    assert checkout.changed() == ["-# Seconds.", "+# Seconds, at most."]


def test_what_no_key_can_say_is_refused(checkout: Checkout) -> None:
    alias = {"Name": "lb.koreatech.in.", "Type": "A", "AliasTarget": {"DNSName": "lb.example.", "HostedZoneId": "Z9"}}
    adopter = _adopter(checkout, **_records(alias))
    assert "only distributions declare aliases" in _refusal(adopter, "record lb.koreatech.in A")
    assert "is not a kind of resource" in _refusal(adopter, "recrod lb.koreatech.in A")
    assert "there is nothing to adopt. Is `lb.koreatech.in A` meant?" in _refusal(adopter, "record lb.koretech.in A")
