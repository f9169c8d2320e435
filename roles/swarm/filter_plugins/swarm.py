"""Which hosts have to join the Swarm, through which manager, and what prevents it. No I/O: takes what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def swarm_plan(
    found: Mapping[str, Mapping[str, Any]],
    managers: Sequence[str],
    workers: Sequence[str],
    unlockable: bool = False,
    check: bool = False,
) -> dict[str, Any]:
    """The steps that make the hosts of a run the declared members.

    found: hosts of the run by name, each as swarm_member returns it
    managers, workers: the declared members, including those that are not part of the run
    unlockable: whether there is a key for locked managers
    check: check mode, in which a missing engine is not an error

    Returns `problems` (if there are any, do nothing), `initialise` (a host, or ""), `leader` (the manager that runs the
    commands), `join` (hosts by name, and whether each has to leave a Swarm first), `leave`, `unlock` and `complete`
    (whether every declared member is part of the run).
    """
    declared = [*managers, *workers]
    plan: dict[str, Any] = {
        "problems": [],
        "initialise": "",
        "leader": "",
        "join": {},
        "leave": [],
        "unlock": [host for host in found if found[host]["state"] == "locked"],
        "complete": set(declared) <= set(found),
    }
    plan["problems"] = _declaration_problems(managers, workers) or _host_problems(
        found, plan["unlock"], unlockable, check
    )
    if plan["problems"] or plan["unlock"]:
        # Locked managers report nothing about the others: unlock them, then look again.
        return plan
    leading = [host for host in found if found[host]["state"] == "active" and found[host]["quorum"]]
    if leading:
        plan["leader"] = next((host for host in managers if host in leading), leading[0])
    elif not (problems := _founding_problems(found, declared)):
        plan["initialise"] = plan["leader"] = managers[0]
    else:
        plan["problems"] = problems
        return plan
    known = set(found[plan["leader"]]["nodes"])
    for host, member in found.items():
        is_member = member["state"] == "active" and member["node_id"] in known
        if host in declared and not is_member and host != plan["initialise"]:
            plan["join"][host] = member["state"] not in ("inactive", "absent")
        if host not in declared and is_member:
            plan["leave"].append(host)
    plan["problems"] = _foreign_problems(found, plan)
    return plan


def _declaration_problems(managers: Sequence[str], workers: Sequence[str]) -> list[str]:
    problems = []
    if not managers:
        problems.append("swarm_managers is empty: a Swarm needs a manager. Name one, three or five hosts.")
    if both := sorted(set(managers) & set(workers)):
        problems.append(
            f"{', '.join(both)}: in swarm_managers and in swarm_workers; a manager runs tasks, too: keep one."
        )
    return problems


def _host_problems(
    found: Mapping[str, Mapping[str, Any]], locked: Sequence[str], unlockable: bool, check: bool
) -> list[str]:
    """What is wrong with single hosts, whatever is declared."""
    problems = []
    if not check:
        problems += [
            f"{host}: {member['error']}. The role docker comes before swarm."
            for host, member in found.items()
            if member["state"] == "absent" and member["role"] != "none"
        ]
    if locked and not unlockable:
        problems.append(
            f"{', '.join(locked)}: locked since the engine has restarted. Set swarm_unlock_key to the key "
            "(`docker swarm unlock-key` on another manager), or run `docker swarm unlock` there."
        )
    clusters: dict[str, list[str]] = {}
    for host, member in found.items():
        if member["control"] and member["quorum"]:
            clusters.setdefault(member["cluster_id"], []).append(host)
    if len(clusters) > 1:
        listed = "; ".join(", ".join(hosts) for hosts in clusters.values())
        problems.append(
            f"managers of {len(clusters)} different Swarms: {listed}. Decide which one is right, and run "
            "`docker swarm leave --force` on the managers of the others: their services end."
        )
    lost = [host for host, member in found.items() if member["control"] and not member["quorum"]]
    if lost and not clusters and not locked:
        problems.append(
            f"{', '.join(lost)}: no majority of the managers can be reached ({found[lost[0]]['error']}). Start the "
            "others; if they are lost, see `Recover` in roles/swarm/README.md. Nothing was changed."
        )
    return problems


def _founding_problems(found: Mapping[str, Mapping[str, Any]], declared: Sequence[str]) -> list[str]:
    """Why no Swarm may be created although no host knows a manager that answers."""
    problems = []
    if missing := [host for host in declared if host not in found]:
        problems.append(
            f"no manager of the Swarm takes part in this run, but {', '.join(missing)} may be one. "
            "Run over all members (without --limit, or with a manager in it)."
        )
    return problems


def _foreign_problems(found: Mapping[str, Mapping[str, Any]], plan: Mapping[str, Any]) -> list[str]:
    """Hosts that would have to leave a Swarm that seems to belong to somebody else."""
    ours = {member["own_address"] for member in found.values()}
    ours |= {item.rpartition(":")[0] for item in found[plan["leader"]]["managers"]}
    problems = []
    for host in plan["join"]:
        theirs = [item.rpartition(":")[0] for item in found[host]["managers"]]
        if theirs and not ours & set(theirs):
            problems.append(
                f"{host} is a member of a Swarm with other managers ({', '.join(theirs)}). Declare those in "
                "swarm_managers, or run `docker swarm leave --force` on it: its tasks end."
            )
    return problems


def swarm_members(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What swarm_cluster takes of the hosts of a run; an engine that does not answer has no node."""
    keys = ("node_id", "hostname", "role", "labels", "ingress", "encryption")
    return {host: {key: member[key] for key in keys} for host, member in found.items() if member["state"] != "absent"}


def swarm_found(hosts: Sequence[str], variables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The state that each host of the run has reported. A play may leave out some hosts."""
    answers = {host: variables[host]["__swarm_member"] for host in hosts if "__swarm_member" in variables[host]}
    return {host: answer["member"] for host, answer in answers.items() if "member" in answer}


class FilterModule:
    """The filters of the role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"swarm_found": swarm_found, "swarm_plan": swarm_plan, "swarm_members": swarm_members}
