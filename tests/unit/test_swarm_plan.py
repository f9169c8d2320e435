"""Which host joins, leaves and creates which Swarm: what was found in, steps out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.files import load_file

FILTERS = load_file("roles/swarm/filter_plugins/swarm.py")
CLUSTERS = {
    "production": {"managers": ["prod"], "workers": [], "inherits": True},
    "stage": {"managers": ["stage"], "workers": ["internal"], "inherits": False},
}
ADDRESS = {"prod": "10.0.0.1", "stage": "10.0.0.2", "internal": "10.0.0.3", "build": "10.0.0.4"}
HOSTS = tuple(ADDRESS)


def outside(name: str) -> dict[str, Any]:
    """A host in no Swarm."""
    return {
        "state": "inactive",
        "error": "",
        "hostname": name,
        "node_id": "",
        "cluster_id": "",
        "control": False,
        "managers": [],
        "quorum": False,
        "nodes": {},
        "swarm": "",
        "own_address": ADDRESS[name],
        "role": "none",
        "unlockable": False,
    }


def member(name: str, swarm: str, managers: list[str], workers: list[str], label: str = "") -> dict[str, Any]:
    """A host in a Swarm, whose id is `swarm`."""
    found = outside(name) | {
        "state": "active",
        "node_id": f"{swarm}-{name}",
        "managers": [f"{ADDRESS[host]}:2377" for host in managers],
    }
    if name in managers:
        nodes = {f"{swarm}-{host}": host for host in (*managers, *workers)}
        found |= {"cluster_id": swarm, "control": True, "quorum": True, "nodes": nodes, "swarm": label}
    return found


def swarm(name: str, managers: list[str], workers: list[str], label: str = "") -> dict[str, dict[str, Any]]:
    """The hosts of a Swarm."""
    return {host: member(host, name, managers, workers, label) for host in (*managers, *workers)}


#: as the platform was before each environment had a Swarm of its own
FORMER = swarm("x", ["prod", "stage", "build"], ["internal"])
#: as it is declared now
APART = (
    swarm("x", ["prod"], [], "production") | swarm("y", ["stage"], ["internal"], "stage") | {"build": outside("build")}
)


def plan(found: dict[str, dict[str, Any]], move: str = "", **more: Any) -> dict[str, Any]:
    """The steps."""
    steps: dict[str, Any] = FILTERS.swarm_plan(found, CLUSTERS, move, **more)
    return steps


def test_nothing_is_to_do_when_each_host_is_in_its_swarm() -> None:
    steps = plan(APART)
    assert (steps["problems"], steps["join"], steps["membership"], steps["moves"]) == ([], {}, False, [])
    assert {name: step["leader"] for name, step in steps["swarms"].items()} == {"production": "prod", "stage": "stage"}


def test_each_swarm_is_created_on_fresh_hosts() -> None:
    steps = plan({host: outside(host) for host in HOSTS})
    assert steps["problems"] == []
    assert {name: step["initialise"] for name, step in steps["swarms"].items()} == {
        "production": "prod",
        "stage": "stage",
    }
    assert steps["join"] == {"internal": False}


def test_nobody_leaves_the_former_swarm_unasked() -> None:
    steps = plan(FORMER)
    assert (steps["problems"], steps["join"], steps["membership"], steps["move"]) == ([], {}, False, [])
    assert steps["unasked"] == ["internal", "build", "stage"]
    assert steps["moves"] == [
        "internal leaves the Swarm production (drained) and joins stage",
        "build leaves the Swarm production (drained, demoted) and is in none",
        "stage leaves the Swarm production (drained, demoted) and joins stage",
    ]
    # It is production's already, and nothing is created beside it.
    assert steps["swarms"]["production"]["leader"] == "prod"
    assert steps["swarms"]["stage"]["initialise"] == ""
    said = FILTERS.swarm_unasked(steps)
    assert "-e swarm_move=internal,build,stage" in said
    assert "stage leaves the Swarm production" in said


@pytest.mark.parametrize("move", ["true", "True", "build, internal,stage"])
def test_hosts_that_may_leave_one_after_the_other_managers_last(move: str) -> None:
    steps = plan(FORMER, move)
    assert (steps["problems"], steps["unasked"]) == ([], [])
    assert steps["move"] == [{"host": host, "leader": "prod"} for host in ("internal", "build", "stage")]


def test_a_host_that_is_not_named_stays() -> None:
    steps = plan(FORMER, "build")
    assert steps["move"] == [{"host": "build", "leader": "prod"}]
    assert steps["unasked"] == ["internal", "stage"]


def test_a_killed_move_goes_on() -> None:
    """Build has left, stage has left and created nothing yet, internal is still a worker of the former one."""
    found = swarm("x", ["prod"], ["internal"]) | {"build": outside("build"), "stage": outside("stage")}
    found["prod"]["nodes"] |= {"x-stage": "stage", "x-build": "build"}
    steps = plan(found, "true")
    assert steps["problems"] == []
    assert steps["swarms"]["stage"]["initialise"] == "stage"
    assert steps["move"] == [{"host": "internal", "leader": "prod"}]
    # It is not taken along while it still has to leave.
    assert steps["join"] == {}
    # Then it joins.
    after = swarm("x", ["prod"], []) | swarm("y", ["stage"], []) | {h: outside(h) for h in ("build", "internal")}
    steps = plan(after, "true")
    assert (steps["join"], steps["swarms"]["stage"]["leader"], steps["moves"]) == ({"internal": False}, "stage", [])


def test_a_part_of_the_hosts_does_not_rename_the_former_swarm() -> None:
    found = {name: FORMER[name] for name in ("stage", "internal")}
    steps = plan(found)
    assert steps["unasked"] == ["internal", "stage"]
    assert steps["swarms"]["stage"]["leader"] == ""
    # Without a manager that stays, nobody could be drained and demoted.
    (internal, stage) = plan(found, "true")["problems"]
    assert internal.startswith("internal cannot leave the Swarm production: none of its declared managers (prod)")
    assert stage.startswith("stage cannot leave")


def test_a_worker_is_not_taken_out_of_a_swarm_whose_managers_are_not_in_the_run() -> None:
    found = {"stage": outside("stage"), "internal": FORMER["internal"]}
    (problem,) = plan(found, "true")["problems"]
    assert problem.startswith("internal is a member of a Swarm with other managers (10.0.0.1, 10.0.0.4)")


def test_which_swarm_keeps_the_former_one_is_not_guessed() -> None:
    clusters = {name: {**cluster, "inherits": False} for name, cluster in CLUSTERS.items()}
    (problem,) = FILTERS.swarm_plan(FORMER, clusters)["problems"]
    assert "hosts of several declared Swarms (production, stage)" in problem
    assert "inherits: true" in problem


def test_a_manager_that_was_replaced_comes_back_before_others_leave() -> None:
    found = FORMER | {"prod": outside("prod")}
    steps = plan(found, "true")
    assert (steps["problems"], steps["join"], steps["move"]) == ([], {"prod": False}, [])
    assert steps["swarms"]["production"]["leader"] == "stage"


def test_a_lost_only_manager_founds_its_swarm_again() -> None:
    """The workers know the lost one, at the address of the new one."""
    found = APART | {"stage": outside("stage")}
    steps = plan(found)
    assert steps["problems"] == []
    assert steps["swarms"]["stage"]["initialise"] == "stage"
    assert steps["join"] == {"internal": True}
    assert steps["swarms"]["production"] == {"initialise": "", "leader": "prod", "complete": True}


def test_no_second_swarm_while_a_member_is_not_in_the_run() -> None:
    (problem,) = plan({"stage": outside("stage")})["problems"]
    assert problem.startswith("no manager of the Swarm stage takes part in this run, but internal may be one")


def test_a_lost_majority_of_one_swarm_is_reported() -> None:
    lost = APART["stage"] | {"quorum": False, "nodes": {}, "swarm": "", "error": "no leader"}
    (problem,) = plan(APART | {"stage": lost})["problems"]
    assert problem.startswith("stage: no majority of the managers can be reached (no leader)")


def test_two_swarms_of_one_name_are_refused() -> None:
    clusters = {"stage": {"managers": ["stage", "internal"], "workers": []}}
    found = swarm("a", ["stage"], []) | swarm("b", ["internal"], [])
    (problem,) = FILTERS.swarm_plan(found, clusters)["problems"]
    assert problem.startswith("managers of 2 different Swarms: stage; internal")


def test_locked_managers_are_unlocked_before_anything_is_compared() -> None:
    locked = outside("stage") | {"state": "locked"}
    (problem,) = plan(APART | {"stage": locked})["problems"]
    assert problem.startswith("stage: locked since the engine has restarted. Set swarm_unlock_key")
    steps = plan(APART | {"stage": locked | {"unlockable": True}})
    assert (steps["problems"], steps["unlock"], steps["membership"]) == ([], ["stage"], False)


def test_a_missing_engine_is_reported_unless_in_check_mode() -> None:
    absent = outside("stage") | {"state": "absent", "error": "no engine answers", "role": "manager"}
    (problem,) = plan(APART | {"stage": absent})["problems"]
    assert problem == "stage: no engine answers. The role docker comes before swarm."
    assert plan(APART | {"stage": absent}, check=True)["problems"] == []


def test_the_last_host_of_a_swarm_that_is_not_declared_leaves_it_when_asked() -> None:
    found = APART | swarm("z", ["build"], [])
    steps = plan(found)
    assert steps["moves"] == [
        "build leaves the Swarm that is not declared and is in none; nobody stays in it, so its services end"
    ]
    assert plan(found, "build")["move"] == [{"host": "build", "leader": ""}]


def test_hosts_of_other_swarms_are_no_members() -> None:
    found = {name: known | {"labels": {}, "ingress": True, "encryption": False} for name, known in APART.items()}
    for name, role in (("prod", "manager"), ("stage", "manager"), ("internal", "worker")):
        found[name]["role"] = role
    members = FILTERS.swarm_members(found, CLUSTERS, "production")
    assert {name: entry["role"] for name, entry in members.items()} == {
        "prod": "manager",
        "stage": "none",
        "internal": "none",
        "build": "none",
    }
