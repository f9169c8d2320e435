#!/usr/bin/python
"""What a Swarm is as a whole."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.swarm_engine import Engine, EngineError

DOCUMENTATION = r"""
module: swarm_cluster
short_description: Make a Docker Swarm match its declaration
description:
  - Run on one manager. Compares roles, labels, entries of replaced hosts, settings and networks with what is declared,
    and changes what differs.
  - Never removes a manager if the rest could not form a majority.
options:
  name:
    description: Name of the Swarm; kept as its label C(swarm).
    type: str
    default: ""
  members:
    description:
      - Hosts by name, as M(swarm_member) returns them. A host whose role is C(none) is not declared in this Swarm; if
        it still is a member, it is left alone.
      - Only entries with the host name of one of these are ever removed, and only those that are not the host any more.
    type: dict
    required: true
  departing:
    description:
      - A member that is about to leave. Does nothing but move its tasks to other nodes and make it a worker.
    type: str
    default: ""
  replaced_only:
    description:
      - Whether to remove only the entries of replaced hosts. Done before their successors join, so that no lost manager
        counts for the majority.
    type: bool
    default: false
  complete:
    description: Whether these are all declared members. If not, detected kernel features are only ever removed.
    type: bool
    default: true
  networks:
    description: Overlay networks by name.
    type: dict
    default: {}
  task_history:
    description: Number of ended tasks to keep for each replica.
    type: int
    default: 5
  autolock:
    description: Whether a restarted manager needs a key to unlock its data.
    type: bool
    default: false
  rotate_tokens:
    description: Whether to create new join tokens.
    type: bool
    default: false
  rotate_unlock_key:
    description: Whether to create a new unlock key for managers.
    type: bool
    default: false
author: BCSDLab
"""

EXAMPLES = r"""
- name: Label a node
  swarm_cluster:
    members:
      koin-prod: "{{ member.member }}"
"""

RETURN = r"""
actions:
  description: Changes that were made, or would be in check mode, one line each.
  returned: always
  type: list
  elements: str
