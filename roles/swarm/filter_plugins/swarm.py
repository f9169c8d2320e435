"""Which hosts have to join which Swarm, through which manager, and what prevents it. No I/O: takes what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Found = Mapping[str, Mapping[str, Any]]
Clusters = Mapping[str, Mapping[str, Any]]


def declared_in(cluster: Mapping[str, Any]) -> list[str]:
    """The declared members of a Swarm, managers first."""
    return [*cluster.get("managers", ()), *cluster.get("workers", ())]


def swarm_of(clusters: Clusters, host: str) -> str:
    """The Swarm that a host is declared in; empty for none."""
    return next((name for name, cluster in clusters.items() if host in declared_in(cluster)), "")


def swarm_plan(found: Found, clusters: Clusters, move: str = "", check: bool = False) -> dict[str, Any]:
    """The steps that make the hosts of a run the declared members of their Swarms.

    found: hosts of the run by name, each as swarm_member returns it
    clusters: the declared Swarms by name, with those of their members that are not part of the run
    move: hosts that may leave the Swarm that they are in, separated by commas; `true` for all
    check: check mode, in which a missing engine is not an error

    Returns `problems` (if there are any, do nothing), `swarms` (by name: `initialise`, a host or ""; `leader`, the
    manager that runs the commands; `complete`, whether every declared member is part of the run), `join` (hosts by
    name, and whether each has to leave a Swarm first), `membership` (whether a host is to create or join one),
    `unlock`, `move` (hosts that leave a Swarm in this run, in order), `moves` (a line for each host that is in another
    Swarm than declared) and `unasked` (those of them that `move` does not name).
    """
    plan: dict[str, Any] = {
        "problems": [],
        "swarms": {
            name: {"initialise": "", "leader": "", "complete": set(declared_in(cluster)) <= set(found)}
            for name, cluster in clusters.items()
        },
        "join": {},
        "membership": False,
        "unlock": [host for host in found if found[host]["state"] == "locked"],
        "move": [],
        "moves": [],
        "unasked": [],
    }
    plan["problems"] = _declaration_problems(clusters) or _host_problems(found, plan["unlock"], check)
    if plan["problems"] or plan["unlock"]:
        # Locked managers report nothing about the others: unlock them, then look again.
        return plan
    live = _Live(found, clusters)
    if problems := live.problems():
        return plan | {"problems": problems}
    for name, cluster in clusters.items():
        leading, step = live.leading(name), plan["swarms"][name]
        here = [host for host in declared_in(cluster) if host in found]
        if leading:
            step["leader"] = next((host for host in cluster["managers"] if host in leading), leading[0])
        elif here and not (problems := _founding_problems(name, found, cluster)):
            # A host that is in another Swarm still has to leave it.
            free = (host for host in cluster["managers"] if not live.misplaced(host))
            step["initialise"] = step["leader"] = next(free, "")
        elif here:
            plan["problems"] += problems
        for host in here if step["leader"] else ():
            if not live.misplaced(host) and live.name_of(host) != name and host != step["initialise"]:
                plan["join"][host] = found[host]["state"] not in ("inactive", "absent")
    plan["problems"] += _foreign_problems(found, clusters, plan)
    plan["membership"] = bool(plan["join"] or any(step["initialise"] for step in plan["swarms"].values()))
    _plan_moves(plan, live, move)
    return plan


class _Live:
    """The Swarms that exist, as far as the managers of the run know them."""

    def __init__(self, found: Found, clusters: Clusters) -> None:
        self.found = found
        self.clusters = clusters
        self._hosts = {member["hostname"]: host for host, member in found.items() if "hostname" in member}
        #: by id of a Swarm, the managers of the run that can speak for it
        self.managers: dict[str, list[str]] = {}
        for host, member in found.items():
            if member["state"] == "active" and member["quorum"]:
                self.managers.setdefault(member["cluster_id"], []).append(host)
        self.names = {swarm: self._name(managers[0]) for swarm, managers in self.managers.items()}

    def _declared(self, manager: str) -> set[str]:
        """The declared Swarms of those that are members of this manager's."""
        names = {self._hosts.get(name, name) for name in self.found[manager]["nodes"].values()}
        return {swarm_of(self.clusters, host) for host in names} - {""}

    def _name(self, manager: str) -> str:
        """What the Swarm of a manager is called: by its label, else by whose hosts are in it. Empty if nobody's."""
        if label := self.found[manager]["swarm"]:
            return str(label)
        declared = self._declared(manager)
        if len(declared) > 1:
            declared = {name for name in declared if self.clusters[name].get("inherits")}
        return declared.pop() if len(declared) == 1 else ""

    def problems(self) -> list[str]:
        """What does not allow to tell which Swarm is which."""
        problems = []
        for swarm, managers in self.managers.items():
            declared = self._declared(managers[0])
            if not self.names[swarm] and len(declared) > 1:
                problems.append(
                    f"{', '.join(managers)}: hosts of several declared Swarms ({', '.join(sorted(declared))}) are in "
                    "this one. Set `inherits: true` for the Swarm in swarm_clusters that keeps it."
                )
        for name in {name for name in self.names.values() if name}:
            same = [managers for swarm, managers in self.managers.items() if self.names[swarm] == name]
            if len(same) > 1:
                listed = "; ".join(", ".join(hosts) for hosts in same)
                problems.append(
                    f"managers of {len(same)} different Swarms: {listed}. Decide which one is right, and run "
                    "`docker swarm leave --force` on the managers of the others: their services end."
                )
        for host, member in self.found.items():
            own = swarm_of(self.clusters, host)
            if member["control"] and not member["quorum"] and not self.leading(own):
                problems.append(
                    f"{host}: no majority of the managers can be reached ({member['error']}). Start the "
                    "others; if they are lost, see `Recover` in roles/swarm/README.md. Nothing was changed."
                )
        return problems

    def leading(self, name: str) -> list[str]:
        """The managers of the run that can speak for a Swarm."""
        return [host for swarm, hosts in self.managers.items() if name and self.names[swarm] == name for host in hosts]

    def _swarm(self, host: str) -> str | None:
        """The id of the Swarm that a host is a member of; None if no manager of the run knows the host."""
        member = self.found[host]
        if member["state"] != "active":
            return None
        known = (s for s, hosts in self.managers.items() if member["node_id"] in self.found[hosts[0]]["nodes"])
        return next(known, None)

    def name_of(self, host: str) -> str:
        """The name of the Swarm that a host is a member of; empty if it is in none or in one without a name."""
        swarm = self._swarm(host) if host in self.found else None
        return self.names[swarm] if swarm is not None else ""

    def misplaced(self, host: str) -> bool:
        """Whether a host is a member of another Swarm than declared."""
        if host not in self.found:
            return False
        own, swarm = swarm_of(self.clusters, host), self._swarm(host)
        if swarm is not None:
            return self.names[swarm] != own or not own
        return not own and self.found[host]["state"] not in ("inactive", "absent")


