#!/usr/bin/python
"""Stacks of a Docker Swarm, deployed when they differ."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: app_stacks
short_description: Deploy stacks that differ from their declaration
description:
  - Compares each stack with the running services, by a digest that every deployed service carries as a label, by image
    and by number of replicas. A service that was rolled back has its previous digest, so it is deployed again.
  - Deploys what differs from its compose file, one stack after the other, and waits until everything runs.
  - If a service is rolled back or does not start, fails with the messages of its tasks.
  - Secrets are passed to the engine on standard input. Previous versions are removed after the stack is deployed.
options:
  stacks:
    description: Stacks by name, in deployment order; none to log in only.
    type: dict
    required: true
    suboptions:
      file:
        description: The compose file, with C(${STACK_DIGEST}) in each service's label C(koin.digest).
        type: path
        required: true
      digest:
        description: Digest that changes with the file.
        type: str
        required: true
      services:
        description: Image and number of replicas (C(image), C(replicas)) of each service.
        type: dict
        required: true
  elsewhere:
    description: Stacks to remove, with the secrets that were made for them.
    type: list
    elements: str
    default: []
  secrets:
    description: Values by stack and by full name.
    type: dict
    default: {}
  registry:
    description: Registry login (C(address), C(user), C(password)); empty for none.
    type: dict
    default: {}
  docker_config:
    description: Directory of the client configuration with the login.
    type: path
    required: true
  keep:
    description: Full names of secrets, by stack, that stay although the stack does not use them now.
    type: dict
    default: {}
  restart:
    description: Services (C(stack_service)) of O(stacks) to start anew, one task after the other, if nothing differs.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds within which every task of a stack must run.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
author: BCSDLab
"""

EXAMPLES = r"""
- name: Deploy
  app_stacks:
    stacks:
      web: {file: /etc/koin/stacks/web.yml, digest: 1a2b, services: {api: {image: "example:1", replicas: 1}}}
    docker_config: /etc/koin/docker
"""

RETURN = r"""
deployed:
  description: Stacks that were deployed, or would be.
  returned: success
  type: list
  elements: str
services:
  description: >-
    What became of each service, by stack and name: the image (C(image)) that it has now, with its digest, and why it is
    not what was declared (C(why), empty if it is).
  returned: always, after something was deployed
  type: dict
restarted:
  description: Services that were started anew, or would be.
  returned: success
  type: list
  elements: str
removed:
  description: Stacks that were removed, or would be.
  returned: success
  type: list
  elements: str
"""

NAMESPACE = "com.docker.stack.namespace"
DIGEST = "koin.digest"
OWNER = "koin.stack"
# How long a task has to run until it counts, where no update of the engine's watches it.
STABLE_SECONDS = 5
# Last lines of a failed task that are shown.
LOG_LINES = 10
# How long to wait for them.
LOG_SECONDS = 15


class DeployError(Exception):
    """What went wrong, for a human."""