"""

#: seconds until a member that has just joined is ready, and one that is gone counts as down
_PATIENCE = 60.0
#: states of a task that has a container, or is about to
_ALIVE = ("assigned", "accepted", "preparing", "ready", "starting", "running")


class RefusedError(Exception):
    """What must not be done, why, and what to do instead."""


class Cluster:
    """The Swarm as one of its managers sees it. In check mode nothing is written, and actions are only noted."""

    def __init__(self, engine: Engine, parameters: dict[str, Any], check: bool) -> None:
        self.engine = engine
        self.parameters = parameters
        self.check = check
        self.actions: list[str] = []
        self.own_id: str = engine.get("/info")["Swarm"]["NodeID"]
        self.nodes: dict[str, dict[str, Any]] = {}

    def read_nodes(self) -> None:
        """Read the nodes again."""
        self.nodes = {node["ID"]: node for node in self.engine.get("/nodes")}

    def do(self, what: str, how: Callable[[], Any]) -> None:
        """Note an action, and take it."""
        self.actions.append(what)
        if not self.check:
            how()

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Wait until something holds of the nodes."""
        deadline = time.monotonic() + _PATIENCE
        while not done():
            if time.monotonic() > deadline:
                raise RefusedError(f"{what} did not happen within {_PATIENCE:.0f} s; look at `docker node ls`")
            time.sleep(0.5)
            try:
                self.read_nodes()
            except EngineError:
                # A manager that steps down was the leader, perhaps; the others take a moment to choose another.
                if time.monotonic() > deadline:
                    raise

    # --- Nodes ---

    def write(self, node_id: str, **changes: Any) -> None:
        """Change fields of a node's spec."""
        for attempt in range(5):
            node = self.engine.get(f"/nodes/{node_id}")
            try:
                self.engine.post(
                    f"/nodes/{node_id}/update", {**node["Spec"], **changes}, version=node["Version"]["Index"]
                )
                return
            except EngineError as error:
                # Somebody, the Swarm itself perhaps, has written in between.
                if "out of sequence" not in str(error) or attempt == 4:
                    raise

    def is_manager(self, node_id: str) -> bool:
        """Whether a node takes part in decisions now."""
        return "ManagerStatus" in self.nodes.get(node_id, {})

    def has_state(self, node_id: str, state: str) -> bool:
        """Whether the Swarm reports a node in this state."""
        found: str | None = self.nodes.get(node_id, {}).get("Status", {}).get("State")
        return found == state

    def is_reachable(self, node_id: str) -> bool:
        """Whether it responds as a manager."""
        status = self.nodes.get(node_id, {}).get("ManagerStatus") or {}
        return status.get("Reachability") == "reachable"

    def refuse_unless_majority(self, without: str, name: str) -> None:
        """Fail if the other managers would have no majority."""
        left = [node_id for node_id in self.nodes if self.is_manager(node_id) and node_id != without]
        up = [node_id for node_id in left if self.is_reachable(node_id)]
        if not majority(len(up), len(left)):
            raise RefusedError(
                f"{name} stays a manager: of the {len(left)} others {len(up)} can be reached, which is no majority. "
                "Bring managers back first, or declare more of them (swarm_managers), and run again."
            )

    def demote(self, node_id: str, name: str) -> None:
        """Demote a manager, if the others still have a majority."""
        self.refuse_unless_majority(node_id, name)
        self.do(f"{name}: make it a worker", lambda: self.write(node_id, Role="worker"))
        if not self.check and node_id != self.own_id:
            self.wait(lambda: not self.is_manager(node_id), f"{name} becoming a worker")

    def busy(self, node_id: str) -> bool:
        """Whether a node runs tasks."""
        tasks = self.engine.get("/tasks", filters=json.dumps({"node": [node_id]}))
        return any(task["Status"]["State"] in _ALIVE for task in tasks)

    def depart(self, name: str, member: dict[str, Any]) -> None:
        """Drain a member, then demote it."""
        node_id = member["node_id"]
        if node_id not in self.nodes:
            return
        if self.nodes[node_id]["Spec"]["Availability"] != "drain":
            self.do(f"{name}: drain it", partial(self.write, node_id, Availability="drain"))
        # Tasks that have not stopped by then end when it leaves.
        deadline = time.monotonic() + _PATIENCE
        while not self.check and self.busy(node_id) and time.monotonic() < deadline:
            time.sleep(0.5)
        if self.nodes[node_id]["Spec"]["Role"] == "manager":
            self.demote(node_id, name)

    def await_members(self, members: dict[str, dict[str, Any]]) -> None:
        """Members that have just joined turn up a moment later."""
        for name, member in members.items():
            node_id = member["node_id"]
            self.wait(
                partial(self.has_state, node_id, "ready"),
                f"{name} becoming ready",
            )

    def promote(self, members: dict[str, dict[str, Any]]) -> None:
        """Make managers of workers, one after the other."""
        for name, member in members.items():
            node_id = member["node_id"]
            if member["role"] == "manager" and self.nodes[node_id]["Spec"]["Role"] != "manager":
                self.do(f"{name}: make it a manager", partial(self.write, node_id, Role="manager"))
                if not self.check:
                    self.wait(partial(self.is_reachable, node_id), f"{name} becoming a manager")

    def remove_replaced(self, members: dict[str, dict[str, Any]]) -> None:
        """Entries with a host's name that are not the host: what is left of its predecessors."""
        own = {member["node_id"] for member in members.values()}
        names = {member["hostname"]: name for name, member in members.items()}
        for node_id, node in list(self.nodes.items()):
            name = names.get(node["Description"]["Hostname"])
            if name is None or node_id in own:
                continue
            # A host has one engine, so this one cannot be alive; the Swarm takes some seconds to notice.
            if not self.check:
                self.wait(
                    partial(self.has_state, node_id, "down"),
                    f"the former {name} ({node_id}) counting as down",
                )
            if self.is_manager(node_id):
                self.demote(node_id, f"the former {name} ({node_id})")
            self.do(f"{name}: remove its former entry {node_id}", partial(self.remove, node_id))

    def remove(self, node_id: str) -> None:
        """Remove a node's entry."""
        self.engine.delete(f"/nodes/{node_id}", force="true")
        self.nodes.pop(node_id, None)

    def label(self, members: dict[str, dict[str, Any]]) -> None:
        """Exactly the declared labels."""
        for name, member in members.items():
            node_id = member["node_id"]
            now = self.nodes[node_id]["Spec"].get("Labels") or {}
            if now != member["labels"]:
                listed = ", ".join(f"{key}={value}" for key, value in sorted(member["labels"].items())) or "none"
                self.do(
                    f"{name}: labels {listed}",
                    partial(self.write, node_id, Labels=member["labels"]),
                )

    def dismiss(self, members: dict[str, dict[str, Any]]) -> None:
        """Managers that are to be workers, this one last."""
        for name, member in sorted(members.items(), key=lambda item: item[1]["node_id"] == self.own_id):
            if member["role"] == "worker" and self.nodes[member["node_id"]]["Spec"]["Role"] == "manager":
                self.demote(member["node_id"], name)

    # --- The rest ---

    def settle(self, members: dict[str, dict[str, Any]]) -> None:
        """Settings of the Swarm, and new tokens if they are asked for."""
        swarm = self.engine.get("/swarm")
        spec = swarm["Spec"]
        labels = {**(spec.get("Labels") or {}), **self.features(members, spec.get("Labels") or {})}
        if self.parameters["name"]:
            labels["swarm"] = self.parameters["name"]
        wanted = {
            **spec,
            "Labels": labels,
            "Orchestration": {"TaskHistoryRetentionLimit": self.parameters["task_history"]},
            "EncryptionConfig": {"AutoLockManagers": self.parameters["autolock"]},
        }
        rotate = {
            "rotateWorkerToken": self.parameters["rotate_tokens"],
            "rotateManagerToken": self.parameters["rotate_tokens"],
            "rotateManagerUnlockKey": self.parameters["rotate_unlock_key"],
        }
        chosen = {key: "true" for key, value in rotate.items() if value}
        changed = [key for key in wanted if wanted[key] != (spec.get(key) or {})]
        if changed or chosen:
            what = ", ".join([*changed, *chosen])
            version = swarm["Version"]["Index"]
            self.do(
                f"the Swarm: {what}",
                lambda: self.engine.post("/swarm/update", wanted, version=version, **chosen),
            )

    def features(self, members: dict[str, dict[str, Any]], now: dict[str, str]) -> dict[str, str]:
        """What every member's kernel can do; for those who deploy services."""
        kernels = {}
        for feature in ("ingress", "encryption"):
            can = all(member[feature] for member in members.values())
            if not self.parameters["complete"]:
                can = can and now.get(feature, "true") == "true"
            kernels[feature] = "true" if can else "false"
        return kernels

    def connect(self, encryption: bool) -> None:
        """The declared networks."""
        found = {network["Name"]: network for network in self.engine.get("/networks", filters='{"driver":["overlay"]}')}
        for name, entry in self.parameters["networks"].items():
            wanted = network_body(name, entry, encryption)
            now = found.get(name)
            if now is not None:
                if entry.get("state", "present") == "present" and not (
                    different := network_differences(now, wanted, entry)
                ):
                    continue
                reason = "remove it" if entry.get("state") == "absent" else f"recreate it ({', '.join(different)})"
                self.do(f"network {name}: {reason}", partial(self.disconnect, now))
            if entry.get("state", "present") == "present":
                if now is None:
                    self.actions.append(f"network {name}: make it")
                if not self.check:
                    self.engine.post("/networks/create", wanted)

    def disconnect(self, network: dict[str, Any]) -> None:
        """Remove a network that nothing uses."""
        try:
            self.engine.delete(f"/networks/{network['Id']}")
        except EngineError as error:
            raise RefusedError(
                f"network {network['Name']} is declared otherwise than it is, and in use ({error}). "
                "Remove the services that use it (`docker network inspect -v`) and run again, or declare it as it is."
            ) from error


