#!/usr/bin/python
"""One host's membership of a Swarm."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.swarm_engine import Engine, EngineError

DOCUMENTATION = r"""
module: swarm_member
short_description: Read and change one host's membership of a Docker Swarm
description:
  - Talks to the engine through its socket. Tokens and keys are sent in the body of a request, so no process list shows
    them.
options:
  state:
    description:
      - C(read) changes nothing. It waits while the engine is rejoining the Swarm.
      - C(initialised) creates a Swarm with this host as its first manager, C(joined) joins one, C(left) leaves it,
        C(unlocked) unlocks the data of a restarted manager.
      - C(tokens) returns the join tokens.
    type: str
    choices: [read, initialised, joined, left, unlocked, tokens]
    default: read
  role:
    description: Declared role of the host; returned unchanged.
    type: str
    choices: [manager, worker, none]
    default: none
  labels:
    description: Declared labels of its node; returned unchanged.
    type: dict
    default: {}
  unlockable:
    description: Whether there is a key to unlock the host's data with; returned unchanged.
    type: bool
    default: false
  address:
    description: Address at which other members reach this host, and on which its manager listens.
    type: str
  data_path_address:
    description: Address for overlay network traffic.
    type: str
  remote_addresses:
    description: Managers to join, as C(address:2377).
    type: list
    elements: str
    default: []
  token:
    description: Join token.
    type: str
  unlock_key:
    description: Key for C(unlocked).
    type: str
  address_pools:
    description: Ranges for overlay networks of a new Swarm.
    type: list
    elements: str
    default: []
  subnet_size:
    description: Prefix length of an overlay network of a new Swarm.
    type: int
    default: 24
  forget:
    description: Whether C(joined) first leaves any Swarm that the host is in.
    type: bool
    default: false
author: BCSDLab
"""

EXAMPLES = r"""
- name: Look at the host
  swarm_member:
  register: member
"""

RETURN = r"""
member:
  description: The host's membership after the change.
  returned: unless state is tokens
  type: dict
tokens:
  description: C(manager) and C(worker).
  returned: when state is tokens
  type: dict
"""

PORT = 2377
#: seconds in which a restarted engine is back in its Swarm, or says that it cannot
_SETTLE = 30.0

#: the cipher that the engine encrypts overlay networks with, tried in a network namespace that is gone afterwards
_ESP = (
    "unshare --net ip xfrm state add src 127.0.0.1 dst 127.0.0.2 proto esp spi 1 reqid 1 mode transport aead "
    "rfc4106(gcm(aes)) 0x0000000000000000000000000000000000000000 64"
)


def succeeds(command: list[str]) -> bool:
    """Whether a command runs without an error."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def has_ipvs() -> bool:
    """Whether the kernel balances load (IPVS), or a module that does can be loaded."""
    return Path("/proc/net/ip_vs").exists() or succeeds(["modprobe", "--dry-run", "--quiet", "ip_vs"])


def has_esp() -> bool:
    """Whether the kernel encrypts packets (ESP)."""
    return succeeds(_ESP.split())


def read(engine: Engine) -> dict[str, Any]:
    """The host as a member; `state` is absent without an engine."""
    try:
        info = engine.get("/info")
    except EngineError as error:
        return {"state": "absent", "error": str(error), "control": False, "quorum": False, "managers": [], "nodes": {}}
    swarm = info["Swarm"]
    found = {
        "state": swarm["LocalNodeState"],
        "error": swarm.get("Error", ""),
        "hostname": info["Name"],
        "node_id": swarm.get("NodeID", ""),
        "address": swarm.get("NodeAddr", ""),
        "cluster_id": (swarm.get("Cluster") or {}).get("ID", ""),
        "control": bool(swarm.get("ControlAvailable")),
        "managers": sorted(manager["Addr"] for manager in swarm.get("RemoteManagers") or []),
        "quorum": False,
        "nodes": {},
        "swarm": "",
    }
    if found["control"]:
        try:
            found["nodes"] = {node["ID"]: node["Description"].get("Hostname", "") for node in engine.get("/nodes")}
            cluster = engine.get("/swarm")
            found["cluster_id"] = cluster["ID"]
            found["swarm"] = (cluster["Spec"].get("Labels") or {}).get("swarm", "")
            found["quorum"] = True
        except EngineError as error:
            found["error"] = str(error)
    return found


