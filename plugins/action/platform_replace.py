"""Controller side of ``platform_replace``; its documentation is in plugins/modules/platform_replace.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform import records  # noqa: E402 - after the path is set
from ansible.module_utils.platform.declared_hosts import host_name  # noqa: E402
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.engine.specs import role_specs  # noqa: E402
from ansible.module_utils.platform.kinds.succession import FORMER  # noqa: E402
from ansible.module_utils.platform.planning import (  # noqa: E402
    confirm_lock,
    environment_of,
    of_localhost,
    run_journal,
)
from ansible.module_utils.platform.replacement import Replacement, Step  # noqa: E402
from ansible.module_utils.platform.replacing import Replacer  # noqa: E402

_ROLES = Path(__file__).parents[2] / "roles"

display = Display()


class ActionModule(ActionBase):
    """Say what comes next, or do it."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"host", "state", "name", "without", "former"})
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the next step, or what it was before this did it."""
        result, args = super().run(tmp, task_vars), self._task.args
        variables = of_localhost(task_vars or {})
        without = {word.strip() for word in str(args.get("without") or "").split(",")} - {""}
        try:
            replacer = self._look(variables)
            found = replacer.decide(without)
            self._check_name(replacer)
            does = {
                "planned": self._planned,
                "renamed": self._renamed,
                "handed_over": self._handed_over,
                "stopped": self._stopped,
                "terminated": self._terminated,
            }[args.get("state", "planned")]
            changed = does(replacer, found)
        except PlatformError as error:
            return {**result, "failed": True, "msg": "nothing was done", "problem": str(error)}
        return {**result, "changed": changed, **_facts(replacer, found)}

    def _look(self, variables: Mapping[str, Any]) -> Replacer:
        host = str(self._task.args.get("host") or "").strip()
        if not host:
            raise PlatformError("Say which host: -e host=koin-prod.")
        raw = {name: self._templar.template(variables[name]) for name in variables if name.startswith("aws_")}
        return Replacer.look(
            host,
            raw,
            role_specs(_ROLES),
            environment_of(self._templar, variables),
            lambda: confirm_lock(self._templar, variables),
        )

    def _check_name(self, replacer: Replacer) -> None:
        given = str(self._task.args.get("name") or "").strip()
        if given and given != replacer.name:
            raise PlatformError(f"`{given}` was typed, and {replacer.name} is to be replaced. Nothing was done.")

    def _planned(self, replacer: Replacer, found: Replacement) -> bool:
        _refuse(found)
        return False

    def _renamed(self, replacer: Replacer, found: Replacement) -> bool:
        _refuse(found)
        if found.step is not Step.RENAME or found.current is None:
            return False
        if not self._task.check_mode:
            replacer.rename(found.current)
            display.display(f"  {replacer.name} ({found.current['InstanceId']}) is called {replacer.name}{FORMER} now")
        return True

    def _handed_over(self, replacer: Replacer, found: Replacement) -> bool:
        if found.step is not Step.HAND_OVER or found.current is None or found.former is None:
            _refuse(found)
            return False
        if not self._task.check_mode:
            replacer.hand_over(found.current, found.former)
        return True

    def _stopped(self, replacer: Replacer, found: Replacement) -> bool:
        if found.step is Step.DONE:
            return False
        if found.step is not Step.STOP or found.former is None:
            raise PlatformError(
                f"{replacer.name}{FORMER} still serves, so it was not stopped: playbooks/hand_over.yml."
            )
        if not self._task.check_mode:
            replacer.stop(found.former)
        return True

    def _terminated(self, replacer: Replacer, found: Replacement) -> bool:
        name, asked = replacer.name + FORMER, str(self._task.args.get("former") or "").strip()
        if asked != name:
            raise PlatformError(
                f"`{asked}` is not {name}, the former instance of {replacer.name}. Nothing was deleted."
            )
        if found.former is None:
            display.display(f"  There is no instance {name}.")
            return False
        _refuse(found)
        if found.step is not Step.DONE or found.former["State"]["Name"] != "stopped":
            raise PlatformError(
                f"{name} is {found.former['State']['Name']}. Only a former instance that has handed over and is "
                "stopped is deleted: playbooks/hand_over.yml stops it."
            )
        if replacer.protected(found.former):
            raise PlatformError(
                f"{name} is protected against termination, so it stays. To allow it: aws ec2 "
                f"modify-instance-attribute --instance-id {found.former['InstanceId']} --no-disable-api-termination"
            )
        if not self._task.check_mode:
            run_journal().note(records.deletions([("instance", name)]))
            replacer.terminate(found.former)
        return True


def _refuse(found: Replacement) -> None:
    if found.problems:
        raise PlatformError("\n".join([*found.problems, "Nothing was done."]))


def _facts(replacer: Replacer, found: Replacement) -> dict[str, Any]:
    address = replacer.context.found("elastic_ip", replacer.name)
    return {
        "step": str(found.step or ""),
        "name": replacer.name,
        "host": host_name(replacer.name),
        "functions": list(replacer.entry.get("functions", ())),
        "asks": replacer.kept,
        "address": address.raw["PublicIp"] if address else "",
        "former": host_name(replacer.name + FORMER) if found.former else "",
    }