def majority(up: int, managers: int) -> bool:
    """Whether so many managers can decide."""
    return up > managers // 2


def network_body(name: str, entry: dict[str, Any], encryption: bool) -> dict[str, Any]:
    """A declared network as the API takes it."""
    encrypted = entry.get("encrypted", "auto")
    options = {"encrypted": ""} if encrypted == "yes" or (encrypted == "auto" and encryption) else {}
    subnet = entry.get("subnet")
    return {
        "Name": name,
        "Driver": "overlay",
        "CheckDuplicate": True,
        "Attachable": entry.get("attachable", False),
        "Internal": entry.get("internal", False),
        "Options": options,
        "IPAM": {"Config": [{"Subnet": subnet}] if subnet else []},
        "Labels": {"koin.network": "declared"},
    }


def network_differences(now: dict[str, Any], wanted: dict[str, Any], entry: dict[str, Any]) -> list[str]:
    """What a network is otherwise than declared; what is not declared is not compared."""
    different = [key.lower() for key in ("Attachable", "Internal") if now[key] != wanted[key]]
    if entry.get("encrypted", "auto") != "auto" and ("encrypted" in (now["Options"] or {})) != (
        "encrypted" in wanted["Options"]
    ):
        different.append("encrypted")
    subnets = [item.get("Subnet") for item in (now["IPAM"].get("Config") or [])]
    if entry.get("subnet") and subnets != [entry["subnet"]]:
        different.append("subnet")
    return different