class Engine:
    """The client on this host."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.folder = Path(module.params["docker_config"])

    def run(self, *arguments: str, data: str | None = None, environment: dict[str, str] | None = None) -> str:
        """What a command says."""
        code, out, err = self.module.run_command(
            ["docker", "--config", str(self.folder), *arguments],
            data=data,
            binary_data=True,
            environ_update=environment or {},
        )
        if code:
            raise DeployError(f"`docker {' '.join(arguments)}` says: {(err or out).strip()}")
        return str(out)

    def logs(self, *arguments: str) -> str:
        """What a service or a task has written; as much of it as comes in time, for the engine may wait for a node."""
        command = ["timeout", str(LOG_SECONDS), "docker", "--config", str(self.folder), "service", "logs", *arguments]
        _, out, err = self.module.run_command(command)
        return str(out) + str(err)

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        """Its output, line by line."""
        return [json.loads(line) for line in self.run(*arguments, "--format", "{{json .}}").splitlines()]

    def inspect(self, kind: str, ids: list[str]) -> list[dict[str, Any]]:
        """Everything about some objects."""
        return self.lines("inspect", "--type", kind, *ids) if ids else []

    def services(self, stack: str = "") -> dict[str, dict[str, dict[str, Any]]]:
        """Services by stack and by their name in it, with the number of tasks that run."""
        label = f"label={NAMESPACE}={stack}" if stack else f"label={NAMESPACE}"
        listed = {line["ID"]: line for line in self.lines("service", "ls", "--filter", label)}
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for service in self.inspect("service", list(listed)):
            namespace = service["Spec"]["Labels"][NAMESPACE]
            line = next(line for key, line in listed.items() if service["ID"].startswith(key))
            service["running"] = int(line["Replicas"].partition("/")[0])
            found.setdefault(namespace, {})[service["Spec"]["Name"].removeprefix(f"{namespace}_")] = service
        return found


# --- What is to do ---------------------------------------------------------------------------------------------------


def state(service: dict[str, Any]) -> str:
    """How far the engine is with its last update."""
    return str(service.get("UpdateStatus", {}).get("State", ""))


def replicas(service: dict[str, Any]) -> int:
    """How many tasks there should be."""
    return int(service["Spec"]["Mode"].get("Replicated", {}).get("Replicas", -1))


def is_image(running: str, wanted: str) -> bool:
    """Whether that is the image; the digest counts if it is declared."""
    return running == wanted or running.partition("@")[0] == wanted


def differs(stack: dict[str, Any], found: dict[str, dict[str, Any]]) -> bool:
    """Whether a stack differs from its declaration."""
    if found.keys() != stack["services"].keys():
        return True
    return any(
        found[name]["Spec"]["Labels"].get(DIGEST) != stack["digest"]
        or not is_image(found[name]["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"], wanted["image"])
        or replicas(found[name]) != int(wanted["replicas"])
        or state(found[name]) in ("paused", "rollback_paused")
        for name, wanted in stack["services"].items()
    )


def unsettled(service: dict[str, Any]) -> bool:
    """Whether something is still in progress."""
    return service["running"] < replicas(service) or state(service) in ("updating", "rollback_started")


# --- Waiting ---------------------------------------------------------------------------------------------------------


def given(container: dict[str, Any]) -> dict[str, Any]:
    """The settings of a container that are not empty. For a service, the engine reports empty ones, too."""
    return {key: value for key, value in container.items() if value}


def current(engine: Engine, service: dict[str, Any]) -> int:
    """How many tasks of what the service is now run, and have for some time."""
    listed = engine.lines("service", "ps", "--no-trunc", "--filter", "desired-state=running", service["ID"])
    wanted = given(service["Spec"]["TaskTemplate"]["ContainerSpec"])
    count = 0
    for task in engine.inspect("task", [line["ID"] for line in listed]):
        # Those of before a restart have a smaller number.
        again = task["Spec"].get("ForceUpdate", 0) == service["Spec"]["TaskTemplate"].get("ForceUpdate", 0)
        if again and task["Status"]["State"] == "running" and given(task["Spec"].get("ContainerSpec", {})) == wanted:
            count += 1
    return count


def complaints(engine: Engine, service: dict[str, Any]) -> str:
    """The messages of its last tasks."""
    said: dict[str, None] = {}
    for task in engine.lines("service", "ps", "--no-trunc", service["ID"]):
        where, how = task["Node"] or "no node", task["CurrentState"].split()[0].lower()
        if task["Error"]:
            said[f"{where}: {how}, {task['Error'].strip()}"] = None
        elif how == "complete":
            # An engine stops an unhealthy container, and one that heeds the signal ends without an error.
            said[f"{where}: ended without an error, by itself or because it was unhealthy"] = None
    return "; ".join(list(said)[:5]) or "nothing; their output may"


def last_words(engine: Engine, service: dict[str, Any]) -> str:
    """The last lines of its newest task that ran and ended. The engine keeps them for as long as it lists the task."""
    listed = engine.lines("service", "ps", "--no-trunc", "--filter", "desired-state=shutdown", service["ID"])
    tasks = engine.inspect("task", [line["ID"] for line in listed])
    # Others were never started: those that would have replaced a failed one.
    ended = [task for task in tasks if task["Status"]["State"] in ("failed", "complete", "rejected")]
    if not ended:
        return ""
    newest = max(ended, key=lambda task: str(task["CreatedAt"]))
    said = engine.logs("--raw", "--tail", str(LOG_LINES), newest["ID"])
    return f". Its last lines:\n{said.rstrip()}\n" if said.strip() else ". It wrote nothing"


def report(engine: Engine, service: dict[str, Any], what: str) -> DeployError:
    """A service that differs from its declaration."""
    name = service["Spec"]["Name"]
    return DeployError(
        f"{name} {what}. Its tasks say: {complaints(engine, service)}{last_words(engine, service)}. "
        f"`docker service ps --no-trunc {name}` and `docker service logs {name}` say more"
    )


def wait(engine: Engine, name: str, timeout: int) -> None:
    """Return when all of a stack runs and goes on running; a rollback is waited for before it is told."""
    end = time.monotonic() + timeout
    since: dict[str, float] = {}
    while True:
        services = engine.services(name).get(name, {})
        pending: list[tuple[dict[str, Any], str]] = []
        problems: list[tuple[dict[str, Any], str]] = []
        for service in services.values():
            how, key, now = state(service), service["ID"], time.monotonic()
            message = service.get("UpdateStatus", {}).get("Message", "")
            if how in ("paused", "rollback_paused"):
                problems.append((service, f"has stopped its update ({how}: {message})"))
                continue
            back = how == "rollback_completed"
            runs = False
            if how in ("", "completed", "rollback_completed") and current(engine, service) >= replicas(service):
                since.setdefault(key, now)
                # The engine itself has watched what it has updated.
                runs = how == "completed" or now - since[key] >= STABLE_SECONDS
            else:
                since.pop(key, None)
            if runs and back:
                problems.append((service, f"was rolled back ({message}); its former version runs, nothing is lost"))
            elif not runs:
                late = f"was rolled back ({message}), and its former version" if back else ""
                pending.append((service, f"{late} does not run after {timeout} s".strip()))
        # What runs by then is watched to the end.
        if time.monotonic() > end and any(service["ID"] not in since for service, _ in pending):
            problems += pending
            pending = []
        if problems and not pending:
            raise DeployError("; ".join(str(report(engine, service, what)) for service, what in problems))
        if not pending:
            return
        time.sleep(1)


# --- Doing it --------------------------------------------------------------------------------------------------------


def login(module: AnsibleModule, engine: Engine) -> bool:
    """Log in to the registry unless that is so."""
    registry = module.params["registry"]
    if not registry.get("address"):
        return False
    try:
        known = json.loads((engine.folder / "config.json").read_text())["auths"][registry["address"]]["auth"]
    except (OSError, ValueError, KeyError):
        known = ""
    if known == base64.b64encode(f"{registry['user']}:{registry['password']}".encode()).decode():
        return False
    if not module.check_mode:
        engine.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        engine.folder.chmod(0o700)
        engine.run(
            "login", "--username", registry["user"], "--password-stdin", registry["address"], data=registry["password"]
        )
    return True


def own_secrets(engine: Engine, name: str) -> set[str]:
    """Names of the secrets that were made for a stack."""
    return {line["Name"] for line in engine.lines("secret", "ls", "--filter", f"label={OWNER}={name}")}


def deploy(module: AnsibleModule, engine: Engine, name: str, stack: dict[str, Any]) -> None:
    """Make a stack what its file says."""
    secrets: dict[str, str] = module.params["secrets"].get(name) or {}
    for secret in sorted(secrets.keys() - own_secrets(engine, name)):
        engine.run("secret", "create", "--label", f"{OWNER}={name}", secret, "-", data=secrets[secret])
    said = engine.run(
        "stack",
        "deploy",
        "--compose-file",
        stack["file"],
        "--with-registry-auth",
        "--prune",
        "--detach=true",
        "--resolve-image=changed",
        name,
        environment={"STACK_DIGEST": stack["digest"]},
    )
    module.log(f"deployed {name}: {said}")
    wait(engine, name, module.params["timeout"])


def prune(module: AnsibleModule, engine: Engine, name: str) -> None:
    """Remove versions of secrets that a stack does not use any more."""
    used = {*(module.params["secrets"].get(name) or {}), *(module.params["keep"].get(name) or [])}
    for secret in sorted(own_secrets(engine, name) - used):
        try:
            engine.run("secret", "rm", secret)
        except DeployError as problem:
            # Used by something that is not of this stack; it is not lost, and the next deployment tries again.
            module.warn(str(problem))


def prune_networks(module: AnsibleModule, engine: Engine, name: str) -> None:
    """Remove the stack's network that its services were on before they changed between a plain and an encrypted one."""
    services = engine.services(name).get(name, {}).values()
    used = {entry["Target"] for service in services for entry in service["Spec"]["TaskTemplate"].get("Networks", [])}
    for line in engine.lines("network", "ls", "--no-trunc", "--filter", f"label={NAMESPACE}={name}"):
        if line["ID"] not in used and line["Name"] in (f"{name}_default", f"{name}_encrypted"):
            try:
                engine.run("network", "rm", line["ID"])
            except DeployError as problem:
                # Tasks of the former version are still stopping; the next deployment tries again.
                module.warn(str(problem))


