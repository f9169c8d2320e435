"""The roles' interfaces, the inventories and the plays are what they say."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.platform.engine.declaration import COMMON
from ansible.module_utils.platform.engine.schema import check, variables
from ansible.module_utils.platform.kinds import KINDS
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

from tests.support.files import docstrings

REPOSITORY = Path(__file__).resolve().parents[2]
SPECS = sorted(REPOSITORY.glob("roles/*/meta/argument_specs.yml"))
ROLES = [path.parent.parent for path in SPECS]
AWS_ROLES = [role for role in ROLES if role.name.startswith("aws_")]
INVENTORIES = ["production", "rehearsal"]
PLANNER = REPOSITORY / "plugins/module_utils/platform"
PLAYBOOKS = sorted((REPOSITORY / "playbooks").rglob("*.yml"))


def name_of(path: Path) -> str:
    """How a parametrised test is called."""
    return path.name


@cache
def specs(role: Path) -> dict[str, Any]:
    """The entry points of a role."""
    found: dict[str, Any] = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    return found


@cache
def declared() -> dict[str, Any]:
    """Every variable of group_vars/all, templates as they are written."""
    merged: dict[str, Any] = {}
    for path in sorted((REPOSITORY / "group_vars/all").glob("*.yml")):
        merged |= yaml.safe_load(path.read_text())
    return merged


# --- Options and defaults --------------------------------------------------------------------------------------------


def differences(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Where the specs of `main` and defaults/main.yml disagree."""
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    return [
        *(f"{name}: only in the specs" for name in specified.keys() - defaults.keys()),
        *(f"{name}: only in the defaults" for name in defaults.keys() - specified.keys()),
        *(
            f"{name}: {specified[name]!r} and {defaults[name]!r}"
            for name in specified.keys() & defaults.keys()
            if (specified[name], type(specified[name])) != (defaults[name], type(defaults[name]))
        ),
        *(
            f"{name}: neither required nor with a default"
            for name, option in options.items()
            if not option.get("required") and "default" not in option
        ),
    ]


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_roles_have_a_readme_and_prefixed_names(role: Path) -> None:
    assert (role / "README.md").read_text().startswith(f"# {role.name}\n")
    options = specs(role)["main"]["options"]
    assert [name for name in options if not f"{name}_".startswith(f"{role.name}_")] == []


def planned_only(role: Path) -> set[str]:
    """Variables that only the plan reads, which takes their defaults from the specs."""
    tasks = " ".join(path.read_text() for path in role.glob("tasks/*.yml"))
    return {
        name
        for name in specs(role)["main"]["options"]
        if role.name.startswith("aws_") and not re.search(rf"\b{name}\b", tasks)
    }


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_defaults_are_those_of_the_specs(role: Path) -> None:
    path = role / "defaults/main.yml"
    defaults = (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}
    planned = planned_only(role)
    expected = {f"{name}: only in the specs" for name in planned}
    found = differences(specs(role)["main"]["options"], defaults)
    assert [line for line in found if line not in expected] == []
    assert planned & defaults.keys() == set()


def test_the_comparison_of_defaults_notices_every_difference() -> None:
    options = {"a": {"default": 1}, "b": {"default": 1}, "c": {}, "d": {"required": True}, "e": {"default": 0}}
    found = differences(options, {"a": 2, "x": 1, "e": False})
    assert sorted(line.partition(":")[0] for line in found) == ["a", "b", "c", "e", "x"]


def test_every_role_with_tasks_has_specs() -> None:
    assert {path.parent.parent for path in REPOSITORY.glob("roles/*/tasks/main.yml")} == set(ROLES)


# --- Every option is read somewhere ----------------------------------------------------------------------------------