def _declaration_problems(clusters: Clusters) -> list[str]:
    problems = []
    for name, cluster in clusters.items():
        managers, workers = cluster.get("managers", ()), cluster.get("workers", ())
        if workers and not managers:
            problems.append(f"swarm_clusters.{name} has no managers: a Swarm needs one, three or five.")
        if both := sorted(set(managers) & set(workers)):
            problems.append(
                f"{', '.join(both)}: a manager and a worker of swarm_clusters.{name}; a manager runs tasks, too: "
                "keep one."
            )
    return problems


def _host_problems(found: Found, locked: Sequence[str], check: bool) -> list[str]:
    """What is wrong with single hosts, whatever is declared."""
    problems = []
    if not check:
        problems += [
            f"{host}: {member['error']}. The role docker comes before swarm."
            for host, member in found.items()
            if member["state"] == "absent" and member["role"] != "none"
        ]
    if keyless := [host for host in locked if not found[host]["unlockable"]]:
        problems.append(
            f"{', '.join(keyless)}: locked since the engine has restarted. Set swarm_unlock_key to the key "
            "(`docker swarm unlock-key` on another manager), or run `docker swarm unlock` there."
        )
    return problems


def _founding_problems(name: str, found: Found, cluster: Mapping[str, Any]) -> list[str]:
    """Why no Swarm may be created although no host knows a manager that answers."""
    missing = [host for host in declared_in(cluster) if host not in found]
    if not missing:
        return []
    return [
        f"no manager of the Swarm {name} takes part in this run, but {', '.join(missing)} may be one. "
        "Run over all members (without --limit, or with a manager in it)."
    ]


