#!/usr/bin/env python3
"""Write the parts of the documentation that follow from the code and the declaration; `--check` only compares.

Usage: generate_docs.py [--check]

- roles/*/README.md: options, from meta/argument_specs.yml; of aws_* also IAM actions, from the kinds' `writes`
- docs/iam.md, docs/iam-policy-read.json, docs/iam-policy.json: what an operator must be allowed to do
- docs/iam-policy-administrator.json: what takes an administrator
- docs/iam-policy-destroy.json: what playbooks/destroy.yml takes beside the operator's policy
- docs/security.md: our answers to security standards (security_page.py)
- docs/platform.svg: the declared platform (plugins/module_utils/platform/report/picture.py)

Needs .venv (`make setup`): botocore's models say what IAM calls an operation.
"""

from __future__ import annotations

import argparse
import json
import re
import runpy
import sys
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":
    from dotvenv import enter

    enter()

import botocore.session
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader
from ansible.template import Templar
from botocore import xform_name

REPOSITORY = Path(__file__).resolve().parents[1]
if str(REPOSITORY / "bin") not in sys.path:
    sys.path.append(str(REPOSITORY / "bin"))
runpy.run_path(str(REPOSITORY / "plugins/import_path.py"))

import security_page  # noqa: E402
from ansible.module_utils.platform import (  # noqa: E402 - after the path is set
    credits,
    lock,
    record_store,
    records,
    release_store,
)
from ansible.module_utils.platform.engine.declaration import Declaration  # noqa: E402
from ansible.module_utils.platform.engine.schema import merge  # noqa: E402
from ansible.module_utils.platform.engine.session import iam_action  # noqa: E402
from ansible.module_utils.platform.kinds import KINDS  # noqa: E402
from ansible.module_utils.platform.kinds.dns import zone_arns  # noqa: E402
from ansible.module_utils.platform.kinds.iam import appended_buckets  # noqa: E402
from ansible.module_utils.platform.kinds.storage import VERIFIED  # noqa: E402
from ansible.module_utils.platform.report.picture import draw  # noqa: E402

if TYPE_CHECKING:
    from ansible.module_utils.platform.engine.access import Call, Scope
    from ansible.module_utils.platform.kinds.base import Kind

# --- The declaration and the specs, as plain data ------------------------------------------------------------------


def _yaml(path: Path) -> Any:
    return yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


#: variables that follow from others
_DERIVED = ("aws_dns_records", "aws_security_groups", "secrets_parameters")


def declaration() -> dict[str, Any]:
    """Every variable of group_vars/all, templates as they are written, apart from those that follow from others."""
    merged: dict[str, Any] = {}
    loader = DataLoader()
    for path in sorted((REPOSITORY / "group_vars/all").glob("*.yml")):
        merged |= loader.load_from_file(str(path), trusted_as_template=True)
    filter_loader.add_directory(str(REPOSITORY / "plugins/filter"))
    # The picture says who they are; the ranges are declared by each inventory.
    templar = Templar(loader, variables={**merged, "aws_security_admin_cidrs": ["the administrators"]})
    return merged | {name: templar.template(merged[name]) for name in _DERIVED}