def python_words(paths: Iterable[Path]) -> set[str]:
    """Words of the string constants of Python files; comments and docstrings do not count."""
    words: set[str] = set()
    for path in paths:
        tree = ast.parse(path.read_text())
        prose = docstrings(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                words |= set(re.findall(r"\w+", node.value))
    return words


def file_words(paths: Iterable[Path]) -> set[str]:
    """Words of tasks and templates; comments do not count."""
    words: set[str] = set()
    for path in paths:
        if path.is_file():
            words |= set(re.findall(r"\w+", re.sub(r"(?m)(^|\s)#(?!\{).*$", "", path.read_text())))
    return words


def template_words(value: Any) -> set[str]:
    """Words inside the templates of a variable."""
    return {word for text in re.findall(r"\{\{(.*?)}}", json.dumps(value)) for word in re.findall(r"\w+", text)}


@cache
def planner_words() -> frozenset[str]:
    """What the planner and the filters read, and what one variable takes from another."""
    code = python_words([*PLANNER.rglob("*.py"), *(REPOSITORY / "plugins/filter").glob("*.py")])
    return frozenset(code | template_words(declared()))


def role_words(role: Path) -> set[str]:
    """What a role's own files read, and the modules of this repository that they name."""
    folders = ("tasks", "templates", "handlers", "vars")
    words = file_words(path for folder in folders for path in (role / folder).rglob("*"))
    shared = [path for path in (REPOSITORY / "plugins/modules").glob("*.py") if path.stem in words]
    own = [path for folder in ("library", "module_utils", "filter_plugins") for path in (role / folder).glob("*.py")]
    return words | python_words([*shared, *own])


def names(options: Mapping[str, Any]) -> Iterator[str]:
    """Options and the options inside them."""
    for name, option in options.items():
        yield name
        yield from names(option.get("options", {}))


def unread(role: Path, entry_points: Mapping[str, Any]) -> list[str]:
    """Options that nothing reads."""
    known = role_words(role) | (planner_words() if role.name.startswith("aws_") else set())
    return [
        f"{entry_point}.{name}"
        for entry_point, entry in entry_points.items()
        for name in names(entry.get("options", {}))
        if name not in known
    ]


@pytest.mark.parametrize("role", ROLES, ids=name_of)
def test_every_option_is_read_somewhere(role: Path) -> None:
    assert unread(role, specs(role)) == []


def test_an_option_that_nothing_reads_is_noticed() -> None:
    role = REPOSITORY / "roles/aws_compute"
    entry_points = copy.deepcopy(specs(role))
    entry_points["main"]["options"]["aws_compute_colour"] = {"type": "str", "default": ""}
    entry_points["instance"]["options"]["metadata"]["options"]["loudness"] = {"type": "int"}
    assert unread(role, entry_points) == ["main.aws_compute_colour", "instance.loudness"]


def test_a_word_in_a_docstring_or_comment_does_not_count(tmp_path: Path) -> None:
    code, task = tmp_path / "a.py", tmp_path / "a.yml"
    code.write_text('"""loudness"""\n# loudness\nx = {"volume": 1}\n')
    task.write_text("# loudness\na: 1  # loudness\n")
    assert "loudness" not in python_words([code]) | file_words([task])
    assert "volume" in python_words([code])


@pytest.mark.parametrize("role", AWS_ROLES, ids=name_of)
def test_every_entry_point_describes_the_entries_of_a_variable(role: Path) -> None:
    described = {entry_point for owner, entry_point in KINDS.entries().values() if owner == role.name}
    assert set(specs(role)) - {"main"} == described


# --- group_vars ------------------------------------------------------------------------------------------------------


def aws_specs() -> dict[str, dict[str, Any]]:
    """Options by role and entry point, as the planner takes them."""
    return {role.name: {name: entry.get("options", {}) for name, entry in specs(role).items()} for role in AWS_ROLES}


def unknown(found: Iterable[str]) -> list[str]:
    """Names of variables that begin like a role and that its specs do not have."""
    known = set(variables(aws_specs(), COMMON))
    known |= {name for role in ROLES for name in specs(role)["main"]["options"]}
    prefixes = ("aws_", *(f"{role.name}_" for role in ROLES))
    return [name for name in found if name.startswith(prefixes) and name not in known]


@pytest.mark.parametrize("path", sorted((REPOSITORY / "group_vars").rglob("*.yml")), ids=name_of)
def test_group_vars_hold_known_names_only(path: Path) -> None:
    assert unknown(yaml.safe_load(path.read_text()) or {}) == []


def test_a_misspelt_name_is_noticed() -> None:
    assert unknown(["aws_network_vpc", "aws_network_vpcs", "ansible_port"]) == ["aws_network_vpc"]


@pytest.mark.parametrize(
    ("name", "fix"),
    [("aws_network_vpc", "write `aws_network_vpcs`"), ("aws_storage_bucket", "write `aws_storage_buckets`")],
)
def test_the_planner_refuses_it_and_says_what_was_meant(name: str, fix: str) -> None:
    _, problems = check(
        {"aws_region": "ap-northeast-2", name: {}}, aws_specs(), KINDS.entries(), KINDS.defaults(), COMMON
    )
    assert [problem.fix for problem in problems if problem.what.startswith(f"`{name}` is")] == [fix]


# --- Plays -----------------------------------------------------------------------------------------------------------


def loose(plays: Iterable[Mapping[str, Any]]) -> list[str]:
    """Plays that would go on after a host has failed. A template is not literal: it can be false.

    One that ignores unreachable hosts means to go on, and says so: with any_errors_fatal it would not.
    """
    return [
        play.get("name", play.get("hosts", "a play without a name"))
        for play in plays
        if "import_playbook" not in play and "ansible.builtin.import_playbook" not in play
        if not (_goes_on(play) if play.get("ignore_unreachable") else _ends(play))
    ]


def _goes_on(play: Mapping[str, Any]) -> bool:
    return play.get("any_errors_fatal") is False and "max_fail_percentage" not in play


def _ends(play: Mapping[str, Any]) -> bool:
    percentage = play.get("max_fail_percentage")
    return play.get("any_errors_fatal") is True and percentage == 0 and not isinstance(percentage, bool)


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_plays_fail_as_one(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    # Task files and variables lie beside playbooks, too.
    if isinstance(content, list) and any("hosts" in item or "import_playbook" in str(item) for item in content):
        assert loose(content) == []


def shared_facts(content: Any) -> list[str]:
    """Tasks that set a fact with run_once: hosts that have no facts yet share one set of them from then on.

    ansible-core 2.21 gives each host the same, empty, dictionary. The Swarm's managers then listened on one address.
    """
    found = []
    for item in content if isinstance(content, list) else []:
        for part in ("tasks", "pre_tasks", "post_tasks", "block"):
            found += shared_facts(item.get(part))
        if item.get("run_once") and "ansible.builtin.set_fact" in item:
            found.append(item["name"])
    return found


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_fact_is_set_for_all_hosts_at_once(path: Path) -> None:
    assert shared_facts(yaml.safe_load(path.read_text())) == []


def test_a_fact_for_all_hosts_at_once_is_noticed() -> None:
    task = {"name": "x", "ansible.builtin.set_fact": {"a": 1}, "run_once": True}
    assert shared_facts([{"hosts": "all", "tasks": [{"block": [task]}]}]) == ["x"]


def test_there_are_playbooks_to_look_at() -> None:
    assert {"plan.yml", "provision.yml"} <= {path.name for path in PLAYBOOKS}


def test_a_play_that_goes_on_is_noticed() -> None:
    good: dict[str, Any] = {"hosts": "all", "any_errors_fatal": True, "max_fail_percentage": 0}
    bad: list[dict[str, Any]] = [
        {**good, "name": "template", "any_errors_fatal": "{{ true }}"},
        {**good, "name": "percent", "max_fail_percentage": 10},
        {**good, "name": "false", "max_fail_percentage": False},
        {"hosts": "all", "name": "neither"},
        {**good, "name": "ends with a host that it ignores", "ignore_unreachable": True},
    ]
    other = {"hosts": "all", "any_errors_fatal": False, "ignore_unreachable": True}
    assert loose([good, other, *bad, {"import_playbook": "x.yml"}]) == [play["name"] for play in bad]


# --- Inventories -----------------------------------------------------------------------------------------------------


def host_variables(inventory: Path) -> dict[str, Any]:
    """What Ansible knows of localhost."""
    loader = DataLoader()
    # As ansible-playbook does. The current directory would load the group_vars/ that lies in it, link or no link.
    loader.set_basedir(str(REPOSITORY / "playbooks"))
    manager = InventoryManager(loader, sources=[str(inventory / "hosts.yml")])
    found: dict[str, Any] = VariableManager(loader, manager).get_vars(host=manager.get_host("localhost"))
    return found


@pytest.mark.parametrize("name", INVENTORIES)
def test_inventories_load_the_declaration(name: str) -> None:
    found = host_variables(REPOSITORY / "inventories" / name)
    assert found["platform_sentinel"] == "koin"
    assert set(declared()) <= set(found)


def test_an_inventory_without_the_link_does_not(tmp_path: Path) -> None:
    source = (REPOSITORY / "inventories/production/hosts.yml").read_text()
    (tmp_path / "hosts.yml").write_text(source)
    assert "platform_sentinel" not in host_variables(tmp_path)


def test_both_inventories_build_the_same_groups() -> None:
    connection = {"endpoint_url", "access_key", "secret_key", "compose"}
    production, rehearsal = (
        yaml.safe_load((REPOSITORY / "inventories" / name / "aws_ec2.yml").read_text()) for name in INVENTORIES
    )
    common, other = (
        {key: value for key, value in plugin.items() if key not in connection} for plugin in (production, rehearsal)
    )
    assert common == other
    assert common["regions"] == [declared()["aws_region"]]
    # Production takes its credentials from the environment.
    assert set(production) & connection == {"compose"}
    assert set(production["compose"]) == set(rehearsal["compose"])


# --- Roles in roles --------------------------------------------------------------------------------------------------


def tasks_of(content: Any) -> Iterator[dict[str, Any]]:
    """Every task of a file, those of blocks included."""
    for task in content or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_of(task.get(part))


def used_roles(role: Path, how: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Tasks of a role that use another one: each with what it says of that role."""
    for path in sorted(role.glob("tasks/*.yml")):
        for task in tasks_of(yaml.safe_load(path.read_text())):
            if how in task:
                yield task, task[how]


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_roles_with_handlers_are_included_not_imported(role: Path) -> None:
    # Handlers of an imported role inherit the conditions of the import, and are skipped or fail with them.
    imported = [used["name"] for _, used in used_roles(role, "ansible.builtin.import_role")]
    assert [name for name in imported if (role.parent / name / "handlers").exists()] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_another_role_is_given_what_it_knows(role: Path) -> None:
    for task, used in used_roles(role, "ansible.builtin.include_role"):
        entry_points = specs(role.parent / used["name"])
        options = entry_points.get(used.get("tasks_from", "main"), {}).get("options", {})
        given = set(task.get("vars", {}))
        assert given <= set(options), task["name"]
        needed = {name for name, option in options.items() if option.get("required")}
        assert needed <= given or used.get("tasks_from", "main") == "main", task["name"]


#: what Ansible itself gives to every host, and how it connects; everything else with this prefix is a fact
GIVEN = re.compile(
    r"ansible_(facts|failed_\w+|check_mode|diff_mode|playbook_python|python_interpreter|run_tags|skip_tags|limit|managed|loop\w*"
    r"|play_\w+|host|port|user|connection|become\w*|ssh_\w+|inventory_sources|verbosity|config_file|collections)\b"
)


@pytest.mark.parametrize("folder", ["roles", "playbooks", "group_vars", "inventories", "molecule"])
def test_facts_are_read_from_ansible_facts(folder: str) -> None:
    # ansible.cfg does not make variables of them.
    found = {
        word
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in {".yml", ".j2"}
        for word in re.findall(r"\bansible_\w+", path.read_text())
    }
    assert {word for word in found if not GIVEN.fullmatch(word)} == set()
