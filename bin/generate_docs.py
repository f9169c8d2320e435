#!/usr/bin/env python3
"""Write the parts of the documentation that follow from the code and the declaration; `--check` only compares.

Usage: generate_docs.py [--check]

- roles/*/README.md: options, from meta/argument_specs.yml; of aws_* also IAM actions, from the kinds' `writes`
- docs/iam.md, docs/iam-policy.json: what an operator must be allowed to do
- docs/platform.svg: the declared platform (platform_picture.py)

Needs .venv (`make setup`): which calls a plan makes is asked of the observer itself, which imports boto3.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import ansible.module_utils
import botocore.session
import yaml
from botocore import xform_name

REPOSITORY = Path(__file__).resolve().parents[1]
for _path, _folder in (
    (sys.path, REPOSITORY / "bin"),
    (ansible.module_utils.__path__, REPOSITORY / "plugins/module_utils"),
):
    if str(_folder) not in _path:
        _path.append(str(_folder))

from ansible.module_utils.platform.kinds import KINDS  # noqa: E402 - after the path is set
from ansible.module_utils.platform.observe import Read, _reads  # noqa: E402
from ansible.module_utils.platform.scope import Scope  # noqa: E402
from ansible.module_utils.platform.session import iam_action  # noqa: E402
from platform_picture import draw  # noqa: E402

# --- The declaration and the specs, as plain data ------------------------------------------------------------------


def _yaml(path: Path) -> Any:
    return yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def declaration() -> dict[str, Any]:
    """Every variable of group_vars/all, templates as they are written."""
    merged: dict[str, Any] = {}
    for path in sorted((REPOSITORY / "group_vars/all").glob("*.yml")):
        merged |= _yaml(path)
    return merged


def specs(role: str) -> dict[str, Any]:
    """The entry points of a role."""
    found: dict[str, Any] = _yaml(REPOSITORY / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    return found


def roles() -> list[str]:
    """The aws_* roles, in the order in which playbooks/provision.yml runs them."""
    play = _yaml(REPOSITORY / "playbooks/provision.yml")[0]
    order = list(dict.fromkeys(entry["role"] for entry in play["roles"]))
    known = {path.parent.parent.name for path in REPOSITORY.glob("roles/aws_*/meta/argument_specs.yml")}
    return [*(role for role in order if role in known), *sorted(known - set(order))]


def host_roles() -> list[str]:
    """The other roles: those that are not about the account."""
    known = {path.parent.parent.name for path in REPOSITORY.glob("roles/*/meta/argument_specs.yml")}
    return sorted(known - set(roles()))


# --- Options -------------------------------------------------------------------------------------------------------


def markup(text: str | Iterable[str]) -> str:
    """Ansible's documentation markup as Markdown that fits into a table cell."""
    joined = text if isinstance(text, str) else " ".join(text)
    return re.sub(r"\b[CVOEM]\(([^)]*)\)", r"`\1`", joined).replace("|", "\\|").strip()


