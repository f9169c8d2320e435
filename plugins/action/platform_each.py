"""Controller side of ``platform_each``; its documentation is in plugins/modules/platform_each.py."""

from __future__ import annotations

import os
import runpy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import module_loader
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.engine import warm  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.each import batches, calls, dig  # noqa: E402
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.engine.failures import failure  # noqa: E402
from ansible.module_utils.platform.engine.refs import resolve, unresolved  # noqa: E402
from ansible.module_utils.platform.kinds import KINDS  # noqa: E402
from ansible.module_utils.platform.planning import by_kind, confirm_lock, planned  # noqa: E402
from ansible.module_utils.platform.reasons import tell_reasons  # noqa: E402

display = Display()

# Here, and not where it is used: Ansible imports this file in its main process, which every task is a fork of.
warm.share_api_descriptions(KINDS.services())

#: module calls at once; a laptop has few cores, and AWS throttles writes sooner than reads
PARALLEL = 4
#: times that an item is tried whose answer is lost
ATTEMPTS = 6
#: seconds before each look for what it may have made: reads lag behind, and what is looked for may never have been made
LOOKS = (0.0, 1.5, 2.5, 2.0, 4.0, 8.0)
#: position of the last look for what may never have been made
ENOUGH = 2

#: is told position, result and exit status; False starts no further call
Done = Callable[[int, dict[str, Any], int], bool]