def settled(found: dict[str, Any]) -> bool:
    """Whether waiting would change nothing."""
    if found["state"] == "pending":
        return False
    return not found["control"] or found["quorum"]


def read_settled(engine: Engine) -> dict[str, Any]:
    """The state, once the engine has recovered from a restart."""
    deadline = time.monotonic() + _SETTLE
    found = read(engine)
    while not settled(found) and time.monotonic() < deadline:
        time.sleep(1)
        found = read(engine)
    return found


def initialise(engine: Engine, parameters: dict[str, Any]) -> None:
    """Create a Swarm."""
    body = {
        "ListenAddr": f"{parameters['address']}:{PORT}",
        "AdvertiseAddr": f"{parameters['address']}:{PORT}",
        "DataPathAddr": parameters["data_path_address"],
        "DefaultAddrPool": parameters["address_pools"],
        "SubnetSize": parameters["subnet_size"],
        "Spec": {},
    }
    engine.post("/swarm/init", body)


def join(engine: Engine, parameters: dict[str, Any]) -> None:
    """Join the Swarm."""
    if parameters["forget"]:
        leave(engine)
    body = {
        "ListenAddr": f"{parameters['address']}:{PORT}",
        "AdvertiseAddr": f"{parameters['address']}:{PORT}",
        "DataPathAddr": parameters["data_path_address"],
        "RemoteAddrs": parameters["remote_addresses"],
        "JoinToken": parameters["token"],
    }
    engine.post("/swarm/join", body)


def leave(engine: Engine) -> None:
    """Leave the Swarm, if it is a member."""
    try:
        engine.post("/swarm/leave", force="true")
    except EngineError as error:
        if error.status != 503:  # not part of a swarm
            raise


def unlock(engine: Engine, parameters: dict[str, Any]) -> None:
    """Unlock a manager's data."""
    engine.post("/swarm/unlock", {"UnlockKey": parameters["unlock_key"]})


def change(engine: Engine, parameters: dict[str, Any]) -> None:
    """Do what the state asks for."""
    actions = {
        "initialised": lambda: initialise(engine, parameters),
        "joined": lambda: join(engine, parameters),
        "left": lambda: leave(engine),
        "unlocked": lambda: unlock(engine, parameters),
    }
    actions[parameters["state"]]()


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {
                "choices": ["read", "initialised", "joined", "left", "unlocked", "tokens"],
                "default": "read",
            },
            "role": {"choices": ["manager", "worker", "none"], "default": "none"},
            "labels": {"type": "dict", "default": {}},
            "unlockable": {"type": "bool", "default": False},
            "address": {},
            "data_path_address": {},
            "remote_addresses": {"type": "list", "elements": "str", "default": []},
            "token": {"no_log": True},
            "unlock_key": {"no_log": True},
            "address_pools": {"type": "list", "elements": "str", "default": []},
            "subnet_size": {"type": "int", "default": 24},
            "forget": {"type": "bool", "default": False},
        },
        required_if=[
            ("state", "initialised", ["address", "data_path_address"]),
            ("state", "joined", ["address", "data_path_address", "token"]),
            ("state", "unlocked", ["unlock_key"]),
        ],
        supports_check_mode=True,
    )
    parameters = module.params
    engine = Engine()
    changed = parameters["state"] not in ("read", "tokens")
    try:
        if parameters["state"] == "tokens":
            tokens = engine.get("/swarm")["JoinTokens"]
            module.exit_json(changed=False, tokens={"manager": tokens["Manager"], "worker": tokens["Worker"]})
        if changed and not module.check_mode:
            change(engine, parameters)
        found = read_settled(engine)
    except EngineError as error:
        module.fail_json(msg=f"{parameters['state']}: {error}")
    labels = {name: str(value) for name, value in parameters["labels"].items()}
    declared = {
        "role": parameters["role"],
        "labels": labels,
        "own_address": parameters["address"],
        "unlockable": parameters["unlockable"],
    }
    module.exit_json(changed=changed, member={**found, "ingress": has_ipvs(), "encryption": has_esp(), **declared})


if __name__ == "__main__":
    main()