def _literal(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _rows(options: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, option in options.items():
        kind = option.get("type", "str") + (f" of {option['elements']}" if "elements" in option else "")
        default = "required" if option.get("required") else _literal(option["default"]) if "default" in option else ""
        text = markup(option["description"])
        if "choices" in option:
            text += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        yield f"| `{prefix}{name}` | {kind} | {default} | {text} |"
        yield from _rows(option.get("options", {}), f"{prefix}{name}.")


def options_section(role: str) -> str:
    """Tables of every entry point's options."""
    parts = []
    for name, entry in specs(role).items():
        summary = re.sub(r"\baws_\w+", r"`\g<0>`", markup(entry["short_description"]))
        lines = ["## Variables" if name == "main" else f"### `{name}`", ""]
        lines += [f"{summary}.", ""] if name != "main" else []
        lines += ["| Option | Type | Default | Meaning |", "| --- | --- | --- | --- |", *_rows(entry["options"])]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


# --- IAM -----------------------------------------------------------------------------------------------------------

#: a name that every sample answer and the sample scope share; "" is the Name of an instance that has none
_NAME = "x"
_EVERYTHING = Scope(
    **dict.fromkeys(
        (
            "vpcs",
            "vpc_ids",
            "zones",
            "domains",
            "certificates",
            "aliases",
            "distributions",
            "topics",
            "images",
            "types",
        ),
        frozenset({_NAME}),
    ),
    buckets={_NAME: [f"{_NAME}/"]},
    protected=frozenset({""}),
)


def _sample(shape: Any, depth: int = 0) -> Any:
    """An answer of this shape with one of everything in it."""
    if depth > 8:
        return None
    if shape.type_name == "structure":
        return {name: _sample(member, depth + 1) for name, member in shape.members.items()}
    if shape.type_name == "list":
        return [_sample(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {_NAME: _sample(shape.value, depth + 1)}
    return {"boolean": False, "integer": 1, "long": 1}.get(shape.type_name, _NAME)


def _walk(reads: Iterable[Read], session: Any, models: dict[str, Any]) -> Iterator[str]:
    for read in reads:
        model = models.setdefault(read.service, session.get_service_model(read.service))
        wanted = read.operation.partition(":")[0]
        operation = next(name for name in model.operation_names if xform_name(name) == wanted)
        action = iam_action(model.service_id, operation)
        yield action
        yield from _walk(read.then(_sample(model.operation_model(operation).output_shape)), session, models)


@cache
def plan_reads() -> tuple[str, ...]:
    """The IAM actions of every read that observing makes, found by answering each with a sample of its answer."""
    found = set(_walk(_reads(_EVERYTHING), botocore.session.get_session(), {}))
    return tuple(sorted({*found, iam_action("STS", "GetCallerIdentity")}))


def writes(role: str) -> list[str]:
    """The IAM actions of everything a role applies, sorted."""
    return sorted({action for kind in KINDS if kind.role == role for action in kind.writes})


#: service-wide reads: the modules of amazon.aws and community.aws make more than planning does
_READ_PATTERNS = (
    "acm:Describe*",
    "acm:List*",
    "cloudfront:Get*",
    "cloudfront:List*",
    "cloudwatch:Describe*",
    "ec2:Describe*",
    "iam:Get*",
    "iam:List*",
    "route53:Get*",
    "route53:List*",
    "route53domains:GetDomainDetail",
    "route53domains:List*",
    # Not s3:Get*, which would open every object of the account.
    "s3:GetAccelerateConfiguration",
    "s3:GetBucket*",
    "s3:GetEncryptionConfiguration",
    "s3:GetInventoryConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:ListAllMyBuckets",
    "s3:ListBucket",
    "sns:Get*",
    "sns:List*",
    "sts:GetCallerIdentity",
)
#: reads that have a statement of their own
_IMAGE_READ = "ssm:GetParameters"
#: what the role secrets does
_SECRETS = ("ssm:GetParameters", "ssm:PutParameter", "ssm:AddTagsToResource")
#: the module that makes a bucket's folder asks first whether it is there
_FOLDER_READS = ("s3:GetObject", "s3:GetObjectTagging")


def allowed(action: str) -> bool:
    """Whether the read statements of the policy allow the action."""
    return action == _IMAGE_READ or any(fnmatchcase(action, pattern) for pattern in _READ_PATTERNS)


def _statement(sid: str, actions: Iterable[str], resource: Any, region: str = "") -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
    if region:
        statement["Condition"] = {"StringEquals": {"aws:RequestedRegion": region}}
    return statement


def _write_scope(role: str, declared: Mapping[str, Any]) -> tuple[Any, str]:
    """What a role may write to: resources as narrow as their names are known, and the region where there is one."""
    region = declared["aws_region"]
    names = list(declared["aws_iam_roles"])
    buckets = {f"arn:aws:s3:::{name}": entry for name, entry in declared["aws_storage_buckets"].items()}
    folders = [f"{arn}/{prefix}" for arn, entry in buckets.items() for prefix in entry.get("prefixes", [])]
    scopes: dict[str, tuple[Any, str]] = {
        "aws_network": ("*", region),
        "aws_security": ("*", region),
        "aws_compute": ("*", region),
        "aws_storage": ([*buckets, *folders], ""),
        "aws_iam": (
            [f"arn:aws:iam::*:{kind}/{name}" for kind in ("role", "instance-profile") for name in names],
            "",
        ),
        "aws_dns_records": ("arn:aws:route53:::hostedzone/*", ""),
        # sns:Unsubscribe names no resource.
        "aws_monitoring": ("*", region),
    }
    return scopes.get(role, ("*", ""))


def policy() -> dict[str, Any]:
    """The operator's policy: what plan reads, what provision writes, role by role."""
    declared = declaration()
    images = [
        f"arn:aws:ssm:{declared['aws_region']}::parameter{name}" for name in declared["aws_compute_images"].values()
    ]
    statements = [_statement("Read", _READ_PATTERNS, "*"), _statement("ReadImages", [_IMAGE_READ], images)]
    for role in roles():
        actions = [action for action in writes(role) if action != "iam:PassRole"]
        if role == "aws_storage":
            actions = sorted([*actions, *_FOLDER_READS])
        if actions:
            sid = "Write" + "".join(part.capitalize() for part in role.removeprefix("aws_").split("_"))
            statements.append(_statement(sid, actions, *_write_scope(role, declared)))
    # Configuring hosts makes the secrets that it needs; SSM's own key is open to whoever may ask SSM.
    secrets = sorted({entry["path"].split("/")[1] for entry in declared["secrets_parameters"].values()})
    statements.append(
        _statement(
            "Secrets", _SECRETS, [f"arn:aws:ssm:{declared['aws_region']}:*:parameter/{top}/*" for top in secrets]
        )
    )
    passed = _statement(
        "PassHostRoles", ["iam:PassRole"], [f"arn:aws:iam::*:role/{n}" for n in declared["aws_iam_roles"]]
    )
    passed["Condition"] = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    return {"Version": "2012-10-17", "Statement": [*statements, passed]}


def _listed(actions: Iterable[str]) -> str:
    return ", ".join(f"`{action}`" for action in actions)


def iam_section(role: str) -> str:
    """What a role's README says of IAM."""
    actions = writes(role)
    if not actions:
        return "It writes nothing to AWS. What it reads is listed in [docs/iam.md](../../docs/iam.md)."
    lines = ["| Resource | IAM actions that writing it takes |", "| --- | --- |"]
    lines += [f"| {kind.name} | {_listed(kind.writes)} |" for kind in KINDS if kind.role == role]
    return "\n".join([*lines, "", "What planning reads is listed in [docs/iam.md](../../docs/iam.md)."])


def reads_section() -> str:
    """The reads of a plan by service."""
    services: dict[str, list[str]] = {}
    for action in plan_reads():
        services.setdefault(action.partition(":")[0], []).append(action)
    lines = ["| Service | Actions |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {service} | {_listed(actions)} |" for service, actions in services.items())])


def writes_section() -> str:
    """The writes of every role."""
    lines = ["| Role | Actions |", "| --- | --- |"]
    lines += [f"| [{role}](../roles/{role}/README.md) | {_listed(writes(role))} |" for role in roles() if writes(role)]
    return "\n".join(lines)


# --- Files ---------------------------------------------------------------------------------------------------------


def fill(text: str, sections: Mapping[str, str], where: str) -> str:
    """``text`` with the part between the markers of each section replaced."""
    for name, content in sections.items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"generate_docs: {where} lacks the lines `{begin}` and `{end}`")
        text = f"{before}{begin}\n\n{content}\n\n{end}{after}"
    return text


def generated() -> dict[Path, str]:
    """Every file that this script writes, or writes parts of, with its content."""
    uncovered = [action for action in plan_reads() if not allowed(action)]
    if uncovered:
        raise SystemExit(f"generate_docs: _READ_PATTERNS lacks {', '.join(uncovered)}")
    sections = {
        f"roles/{role}/README.md": {"options": options_section(role), "iam": iam_section(role)} for role in roles()
    }
    sections |= {f"roles/{role}/README.md": {"options": options_section(role)} for role in host_roles()}
    sections["docs/iam.md"] = {"reads": reads_section(), "writes": writes_section()}
    files = {REPOSITORY / name: fill((REPOSITORY / name).read_text(), parts, name) for name, parts in sections.items()}
    files[REPOSITORY / "docs/iam-policy.json"] = json.dumps(policy(), indent=2) + "\n"
    files[REPOSITORY / "docs/platform.svg"] = draw(declaration())
    return files


def stale(files: Mapping[Path, str]) -> list[Path]:
    """Those whose content on disk is another."""
    return [path for path, content in files.items() if not path.exists() or path.read_text() != content]


def main(argv: list[str] | None = None) -> int:
    """Write what is stale, or say what is."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documentation.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the files that are stale")
    options = parser.parse_args(argv)
    files = generated()
    for path in (outdated := stale(files)):
        print(f"{'stale' if options.check else 'written'}: {path.relative_to(REPOSITORY)}")
        if not options.check:
            path.write_text(files[path])
    return int(options.check and bool(outdated))


if __name__ == "__main__":
    sys.exit(main())