class ActionModule(ActionBase):
    """Call a module for each of the plan's actions of a kind, and remember what came into being."""

    _requires_connection = False
    _VALID_ARGS = frozenset(
        {"kind", "module", "arguments", "returns", "only", "first", "fields", "parts", "parallel", "note"}
    )

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the modules' results; ``changed`` when there was anything to do."""
        variables = dict(task_vars or {})
        result = super().run(tmp, variables)
        self._parent = os.getppid()
        try:
            return self._run(result, variables)
        except PlatformError as error:
            return {**result, "failed": True, "msg": "stopped before the next change", "problem": str(error)}

    def _run(self, result: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        args = self._task.args
        actions = variables.get("platform_actions", {}).get(args["kind"], [])
        wanted = calls(actions, args.get("only"), args.get("fields") or ())
        if not wanted:
            return {**result, "changed": False, "skipped": True, "skip_reason": "the plan has nothing of this kind"}
        if self._task.check_mode:
            # The plan is the preview: modules cannot be asked about resources that are not there yet.
            return {**result, "changed": True, "msg": f"would do {len(wanted)} of {args['kind']}, see the plan"}
        known = {kind: dict(names) for kind, names in variables.get("platform_ids", {}).items()}
        tried = Tried(args["kind"], wanted, known)
        changed, results = False, list[dict[str, Any]]()
        failures: list[Failure] = []
        for attempt in range(ATTEMPTS):
            failures = []
            for batch in batches(tried.left, args.get("first")):
                items = [
                    {**action, "part": part}
                    for action in batch
                    for part in self._parts(args.get("parts"), action, known, variables)
                ]
                answers, failures = self._call(args["module"], items, known, variables)
                results += answers
                changed = changed or any(answer.get("changed") for answer in answers)
                self._remember(tried, items, answers)
                if failures:
                    break
            if not failures or any(not one.unsure for one in failures) or attempt == ATTEMPTS - 1:
                break
            try:
                failures = self._look(tried, failures, variables)
            except PlatformError as error:
                failures = [Failure(failures[0].name, str(error), 1)]
            if failures:
                break
        ids = {"platform_ids": known}
        if tried.actions:
            ids["platform_actions"] = tried.merged(variables.get("platform_actions", {}))
        self.register_host_variables(ids)
        if failures:
            after = "What was done before stays. Fix the cause and run the playbook again: it goes on from here."
            texts = [one.text for one in failures]
            problem = "\n".join([*texts, after])
            return {**result, "failed": True, "msg": texts[0], "problem": problem, "results": results}
        return {**result, "changed": changed, "results": results}

    def _remember(self, tried: Tried, items: list[dict[str, Any]], answers: list[dict[str, Any]]) -> None:
        """What the calls that succeeded returned, under the names of their items."""
        created = tried.known.setdefault(tried.kind, {})
        failed = {item["name"] for item, answer in zip(items, answers, strict=True) if not _done(answer)}
        done = {item["name"] for item in items} - failed
        for item, answer in zip(items, answers, strict=True):
            found = {key: dig(answer, path) for key, path in (self._task.args.get("returns") or {}).items()}
            if found and _done(answer):
                created[item["name"]] = {**created.get(item["name"], {}), **found}
        tried.left = [action for action in tried.left if action["name"] not in done]

    def _look(self, tried: Tried, failures: list[Failure], variables: Mapping[str, Any]) -> list[Failure]:
        """Plan again: what was done although its call failed needs no call any more, or another one.

        Returns the failures of what is known to have been made, and does not come to light.
        """
        args, absent = self._task.args, set[str]()
        made = {one.name for one in failures if one.status == warm.MADE}
        for number, pause in enumerate(LOOKS):
            time.sleep(pause)
            plan = planned(self._templar, variables, only=variables.get("platform_kinds", ()))
            actions = {item["name"]: item for item in by_kind(plan.as_dict()["actions"]).get(tried.kind, [])}
            unseen = {one.name for one in failures if actions.get(one.name, {}).get("action") == "create"}
            absent = unseen - made
            # What was lost may never have been done; what was made will be seen.
            if not unseen or (not unseen & made and number >= ENOUGH):
                break
        for kind, names in plan.registry.items():
            for name, attributes in names.items():
                known = tried.known.setdefault(kind, {})
                known[name] = {**known.get(name, {}), **attributes}
        for name in sorted({one.name for one in failures} - (unseen & made)):
            tried.actions[name] = actions.get(name)
            what = "it is not there, so it is done again" if name in absent else "it is there, so this goes on"
            display.display(
                f"  {tried.kind} {name}: {'interrupted' if name in made else 'the answer was lost'}; {what}"
            )
        again = {action["name"]: actions.get(action["name"]) for action in tried.left}
        left = [action for action in again.values() if action is not None]
        tried.left = calls(left, args.get("only"), args.get("fields") or ())
        return [one for one in failures if one.name in unseen & made]

    def _filled(
        self, name: str, item: Mapping[str, Any], known: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> Any:
        """The variable ``name`` templated with ``item``."""
        if name not in variables:
            raise AnsibleActionFail(f"{name} is not a variable of this task")
        scope = {**variables, "item": item, "platform_ids": known}
        return self._templar.copy_with_new_env(available_variables=scope).template(variables[name])

    def _parts(
        self, name: str | None, action: Mapping[str, Any], known: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> list[Any]:
        """What of the action takes a call of its own; the action as a whole where the task names nothing."""
        return list(self._filled(name, action, known, variables)) if name else [None]

    def _arguments(
        self, name: str, item: Mapping[str, Any], known: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The variable ``name`` templated with ``item``, ids filled in."""
        filled = self._filled(name, item, known, variables)
        resolved: dict[str, Any] = resolve(filled, known)
        missing = unresolved(resolved, KINDS.names)
        if missing:
            raise AnsibleActionFail(
                f"{item['kind']} {item['name']} needs {', '.join(missing)}, which is not known yet: "
                "the role that makes it has to run before this one"
            )
        return resolved

    def _call(
        self, name: str, items: list[dict[str, Any]], known: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], list[Failure]]:
        """The modules' results, empty where none was called, and what failed."""
        arguments = self._task.args["arguments"]
        prepared = [self._arguments(arguments, item, known, variables) for item in items]
        confirm_lock(self._templar, variables)
        results: list[dict[str, Any]] = [{} for _ in items]
        failed: list[Failure] = []
        started = time.monotonic()
        note = self._task.args.get("note")

        def done(index: int, answer: dict[str, Any], status: int) -> bool:
            item, results[index] = items[index], answer
            what = f"{item['kind']} {item['name']}"
            for warning in answer.get("warnings") or ():
                display.warning(f"{what}: {warning}")
            if answer.get("failed") or status:
                answer["failed"] = True
                kind = KINDS.named(item["kind"])
                why = failure(answer, kind.administered, kind.heads)
                text = f"{item['action']} {what}: {why}"
                failed.append(Failure(item["name"], text, status))
                return failed[-1].unsure
            line = f"  {what}: {note}" if note else f"{item['action']}d {what}"
            display.display(f"  {line} ({time.monotonic() - started:.1f} s)")
            # Once the run itself was killed, its worker begins nothing more.
            return os.getppid() == self._parent

        if warm.usable():
            made = [
                warm.Call(args, item["entry"].get("tags") or {}) for args, item in zip(prepared, items, strict=True)
            ]
            ids = {str(attributes.get("id")) for names in known.values() for attributes in names.values()}
            self._run_warm(name, made, frozenset(ids), variables, done)
        else:
            self._run_plain(name, prepared, variables, done)
        return results, failed

    def _run_warm(
        self, name: str, made: list[warm.Call], ids: frozenset[str], variables: Mapping[str, Any], done: Done
    ) -> None:
        """Several calls at once, in forks of this process."""
        found = module_loader.find_plugin_with_context(name, mod_type=".py")
        if not found.resolved or not found.plugin_resolved_path:
            raise AnsibleActionFail(f"there is no module {name}; are the collections of requirements.yml installed?")
        module = warm.load(_python_name(found), found.plugin_resolved_path)
        tell_reasons()
        environment: dict[str, str] = {}
        for part in self._task.environment or []:
            environment |= {key: str(value) for key, value in self._templar.template(part).items()}
        for call in made:
            self._update_module_args(name, call.arguments, dict(variables))
        parallel = int(self._task.args.get("parallel", PARALLEL))

        def ended(index: int, status: int, output: str) -> bool:
            answer = warm.parse(output)
            if status:
                answer.setdefault("msg", output)
            return done(index, answer, status)

        warm.run_all(module, made, warm.Setting(environment, ids), parallel, ended)

    def _run_plain(self, name: str, prepared: list[dict[str, Any]], variables: Mapping[str, Any], done: Done) -> None:
        """One call after the other, as Ansible runs any module: where ansible-core is not as ``warm`` knows it."""
        display.warning("this ansible-core is not the pinned one: modules run one after the other, which takes longer")
        for index, arguments in enumerate(prepared):
            answer = self._execute_module(module_name=name, module_args=arguments, task_vars=dict(variables))
            if not done(index, answer, 0):
                break


@dataclass(frozen=True)
class Failure:
    """A call that failed. status: its exit status."""

    name: str
    text: str
    status: int

    @property
    def unsure(self) -> bool:
        """Whether it may have done more than it says."""
        return self.status in (warm.LOST, warm.MADE)


@dataclass
class Tried:
    """The actions of a task. left: still to do. known: as ``platform_ids``.

    actions: what is left of those whose answers were lost, as planned again; None: nothing.
    """

    kind: str
    left: list[Mapping[str, Any]]
    known: dict[str, dict[str, dict[str, Any]]]
    actions: dict[str, Any] = field(default_factory=dict)

    def merged(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """``platform_actions`` for the tasks that follow."""
        mine = [self.actions.get(action["name"], action) for action in before.get(self.kind, [])]
        return {**before, self.kind: [action for action in mine if action is not None]}


def _done(answer: Mapping[str, Any]) -> bool:
    """Whether a module was called and succeeded."""
    return bool(answer) and not answer.get("failed")


def _python_name(found: Any) -> str:
    """Import name of what the loader has found."""
    collection = found.plugin_resolved_collection
    if collection and collection not in ("ansible.builtin", "ansible.legacy"):
        short = found.resolved_fqcn.rsplit(".", 1)[-1]
        return f"ansible_collections.{collection}.plugins.modules.{short}"
    return f"koin_module_{Path(found.plugin_resolved_path).stem}"
