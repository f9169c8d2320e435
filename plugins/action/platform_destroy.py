"""Controller side of ``platform_destroy``; its documentation is in plugins/modules/platform_destroy.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform import records, sources  # noqa: E402 - after the path is set
from ansible.module_utils.platform.destruction import Destroyer  # noqa: E402
from ansible.module_utils.platform.engine.destroy import Decision, Doomed  # noqa: E402
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.engine.specs import role_specs  # noqa: E402
from ansible.module_utils.platform.planning import confirm_lock, environment_of, run_journal  # noqa: E402

_ROLES = Path(__file__).parents[2] / "roles"

display = Display()


class ActionModule(ActionBase):
    """Say what would be deleted and what stays, or delete it."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"state", "only", "name", "shown"})
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what is to be deleted, was deleted, and stays."""
        result, variables = super().run(tmp, task_vars), task_vars or {}
        only = str(self._task.args.get("only") or "").strip()
        if "only" in self._task.args and not only:
            # A script's variable that is not set must not mean everything.
            problem = "`only` is empty. Nothing was deleted. Name one resource, or leave it out to delete all of them."
            return {**result, "failed": True, "msg": "nothing was deleted", "problem": problem}
        try:
            raw = {name: self._templar.template(variables[name]) for name in variables if name.startswith("aws_")}
            destroyer = Destroyer(raw, role_specs(_ROLES), environment_of(self._templar, variables))
            decision = destroyer.decide(only)
            if self._task.args.get("state", "planned") == "planned":
                return {**result, **self._planned(destroyer, decision, raw, only)}
            return {**result, **self._absent(destroyer, decision, variables, only)}
        except PlatformError as error:
            return {**result, "failed": True, "msg": "not done", "problem": str(error)}

    def _planned(self, destroyer: Destroyer, decision: Decision, raw: Mapping[str, Any], only: str) -> dict[str, Any]:
        names = [item.text for item in decision.doomed]
        display.display("\n".join(["", f"Account {destroyer.account}, {raw['aws_region']}", *_listed(decision)]))
        answer = {"changed": False, "doomed": names, "kept": dict(decision.kept)}
        if only and decision.kept:
            problem = f"{only} stays, for the reason above. Nothing was deleted."
            return {**answer, "failed": True, "msg": "nothing was deleted", "problem": problem}
        given = self._task.args.get("name")
        if names and given and given != platform(raw):
            return {**answer, "failed": True, "msg": "nothing was deleted", "problem": _other_name(str(given), raw)}
        if not names:
            display.display("\nNothing was deleted: nothing of what is declared is there, or may be deleted.")
        return answer

    def _absent(
        self, destroyer: Destroyer, decision: Decision, variables: Mapping[str, Any], only: str
    ) -> dict[str, Any]:
        raw = {"aws_tags": self._templar.template(variables["aws_tags"])}
        given = str(self._task.args.get("name") or "").strip()
        if given != platform(raw):
            raise PlatformError(_other_name(given, raw))
        names = [item.text for item in decision.doomed]
        if new := [name for name in names if name not in self._task.args["shown"]]:
            raise PlatformError(
                f"The account has changed since you were asked: {', '.join(new)} would be deleted as well. "
                "Nothing was deleted. Run it again."
            )
        if self._task.check_mode:
            return {"changed": bool(names), "deleted": []}
        run_journal().note(records.deletions((item.kind.name, item.want.name) for item in decision.doomed))
        done: list[str] = []
        for item, seconds in destroyer.remove(decision.doomed, lambda: confirm_lock(self._templar, variables)):
            done.append(item.text)
            display.display(f"  deleted {item.text} ({seconds:.1f} s)")
        left = {item.text for item in destroyer.decide().doomed} & set(names)
        if left:
            raise PlatformError(
                f"Still there: {', '.join(sorted(left))}. Run it again in a minute: it goes on from here."
            )
        places = self._places(decision.doomed[0], variables) if only and decision.doomed else ""
        stays = (
            f"{len(decision.kept)} stay, for the reasons above" if decision.kept else "nothing of the declared stays"
        )
        end = f"{len(done)} deleted; {places or stays}."
        display.display(f"\n{end[0].upper()}{end[1:]}")
        return {"changed": bool(done), "deleted": done}

    def _places(self, item: Doomed, variables: Mapping[str, Any]) -> str:
        """Where the declaration of what has gone still stands."""
        folders = {
            Path(source) if Path(source).is_dir() else Path(source).parent
            for source in variables["ansible_inventory_sources"]
        }
        where = f"{item.kind.variable}.{item.want.name}"
        lines = [line for folder in folders if (line := sources.read(folder).line_of(where, groups=("all",)))]
        place = lines[0] if lines else where
        return f"remove its declaration ({place}), or the next provisioning makes it again"


def platform(raw: Mapping[str, Any]) -> str:
    """The name of the platform: the tag that all its resources have."""
    return str((raw.get("aws_tags") or {}).get("Platform") or "")


def _other_name(given: str, raw: Mapping[str, Any]) -> str:
    said = f"`{given}` is not the name of this platform" if given else "The name of the platform was not typed"
    how = f"type it, or write -e confirm={platform(raw)}"
    return f"{said}. Nothing was deleted. Its name is the tag Platform in aws_tags; {how}."


def _listed(decision: Decision) -> list[str]:
    lines = ["", "Will be deleted, in this order:", *(f"  - {item.text}" for item in decision.doomed)]
    lines = lines if decision.doomed else []
    if decision.kept:
        lines += ["", "Stays:", *(f"  {text}: {reason}" for text, reason in decision.kept.items())]
    return lines
