"""What the module swarm_cluster asks the engine for, in which order: an engine made of dictionaries."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.files import load_file


@pytest.fixture(scope="module")
def module() -> Iterator[Any]:
    """The module, with its own module_utils."""
    name = "ansible.module_utils.swarm_engine"
    sys.modules[name] = load_file("roles/swarm/module_utils/swarm_engine.py")
    yield load_file("roles/swarm/library/swarm_cluster.py")
    del sys.modules[name]


class Engine:
    """A manager's engine. Nodes are ready; tasks on a drained node end when they are looked at a second time."""

    def __init__(self, managers: list[str], workers: list[str], tasks: list[str]) -> None:
        self.done: list[str] = []
        self.looked = 0
        self.tasks = [{"node": f"id-{name}", "Status": {"State": "running"}} for name in tasks]
        self.spec: dict[str, Any] = {"Labels": {}, "Orchestration": {}, "EncryptionConfig": {}}
        self.nodes = {f"id-{name}": self.node(name, "manager") for name in managers}
        self.nodes |= {f"id-{name}": self.node(name, "worker") for name in workers}

    def node(self, name: str, role: str, state: str = "ready") -> dict[str, Any]:
        """A node as the API describes it."""
        found: dict[str, Any] = {
            "ID": f"id-{name}",
            "Version": {"Index": 1},
            "Spec": {"Role": role, "Availability": "active", "Labels": {}},
            "Description": {"Hostname": name},
            "Status": {"State": state},
        }
        return found | ({"ManagerStatus": {"Reachability": "reachable"}} if role == "manager" else {})

    def get(self, path: str, **query: Any) -> Any:
        """GET."""
        if path == "/info":
            return {"Swarm": {"NodeID": "id-prod"}}
        if path == "/nodes":
            return list(self.nodes.values())
        if path == "/tasks":
            self.looked += 1
            drained = self.looked > 1
            return [
                task | ({"Status": {"State": "shutdown"}} if drained else {})
                for task in self.tasks
                if task["node"] in query["filters"]
            ]
        if path == "/swarm":
            return {"Spec": self.spec, "Version": {"Index": 1}}
        if path == "/networks":
            return []
        return self.nodes[path.removeprefix("/nodes/")]

    def post(self, path: str, body: Any = None, **query: Any) -> None:
        """POST."""
        if path == "/swarm/update":
            self.done.append("swarm")
            self.spec = body
            return
        node = self.nodes[path.split("/")[2]]
        changed = [f"{key}={body[key]}" for key in body if body[key] != node["Spec"][key]]
        self.done.append(f"{node['ID']} {' '.join(changed)}")
        node["Spec"] = body
        if body["Role"] == "worker":
            node.pop("ManagerStatus", None)

    def delete(self, path: str, **query: Any) -> None:
        """DELETE."""
        self.done.append(f"delete {path}")
        del self.nodes[path.split("/")[2]]


def host(name: str, role: str, node_id: str | None = None) -> dict[str, Any]:
    """A host of the run as swarm_members gives it."""
    own = f"id-{name}" if node_id is None else node_id
    return {
        "node_id": own, "hostname": name, "role": role, "labels": {}, "ingress": True, "encryption": True
    }  # fmt: skip


def run(module: Any, engine: Engine, members: dict[str, Any], **parameters: Any) -> list[str]:
    """Everything that the module does."""
    known = {
        "name": "", "members": members, "departing": "", "replaced_only": False, "complete": True, "networks": {},
        "task_history": 5, "autolock": False, "rotate_tokens": False, "rotate_unlock_key": False,
    }  # fmt: skip
    cluster = module.Cluster(engine, known | parameters, False)
    module.make(cluster)
    return list(cluster.actions)


def test_a_manager_that_departs_is_drained_before_it_is_demoted(module: Any) -> None:
    engine = Engine(["prod", "stage", "build"], [], tasks=["stage", "prod"])
    members = {name: host(name, role) for name, role in (("prod", "manager"), ("stage", "none"), ("build", "none"))}
    assert run(module, engine, members, departing="stage") == ["stage: drain it", "stage: make it a worker"]
    assert engine.done == ["id-stage Availability=drain", "id-stage Role=worker"]
    # Its task had ended in between.
    assert engine.looked == 2
    # Again, after a kill: nothing is left of it to do.
    assert run(module, engine, members, departing="stage") == []


def test_a_worker_that_departs_is_drained(module: Any) -> None:
    engine = Engine(["prod"], ["internal"], tasks=["internal"])
    members = {"prod": host("prod", "manager"), "internal": host("internal", "none")}
    assert run(module, engine, members, departing="internal") == ["internal: drain it"]


def test_no_manager_departs_without_a_majority_of_the_others(module: Any) -> None:
    engine = Engine(["prod", "stage", "build"], [], tasks=[])
    engine.nodes["id-build"]["ManagerStatus"]["Reachability"] = "unreachable"
    with pytest.raises(module.RefusedError, match="stage stays a manager: of the 2 others 1 can be reached"):
        run(module, engine, {"prod": host("prod", "manager"), "stage": host("stage", "none")}, departing="stage")
    assert "id-stage Role=worker" not in engine.done


def test_what_is_left_of_a_host_that_has_moved_goes(module: Any) -> None:
    """As after a kill between its leaving and the removal of its entry."""
    engine = Engine(["prod"], [], tasks=[])
    engine.nodes["id-stage"] = engine.node("stage", "worker", state="down")
    members = {"prod": host("prod", "manager"), "stage": host("stage", "none", node_id="of another Swarm")}
    assert run(module, engine, members, name="production") == [
        "stage: remove its former entry id-stage",
        "the Swarm: Labels, Orchestration, EncryptionConfig",
    ]
    assert set(engine.nodes) == {"id-prod"}
    assert engine.spec["Labels"]["swarm"] == "production"
    assert run(module, engine, members, name="production") == []


def test_a_host_that_still_has_to_move_is_left_alone(module: Any) -> None:
    engine = Engine(["prod", "stage"], [], tasks=["stage"])
    members = {"prod": host("prod", "manager"), "stage": host("stage", "none")}
    run(module, engine, members, name="production")
    assert engine.done == ["swarm"]
    # Its kernel counts for nothing, since it is no member.
    assert engine.spec["Labels"]["encryption"] == "true"
