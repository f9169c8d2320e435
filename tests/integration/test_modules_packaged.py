"""Our modules as Ansible runs them: documented, and packed with the code that they import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

from tests.support.local_aws import LocalAws
from tests.support.run_module import load, written

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MODULES = (
    "acm_certificate_request",
    "aws_operation",
    "cloudfront_origin_access_control",
    "cloudfront_s3_distribution",
    "ec2_instance_credits",
)
PLAY = [
    {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {
                "name": "certificate",
                "acm_certificate_request": {
                    "region": "us-east-1",
                    "domain_name": "koreatech.in",
                    "key_algorithm": "EC_prime256v1",
                },
            },
            {"name": "operation", "aws_operation": {"service": "ec2", "operation": "enable_ebs_encryption_by_default"}},
            {"name": "control", "cloudfront_origin_access_control": {"name": "koin-s3"}},
            {
                "name": "distribution",
                "cloudfront_s3_distribution": {
                    "name": "static",
                    "aliases": ["static.koreatech.in"],
                    "origin_domain": "kap-test.s3.ap-northeast-2.amazonaws.com",
                },
            },
            {
                "name": "credits",
                "ec2_instance_credits": {"instance_id": "i-0123456789abcdef0", "cpu_credits": "standard"},
                "ignore_errors": True,
            },
        ],
    }
]


class SpecTaken(Exception):  # noqa: N818 - not an error
    """Carries an argument_spec out of main()."""


def argument_spec(name: str) -> dict[str, Any]:
    """The options that a module takes, without those of every AWS module."""

    def take(self: AnsibleAWSModule, **kwargs: Any) -> None:
        raise SpecTaken(kwargs["argument_spec"])

    with mock.patch.object(AnsibleAWSModule, "__init__", take), pytest.raises(SpecTaken) as taken:
        load(name).main()
    return taken.value.args[0]


@pytest.mark.parametrize("name", MODULES)
def test_the_documentation_is_the_interface(name: str) -> None:
    documented = yaml.safe_load(load(name).DOCUMENTATION)
    assert documented["module"] == name
    keys = ("type", "elements", "choices", "default", "required")
    spec = {option: {key: value[key] for key in keys if key in value} for option, value in argument_spec(name).items()}
    assert spec == {
        option: {key: value[key] for key in keys if key in value} for option, value in documented["options"].items()
    }


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_use_options_that_exist(name: str) -> None:
    options = {*argument_spec(name), "region"}
    used = [task[name] for task in yaml.safe_load(load(name).EXAMPLES) if name in task]
    assert used
    assert {option for arguments in used for option in arguments} <= options


def test_ansible_doc_shows_each_of_them() -> None:
    environ = os.environ | {"ANSIBLE_LIBRARY": str(REPOSITORY / "plugins" / "modules")}
    command = [str(BIN / "ansible-doc"), "-t", "module", "-j", *MODULES]
    shown = subprocess.run(command, cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=True)
    documents = json.loads(shown.stdout)
    assert set(documents) == set(MODULES)
    for name, document in documents.items():
        # The fragments of amazon.aws have been found.
        assert "endpoint_url" in document["doc"]["options"], name
        assert document["return"]["diff"]["type"] == "dict", name


def test_ansible_packs_each_of_them(local_aws: LocalAws, tmp_path: Path) -> None:
    acm = local_aws.client("acm", "us-east-1")
    arn = acm.request_certificate(DomainName="koreatech.in", ValidationMethod="DNS")["CertificateArn"]
    local_aws.mark()
    play = tmp_path / "play.yml"
    play.write_text(yaml.safe_dump(PLAY))
    environ = local_aws.process_environ | {
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [
        str(BIN / "ansible-playbook"),
        "--check",
        "-i",
        "localhost,",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
    ]
    run = subprocess.run(
        [*command, str(play)], cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    tasks = json.loads(run.stdout)["plays"][0]["tasks"]
    results = {task["task"]["name"]: task["hosts"]["localhost"] for task in tasks}
    assert results["certificate"]["certificate_arn"] == arn
    (warning,) = results["certificate"]["warnings"]
    assert "has a RSA_2048 key and keeps it, not EC_prime256v1" in warning
    assert "deprecations" not in results["certificate"]
    assert results["operation"]["diff"]["after"] == {"enable_ebs_encryption_by_default": {}}
    assert results["control"]["diff"]["after"]["name"] == "koin-s3"
    assert results["distribution"]["diff"]["after"]["aliases"] == ["static.koreatech.in"]
    assert results["credits"]["msg"].startswith("Cannot read the CPU credit option of i-0123456789abcdef0")
    assert written(local_aws) == []