def _foreign_problems(found: Found, clusters: Clusters, plan: Mapping[str, Any]) -> list[str]:
    """Hosts that would have to leave a Swarm that seems to belong to somebody else."""
    ours = {member["own_address"] for member in found.values()}
    for step in plan["swarms"].values():
        if step["leader"]:
            ours |= {item.rpartition(":")[0] for item in found[step["leader"]]["managers"]}
    problems = []
    for host in plan["join"]:
        # One that is not of this run may have a Swarm that works, in which the host belongs to somebody.
        theirs = [item.rpartition(":")[0] for item in found[host]["managers"]]
        theirs = [address for address in theirs if address not in ours]
        if theirs:
            name = swarm_of(clusters, host)
            problems.append(
                f"{host} is a member of a Swarm with other managers ({', '.join(theirs)}). Declare those as managers "
                f"of swarm_clusters.{name}, or run `docker swarm leave --force` on it: its tasks end."
            )
    return problems


# --- Hosts that are in another Swarm than declared -------------------------------------------------------------------


def _plan_moves(plan: dict[str, Any], live: _Live, move: str) -> None:
    """Workers leave first, then managers, one after the other. Managers that have yet to join come before."""
    if plan["problems"]:
        return
    asked = {item.strip() for item in str(move).split(",")} - {""}
    hosts = [host for host in live.found if live.misplaced(host)]
    for host in sorted(hosts, key=lambda host: (live.found[host]["control"], host)):
        name, own = live.name_of(host), swarm_of(live.clusters, host)
        # Managers that stay. The last one to leave takes the Swarm with it.
        staying = [other for other in live.leading(name) if swarm_of(live.clusters, other) == name]
        what = f"{host} leaves the Swarm {name or 'that is not declared'}"
        what += " (drained, demoted)" if live.found[host]["control"] and staying else " (drained)" if staying else ""
        what += f" and joins {own}" if own else " and is in none"
        plan["moves"].append(what + ("" if staying else "; nobody stays in it, so its services end"))
        if host not in asked and not asked & {"true", "True"}:
            plan["unasked"].append(host)
            continue
        managers = live.clusters.get(name, {}).get("managers", ())
        if not staying and managers and not set(managers) & set(plan["join"]):
            plan["problems"].append(
                f"{host} cannot leave the Swarm {name}: none of its declared managers ({', '.join(managers)}), as far "
                "as they are managers already, takes part in this run. Run over all hosts; one that is a worker yet: "
                "`docker node promote NAME`."
            )
        elif staying or not managers:
            plan["move"].append({"host": host, "leader": staying[0] if staying else ""})


def swarm_unasked(plan: Mapping[str, Any]) -> str:
    """The message about hosts that stay where they are, because nobody has asked for their move. Empty if none does."""
    if not plan["unasked"]:
        return ""
    listed = "\n".join(f"- {line}" for line in plan["moves"] if line.partition(" ")[0] in plan["unasked"])
    hosts = ",".join(plan["unasked"])
    return (
        f"{', '.join(plan['unasked'])}: in another Swarm than declared. They were left there, because their tasks end "
        f"when they leave. With `-e swarm_move={hosts}` (or `true` for all) a run does this, one host at a time:\n"
        f"{listed}\nServices of hosts that stay keep running. See `Move a host` in roles/swarm/README.md."
    )


# --- What modules take -----------------------------------------------------------------------------------------------


def swarm_members(found: Found, clusters: Clusters, name: str) -> dict[str, Any]:
    """What swarm_cluster takes of the hosts of a run; an engine that does not answer has no node."""
    keys = ("node_id", "hostname", "role", "labels", "ingress", "encryption")
    members = {}
    for host, member in found.items():
        if member["state"] != "absent":
            members[host] = {key: member[key] for key in keys}
            if swarm_of(clusters, host) != name:
                members[host]["role"] = "none"
    return members


def swarm_found(hosts: Iterable[str], variables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The state that each host of the run has reported. A play may leave out some hosts."""
    answers = {host: variables[host]["__swarm_member"] for host in hosts if "__swarm_member" in variables[host]}
    return {host: answer["member"] for host, answer in answers.items() if "member" in answer}


class FilterModule:
    """The filters of the role."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {
            "swarm_found": swarm_found,
            "swarm_members": swarm_members,
            "swarm_of": swarm_of,
            "swarm_plan": swarm_plan,
            "swarm_unasked": swarm_unasked,
        }