def make(cluster: Cluster) -> None:
    """Everything, in an order in which no step needs a later one."""
    members = cluster.parameters["members"]
    cluster.read_nodes()
    if departing := cluster.parameters["departing"]:
        cluster.depart(departing, members[departing])
        return
    if cluster.parameters["replaced_only"]:
        cluster.remove_replaced(members)
        return
    own = {name: member for name, member in members.items() if member["role"] != "none"}
    if not cluster.check:
        cluster.await_members(own)
    cluster.promote({name: member for name, member in own.items() if member["node_id"] in cluster.nodes})
    cluster.remove_replaced(members)
    # In check mode those who would join first are not there; others may be members of some other Swarm.
    members = {name: member for name, member in own.items() if member["node_id"] in cluster.nodes}
    cluster.label(members)
    cluster.settle(members)
    cluster.connect(all(member["encryption"] for member in members.values()))
    cluster.dismiss(members)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"default": ""},
            "members": {"type": "dict", "required": True},
            "departing": {"default": ""},
            "replaced_only": {"type": "bool", "default": False},
            "complete": {"type": "bool", "default": True},
            "networks": {"type": "dict", "default": {}},
            "task_history": {"type": "int", "default": 5},
            "autolock": {"type": "bool", "default": False},
            # Not secrets, whatever their names sound like.
            "rotate_tokens": {"type": "bool", "default": False, "no_log": False},
            "rotate_unlock_key": {"type": "bool", "default": False, "no_log": False},
        },
        supports_check_mode=True,
    )
    try:
        cluster = Cluster(Engine(), module.params, module.check_mode)
        make(cluster)
    except RefusedError as error:
        module.fail_json(msg=str(error))
    except EngineError as error:
        hint = " See `Recover` in roles/swarm/README.md." if "leader" in str(error) else ""
        module.fail_json(msg=f"{error}{hint}")
    module.exit_json(
        changed=bool(cluster.actions),
        actions=cluster.actions,
        diff={"before": "", "after": "".join(f"{action}\n" for action in cluster.actions)},
    )


if __name__ == "__main__":
    main()
