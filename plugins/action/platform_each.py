"""Controller side of ``platform_each``; its documentation is in plugins/modules/platform_each.py."""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import module_loader
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.engine import warm  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.answers import failure  # noqa: E402
from ansible.module_utils.platform.engine.each import calls, dig  # noqa: E402
from ansible.module_utils.platform.engine.refs import resolve, unresolved  # noqa: E402
from ansible.module_utils.platform.kinds import KINDS  # noqa: E402
from ansible.module_utils.platform.reasons import tell_reasons  # noqa: E402

display = Display()

# Here, and not where it is used: Ansible imports this file in its main process, which every task is a fork of.
warm.share_api_descriptions(KINDS.services())

#: module calls at once; a laptop has few cores, and AWS throttles writes sooner than reads
PARALLEL = 4

#: is told position, result, and whether the module died; False starts no further call
Done = Callable[[int, dict[str, Any], bool], bool]


class ActionModule(ActionBase):
    """Call a module for each of the plan's actions of a kind, and remember what came into being."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"kind", "module", "arguments", "returns", "only", "fields", "parts", "parallel", "note"})

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the modules' results; ``changed`` when there was anything to do."""
        result = super().run(tmp, task_vars)
        variables = dict(task_vars or {})
        args = self._task.args
        actions = variables.get("platform_actions", {}).get(args["kind"], [])
        wanted = calls(actions, args.get("only"), args.get("fields") or ())
        if not wanted:
            return {**result, "changed": False, "skipped": True, "skip_reason": "the plan has nothing of this kind"}
        if self._task.check_mode:
            # The plan is the preview: modules cannot be asked about resources that are not there yet.
            return {**result, "changed": True, "msg": f"would do {len(wanted)} of {args['kind']}, see the plan"}
        known = {kind: dict(names) for kind, names in variables.get("platform_ids", {}).items()}
        items = [
            {**action, "part": part}
            for action in wanted
            for part in self._parts(args.get("parts"), action, known, variables)
        ]
        prepared = [self._arguments(args["arguments"], item, known, variables) for item in items]
        results, failures = self._call(args["module"], prepared, items, variables)
        if failures:
            after = "What was done before stays. Fix the cause and run the playbook again: it goes on from here."
            problem = "\n".join([*failures, after])
            return {**result, "failed": True, "msg": failures[0], "problem": problem, "results": results}
        created = known.setdefault(args["kind"], {})
        for item, answer in zip(items, results, strict=True):
            found = {key: dig(answer, path) for key, path in (args.get("returns") or {}).items()}
            if found:
                created[item["name"]] = {**created.get(item["name"], {}), **found}
        self.register_host_variables({"platform_ids": known})
        return {**result, "changed": any(answer.get("changed") for answer in results), "results": results}

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
        self, name: str, prepared: list[dict[str, Any]], items: list[dict[str, Any]], variables: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """The modules' results, and what failed."""
        results: list[dict[str, Any]] = [{} for _ in prepared]
        failed: list[str] = []
        started = time.monotonic()
        note = self._task.args.get("note")

        def done(index: int, answer: dict[str, Any], died: bool) -> bool:
            item, results[index] = items[index], answer
            what = f"{item['kind']} {item['name']}"
            for warning in answer.get("warnings") or ():
                display.warning(f"{what}: {warning}")
            if answer.get("failed") or died:
                failed.append(f"{item['action']} {what}: {failure(answer)}")
                return False
            line = f"  {what}: {note}" if note else f"{item['action']}d {what}"
            display.display(f"  {line} ({time.monotonic() - started:.1f} s)")
            return True

        run = self._run_warm if warm.usable() else self._run_plain
        run(name, prepared, variables, done)
        return results, failed

    def _run_warm(self, name: str, prepared: list[dict[str, Any]], variables: Mapping[str, Any], done: Done) -> None:
        """Several calls at once, in forks of this process."""
        found = module_loader.find_plugin_with_context(name, mod_type=".py")
        if not found.resolved or not found.plugin_resolved_path:
            raise AnsibleActionFail(f"there is no module {name}; are the collections of requirements.yml installed?")
        module = warm.load(_python_name(found), found.plugin_resolved_path)
        tell_reasons()
        environment: dict[str, str] = {}
        for part in self._task.environment or []:
            environment |= {key: str(value) for key, value in self._templar.template(part).items()}
        for arguments in prepared:
            self._update_module_args(name, arguments, dict(variables))
        parallel = int(self._task.args.get("parallel", PARALLEL))

        def ended(index: int, status: int, output: str) -> bool:
            answer = warm.parse(output)
            if status:
                answer.setdefault("msg", output)
            return done(index, answer, bool(status))

        warm.run_all(module, prepared, environment, parallel, ended)

    def _run_plain(self, name: str, prepared: list[dict[str, Any]], variables: Mapping[str, Any], done: Done) -> None:
        """One call after the other, as Ansible runs any module: where ansible-core is not as ``warm`` knows it."""
        display.warning("this ansible-core is not the pinned one: modules run one after the other, which takes longer")
        for index, arguments in enumerate(prepared):
            answer = self._execute_module(module_name=name, module_args=arguments, task_vars=dict(variables))
            if not done(index, answer, False):
                break


def _python_name(found: Any) -> str:
    """Import name of what the loader has found."""
    collection = found.plugin_resolved_collection
    if collection and collection not in ("ansible.builtin", "ansible.legacy"):
        short = found.resolved_fqcn.rsplit(".", 1)[-1]
        return f"ansible_collections.{collection}.plugins.modules.{short}"
    return f"koin_module_{Path(found.plugin_resolved_path).stem}"