def outcome(stack: dict[str, Any], found: dict[str, dict[str, Any]], why: str) -> dict[str, dict[str, str]]:
    """What became of each service of a stack. why: what went wrong with some of them."""
    became = {}
    for name in stack["services"]:
        service: dict[str, Any] = found.get(name, {})
        good = service and service["Spec"]["Labels"].get(DIGEST) == stack["digest"]
        good = good and state(service) not in ("paused", "rollback_paused") and not (why and unsettled(service))
        became[name] = {
            "image": service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] if service else "",
            "why": "" if good else why or "it is not what was declared",
        }
    return became


def remove(module: AnsibleModule, engine: Engine) -> list[str]:
    """Remove the stacks that run in another Swarm; which ones there were."""
    found = engine.services() if module.params["elsewhere"] else {}
    gone = []
    for name in module.params["elsewhere"]:
        secrets = own_secrets(engine, name)
        if name not in found and not secrets:
            continue
        gone.append(name)
        if module.check_mode:
            continue
        if name in found:
            engine.run("stack", "rm", name)
        for secret in sorted(secrets):
            engine.run("secret", "rm", secret)
    return gone


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "stacks": {"type": "dict", "required": True},
            "elsewhere": {"type": "list", "elements": "str", "default": []},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "registry": {
                "type": "dict",
                "default": {},
                "options": {
                    "address": {"type": "str"},
                    "user": {"type": "str"},
                    "password": {"type": "str", "no_log": True},
                },
            },
            "docker_config": {"type": "path", "required": True},
            "keep": {"type": "dict", "default": {}, "no_log": False},
            "restart": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    engine = Engine(module)
    deployed: list[str] = []
    problems: list[str] = []
    restarted: list[str] = []
    became: dict[str, dict[str, dict[str, str]]] = {}
    try:
        changed = login(module, engine)
        removed = remove(module, engine)
        found = engine.services() if module.params["stacks"] else {}
    except DeployError as problem:
        module.fail_json(msg=str(problem), deployed=deployed)
    for name, stack in module.params["stacks"].items():
        services = found.get(name, {})
        why = ""
        try:
            if differs(stack, services):
                deployed.append(name)
                if not module.check_mode:
                    deploy(module, engine, name, stack)
                    prune(module, engine, name)
                    prune_networks(module, engine, name)
            # A deployment of what differs need not replace a task of the service that was asked for.
            if again := [item for item in module.params["restart"] if item.removeprefix(f"{name}_") in services]:
                restarted += again
                if not module.check_mode:
                    for item in again:
                        engine.run("service", "update", "--force", "--detach", "--quiet", item)
                    wait(engine, name, module.params["timeout"])
            elif name not in deployed and not module.check_mode and any(unsettled(s) for s in services.values()):
                # What is declared, but it may still be on its way.
                wait(engine, name, module.params["timeout"])
        except DeployError as problem:
            # Another stack may need its new secrets, whatever becomes of this one.
            why = str(problem)
            problems.append(why)
        if not module.check_mode:
            try:
                became[name] = outcome(stack, engine.services(name).get(name, {}), why)
            except DeployError as problem:
                problems.append(str(problem))
    if problems:
        module.fail_json(msg="; ".join(problems), deployed=deployed, services=became)
    module.exit_json(
        changed=changed or bool(deployed or removed or restarted),
        deployed=deployed,
        removed=removed,
        restarted=restarted,
        services=became,
    )


if __name__ == "__main__":
    main()
