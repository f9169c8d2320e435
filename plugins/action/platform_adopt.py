"""Controller side of ``platform_adopt``; its documentation is in plugins/modules/platform_adopt.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.adoption import Adopter, Adoption  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.engine.specs import role_specs  # noqa: E402
from ansible.module_utils.platform.planning import environment_of  # noqa: E402

_ROLES = Path(__file__).parents[2] / "roles"

display = Display()


class ActionModule(ActionBase):
    """Work out what to write, show it, and write it."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"what", "keep"})
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what was adopted, and which files were written."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        what, keep = (str(self._task.args.get(name) or "").strip() for name in ("what", "keep"))
        if keep not in ("", "live"):
            problem = f"`keep: {keep}` means nothing here. -e keep=live makes the declaration follow what differs."
            return {**result, "failed": True, "msg": "nothing was written", "problem": problem}
        adopter = Adopter(
            variables["ansible_inventory_sources"],
            role_specs(_ROLES),
            environment_of(self._templar, variables),
            self._loader.get_basedir(),
        )
        try:
            adoption = adopter.adopt(what or "all", keep_live=keep == "live")
            write = bool(what) and not self._task.check_mode
            undo = adopter.undo(adoption) if write and adoption.texts else ""
            if write:
                adopter.write(adoption)
        except PlatformError as error:
            return {**result, "failed": True, "msg": "nothing was written", "problem": str(error)}
        display.display("\n".join(_report(adoption, write=write, asked=bool(what), undo=undo)))
        files = list(adoption.texts)
        adopted = [target.text for target in adoption.targets]
        return {**result, "changed": bool(files) and bool(what), "adopted": adopted, "files": files}


def _report(adoption: Adoption, *, write: bool, asked: bool, undo: str) -> list[str]:
    """What was done, or would be; the last line says what is true now."""
    lines = ["", adoption.diff().rstrip("\n")] if adoption.texts else [""]
    for name, reason in adoption.refused.items():
        lines += [
            "",
            f"Not adopted: {name}",
            *(f"    {line}".rstrip() for line in reason.removeprefix(f"{name}: ").splitlines()),
        ]
    if adoption.besides:
        lines += ["", "Because of it, the plan will also say:"]
        lines += [f"  {action.action} {action.kind} {action.name}" for action in adoption.besides]
    names = ", ".join(target.text for target in adoption.targets)
    count = len(adoption.targets)
    rest = f"; {len(adoption.refused)} not, see above" if adoption.refused else ""
    if not count:
        return [*lines, "", f"Nothing was written: there is nothing to adopt{rest}."]
    if not asked:
        ways = "-e what=all for all of it, or one resource, as -e what='" + adoption.targets[0].text + "'"
        return [*lines, "", f"Nothing was written. {count} could be adopted ({names}){rest}. Say which: {ways}."]
    if not write:
        return [*lines, "", f"Nothing was written (check mode). {count} would be adopted ({names}){rest}."]
    done = f"{names} {'is' if count == 1 else 'are'} declared as the account has it: the plan is empty for it{rest}."
    return [*lines, "", *([undo] if undo else []), done if adoption.texts else f"{done} No file had to change."]
