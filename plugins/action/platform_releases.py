"""Controller side of ``platform_releases``; its documentation is in plugins/modules/platform_releases.py."""

from __future__ import annotations

import runpy
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform import locking  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.planning import clients_in, confirm_lock, lock_note, of_localhost  # noqa: E402
from ansible.module_utils.platform.release_store import ReleaseStore  # noqa: E402
from ansible.module_utils.platform.releases import Release, Run, as_data, begun, choices, ended, listed  # noqa: E402

display = Display()

Histories = dict[str, dict[str, list[Release]]]


class ActionModule(ActionBase):
    """Read and record what runs."""

    _requires_connection = False
    _VALID_ARGS = frozenset(
        {"state", "bucket", "stacks", "images", "declared_images", "asked", "verb", "outcome", "show"}
    )

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the releases of the stacks."""
        result, variables = super().run(tmp, task_vars), of_localhost(task_vars or {})
        arguments = self._task.args
        bucket, stacks = str(arguments.get("bucket") or ""), arguments.get("stacks") or {}
        if not bucket:
            return {**result, "changed": False, "releases": {}}
        try:
            store = ReleaseStore(clients_in(self._templar, variables)["s3"], bucket)
            found: Histories = {stack: store.read(stack) for stack in stacks}
            state = arguments.get("state", "read")
            if state == "read":
                self._show(found, arguments.get("show") or "")
                return {**result, "changed": False, "releases": as_data(found)}
            new = self._begun(found) if state == "begun" else self._ended(found)
            if not self._task.check_mode:
                for stack, histories in new.items():
                    if histories != found.get(stack):
                        confirm_lock(self._templar, variables)
                        store.write(stack, histories)
            return {**result, "changed": False, "releases": as_data(new)}
        except PlatformError as error:
            return {**result, "failed": True, "msg": str(error), "problem": str(error)}

    def _show(self, found: Histories, service: str) -> None:
        stack, _, name = service.partition("/")
        if name:
            display.display("\n".join(listed(service, found.get(stack, {}).get(name, []))))

    def _begun(self, found: Histories) -> Histories:
        arguments, asked = self._task.args, self._task.args.get("asked") or {}
        by = Run(_who(), time.strftime("%Y-%m-%d %H:%M:%S %Z"), arguments.get("verb") or "configure")
        wanted = choices(
            arguments["stacks"], arguments.get("images") or {}, arguments.get("declared_images") or {}, found, asked
        )
        return {
            stack: {
                **found.get(stack, {}),
                **{
                    name: begun(
                        found.get(stack, {}).get(name, []), choice.chosen, choice.declared, choice.declared_image, by
                    )
                    for name, choice in services.items()
                },
            }
            for stack, services in wanted.items()
        }

    def _ended(self, found: Histories) -> Histories:
        outcome = self._task.args.get("outcome") or {}
        services = outcome.get("services") or {}
        otherwise = str(outcome.get("msg") or "") if outcome.get("failed") else ""
        new: Histories = {}
        for stack, histories in found.items():
            for name, history in histories.items():
                what = services.get(stack, {}).get(name)
                # Without a word about it, it is as it was before the run, unless the run got no answer at all.
                why = what["why"] if what else otherwise
                known = what or otherwise
                image = what["image"] if what else ""
                new.setdefault(stack, {})[name] = ended(history, why, image) if known else list(history)
        return new


def _who() -> str:
    note = locking.Note.read(lock_note())
    return note.holding.name.partition(":")[0] if note else ""