def specs(role: str) -> dict[str, Any]:
    """The entry points of a role."""
    found: dict[str, Any] = _yaml(REPOSITORY / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    return found


def roles() -> list[str]:
    """The aws_* roles, in the order in which playbooks/provision.yml runs them."""
    play = next(play for play in _yaml(REPOSITORY / "playbooks/provision.yml") if "roles" in play)
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
        if options := entry.get("options"):
            lines += ["| Option | Type | Default | Meaning |", "| --- | --- | --- | --- |", *_rows(options)]
        parts.append("\n".join(lines).rstrip())
    return "\n\n".join(parts)


# --- IAM -----------------------------------------------------------------------------------------------------------


def _action(call: Call) -> str:
    """The IAM action of a read."""
    if call.action:
        return call.action
    model = _model(call.service)
    operation = next(name for name in model.operation_names if xform_name(name) == call.operation)
    return iam_action(model.service_id, operation)


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


@cache
def plan_reads() -> tuple[str, ...]:
    """The IAM actions of every read that observing may make; who one is may be asked without any."""
    return tuple(sorted({_action(call) for call in KINDS.calls()}))


def kinds_of(role: str) -> list[Kind]:
    """The kinds that a role applies."""
    return [kind for kind in KINDS if kind.role == role]


def writes(role: str) -> list[str]:
    """The IAM actions of everything a role applies, sorted."""
    return sorted({write.action for kind in kinds_of(role) for write in kind.writes})


def read_patterns() -> list[str]:
    """Service-wide reads: the modules of amazon.aws and community.aws make more than planning does."""
    return sorted({pattern for kind in KINDS for pattern in kind.module_reads})


def read_scopes() -> list[tuple[str, Scope]]:
    """Reads that have a statement of their own."""
    return [(_action(call), call.scope) for call in KINDS.calls() if call.scope]


#: what the role secrets does
_SECRETS = ("ssm:GetParameters", "ssm:PutParameter", "ssm:AddTagsToResource")
#: what it does when one authority has taken the place of another
_REPLACED = ("ssm:DeleteParameters",)


def allowed(action: str) -> bool:
    """Whether the read statements of the policy allow the action."""
    return action in dict(read_scopes()) or any(fnmatchcase(action, pattern) for pattern in read_patterns())


def _one(values: Iterable[str]) -> Any:
    """A list, or its only value: IAM counts the characters of a policy."""
    found = list(values)
    return found[0] if len(found) == 1 else found


def _statement(sid: str, actions: Iterable[str], resource: Any, region: str = "") -> dict[str, Any]:
    statement: dict[str, Any] = {"Sid": sid, "Effect": "Allow", "Action": _one(actions), "Resource": resource}
    if region:
        statement["Condition"] = {"StringEquals": {"aws:RequestedRegion": region}}
    return statement


def _narrow(sid: str, actions: Iterable[str], scope: Scope, declared: Declaration) -> dict[str, Any]:
    statement = _statement(sid, actions, _one(scope.resources(declared)))
    condition = scope.condition_for(declared)
    return statement | ({"Condition": condition} if condition else {})


def _write_statements(declared: Declaration) -> Iterator[dict[str, Any]]:
    """What the roles may write: to resources as narrow as their names are known, in the region where there is one."""
    anywhere: dict[str, set[str]] = {"WriteRegional": set(), "WriteGlobal": set()}
    for role in roles():
        kinds = [kind for kind in kinds_of(role) if not kind.administered]
        actions = {write.action for kind in kinds for write in kind.writes if not write.scope}
        actions |= {action for kind in kinds for action in kind.write_reads}
        resources = list(dict.fromkeys(arn for kind in kinds for arn in kind.resources(declared)))
        if "*" in resources:
            anywhere["WriteRegional" if all(kind.regional for kind in kinds) else "WriteGlobal"] |= actions
        elif actions:
            sid = "Write" + "".join(part.capitalize() for part in role.removeprefix("aws_").split("_"))
            yield _statement(sid, sorted(actions), _one(resources))
    # One statement for what is alike: a managed policy holds 6,144 characters.
    yield _statement("WriteRegional", sorted(anywhere["WriteRegional"]), "*", declared.region)
    yield _statement("WriteGlobal", sorted(anywhere["WriteGlobal"] - anywhere["WriteRegional"]), "*")


def declared_of(raw: Mapping[str, Any]) -> Declaration:
    """The declaration as the kinds read it, with the defaults of entries."""
    filled = {
        variable: {name: merge(raw.get(defaults) or {}, entry) for name, entry in (raw.get(variable) or {}).items()}
        for variable, defaults in KINDS.defaults().items()
    }
    return Declaration({**raw, **filled})


def read_policy() -> dict[str, Any]:
    """What looking takes: plan, history, releases."""
    raw = declaration()
    # Page and status read more than a plan does.
    statements = [_statement("Read", sorted({*read_patterns(), *credits.ACTIONS}), "*")]
    statements += [_narrow(scope.sid, [action], scope, declared_of(raw)) for action, scope in read_scopes()]
    # Whose run is under way is in the lock.
    statements.append(_statement("ReadRecords", ["s3:GetObject"], [_records(raw), _releases(raw), _lock_arn(raw)]))
    return {"Version": "2012-10-17", "Statement": statements}


def policy() -> dict[str, Any]:
    """What provisioning and configuring take beside that, role by role."""
    raw = declaration()
    declared = declared_of(raw)
    statements = list(_write_statements(declared))
    # Configuring hosts makes the secrets that it needs; SSM's own key is available to everybody who may use SSM.
    tops = sorted({entry["path"].split("/")[1] for entry in raw["secrets_parameters"].values()})
    arns = _one(f"arn:aws:ssm:{declared.region}:*:parameter/{top}/*" for top in tops)
    statements.append(_statement("Secrets", _SECRETS, arns))
    region = f"arn:aws:ssm:{declared.region}"
    parameters = raw["secrets_parameters"].values()
    authorities = sorted(entry["path"] for entry in parameters if entry.get("kind") == "authority")
    below = [f"{region}:*:parameter{path}/*" for path in authorities]
    statements.append(_statement("Authority", _REPLACED, _one(below)))
    statements.append(_lock(raw))
    statements.append(_statement("ProveBackups", ["s3:PutObject"], _one(_proofs(declared))))
    # A statement of its own would not fit. Its other actions are those of buckets.
    storage = next(item for item in statements if set(record_store.ACTIONS) <= set(item["Action"]))
    storage["Resource"] += [_records(raw), _releases(raw)]
    narrow: dict[str, tuple[Scope, list[str]]] = {}
    for scope, action in ((write.scope, write.action) for kind in KINDS for write in kind.writes if write.scope):
        narrow.setdefault(scope.sid, (scope, []))[1].append(action)
    statements += [_narrow(sid, actions, scope, declared) for sid, (scope, actions) in narrow.items()]
    denied = sorted({action for kind in KINDS for action in kind.denied})
    statements.append(_statement("Never", denied, "*") | {"Effect": "Deny"})
    return {"Version": "2012-10-17", "Statement": statements}


def _lock(raw: Mapping[str, Any], *bucket: str) -> dict[str, Any]:
    """What a run does that writes. bucket: what it does with the bucket, where no other statement has that."""
    arn = f"arn:aws:s3:::{raw['platform_bucket']}"
    return _statement("Lock", (*lock.ACTIONS, *bucket), _one([_lock_arn(raw), *([arn] if bucket else [])]))


def _lock_arn(raw: Mapping[str, Any]) -> str:
    return f"arn:aws:s3:::{raw['platform_bucket']}/{lock.KEY}"


def _records(raw: Mapping[str, Any]) -> str:
    """The records of runs, which are written and read, and not deleted."""
    return f"arn:aws:s3:::{raw['platform_bucket']}/{records.PREFIX}*"


def _releases(raw: Mapping[str, Any]) -> str:
    """What of the services ran when: read, and written by whoever deploys."""
    return f"arn:aws:s3:::{raw['platform_bucket']}/{release_store.FOLDER}/*"


def _proofs(declared: Declaration) -> Iterator[str]:
    """Where playbooks/drill.yml says that a backup could be restored, for playbooks/destroy.yml."""
    buckets = {name for entry in declared.entries("aws_iam_roles").values() for name in appended_buckets(entry)}
    yield from (f"arn:aws:s3:::{name}/{VERIFIED}*" for name in sorted(buckets))


def administrator_policy() -> dict[str, Any]:
    """What the kinds take that operators must not write; it is enough for their playbooks."""
    raw = declaration()
    declared = declared_of(raw)
    kinds = [kind for kind in KINDS if kind.administered]
    reads = sorted({_action(call) for kind in kinds for call in kind.reads})
    writes = sorted({write.action for kind in kinds for write in kind.writes})
    resources = _one(arn for kind in kinds for arn in kind.resources(declared))
    statements = [_statement("Read", reads, "*"), _statement("WriteBoundary", writes, resources)]
    # Theirs is the first run on an empty account.
    statements.append(_lock(raw, "s3:CreateBucket", "s3:ListBucket"))
    statements.append(_statement("Records", record_store.ACTIONS, _records(raw)))
    return {"Version": "2012-10-17", "Statement": statements}


def destroy_policy() -> dict[str, Any]:
    """What removing takes, beside the operator's policy: what is declared where its names are known, in the region."""
    declared = declared_of(declaration())
    reads = sorted({_action(call) for kind in KINDS for read in kind.removal_reads for call in (read, *read.then)})
    statements = [_statement("ReadMore", [action for action in reads if not allowed(action)], "*")]
    regional, worldwide = set[str](), set[str]()
    for kind in KINDS:
        resources = list(kind.resources(declared))
        if not kind.removes:
            continue
        if kind.service == "route53":
            worldwide.update(action for action in kind.removes if not action.endswith("RecordSets"))
        elif "*" in resources:
            (regional if kind.regional else worldwide).update(kind.removes)
        else:
            sid = "Remove" + "".join(part.capitalize() for part in kind.name.split("_"))
            statements.append(_statement(sid, sorted(kind.removes), _one(resources)))
    statements.append(_statement("RemoveRegional", sorted(regional), "*", declared.region))
    statements.append(_statement("RemoveGlobal", sorted(worldwide), "*"))
    zones = _one(zone_arns(declared))
    statements.append(_statement("RemoveRecords", ["route53:ChangeResourceRecordSets"], zones))
    return {"Version": "2012-10-17", "Statement": statements}


def _listed(actions: Iterable[str]) -> str:
    return ", ".join(f"`{action}`" for action in actions)


def iam_section(role: str) -> str:
    """What a role's README says of IAM."""
    actions = writes(role)
    if not actions:
        return "It writes nothing to AWS. What it reads is listed in [docs/iam.md](../../docs/iam.md)."
    lines = ["| Resource | IAM actions that writing it takes |", "| --- | --- |"]
    lines += [f"| {kind.name} | {_listed(write.action for write in kind.writes)} |" for kind in kinds_of(role)]
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
        raise SystemExit(
            f"generate_docs: no kind's module_reads allow {', '.join(uncovered)}; add a pattern to its kind"
        )
    sections = {
        f"roles/{role}/README.md": {"options": options_section(role), "iam": iam_section(role)} for role in roles()
    }
    sections |= {f"roles/{role}/README.md": {"options": options_section(role)} for role in host_roles()}
    sections["docs/iam.md"] = {"reads": reads_section(), "writes": writes_section()}
    sections["docs/security.md"] = security_page.sections()
    files = {REPOSITORY / name: fill((REPOSITORY / name).read_text(), parts, name) for name, parts in sections.items()}
    for name, content in (
        ("iam-policy-read", read_policy()),
        ("iam-policy", policy()),
        ("iam-policy-administrator", administrator_policy()),
        ("iam-policy-destroy", destroy_policy()),
    ):
        files[REPOSITORY / f"docs/{name}.json"] = json.dumps(content, indent=2) + "\n"
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
    if options.check and outdated:
        print("Run `make docs` to write them again.")
    return int(options.check and bool(outdated))


if __name__ == "__main__":
    sys.exit(main())
