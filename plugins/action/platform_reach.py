"""Controller side of ``platform_reach``; its documentation is in plugins/modules/platform_reach.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402 - after the path is set
from ansible.module_utils.platform.planning import Networks, networks_of  # noqa: E402
from ansible.module_utils.platform.reach import ask, show  # noqa: E402
from ansible.module_utils.platform.reach.listening import open_ports  # noqa: E402
from ansible.module_utils.platform.reach.matrix import Matrix, as_data  # noqa: E402
from ansible.module_utils.platform.reach.policy import VARIABLE  # noqa: E402
from ansible.module_utils.platform.reviewing import read_sources, reviewer  # noqa: E402

display = Display()


class ActionModule(ActionBase):
    """Show who reaches whom, or explain one path."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"source", "target", "port", "protocol", "of", "expect", "show"})

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Print it; fail when a path is not as expected."""
        result, variables = super().run(tmp, task_vars), dict(task_vars or {})
        try:
            found = networks_of(self._templar, variables)
            return {**result, "changed": False, **self._told(found, variables)}
        except PlatformError as error:
            return {**result, "failed": True, "msg": "nothing was written", "problem": str(error)}

    def _argument(self, name: str) -> str:
        return str(self._task.args.get(name) or "").strip()

    def _told(self, found: Networks, variables: Mapping[str, Any]) -> dict[str, Any]:
        of, source, target = (self._argument(name) for name in ("of", "source", "target"))
        if of not in ("", "account", "declaration"):
            raise PlatformError(f"of: `{of}` is neither account nor declaration.")
        declared = of == "declaration" or (not of and not found.before.hosts)
        matrix = Matrix(found.after if declared else found.before)
        what = "declared" if declared else "in the account"
        if source and target:
            return self._path(matrix, source, target, what, variables)
        if self._argument("port") or self._argument("expect"):
            raise PlatformError("A path has two ends: add -e from=internet -e to=KOIN_DB.")
        data = {"reach": as_data(matrix.network), "open": open_ports(matrix)}
        if not boolean(self._task.args.get("show", True)):
            return data
        wanted = [ask.host_called(name, matrix) for name in (source, target) if name]
        lines = [f"Who reaches whom, as {what}:", "", *show.table(matrix, *wanted)]
        lines += _section("Not known:", show.unknown(matrix.network))
        if not wanted:
            lines += self._findings(found, matrix, variables)
        if not declared:
            lines += _section("provision.yml would change this:", show.changes(matrix, Matrix(found.after)))
        display.display("\n".join(lines))
        return data

    def _findings(self, found: Networks, matrix: Matrix, variables: Mapping[str, Any]) -> list[str]:
        """What the policy forbids, and what is open without need."""
        review = reviewer(variables, self._templar.template)
        broken = [
            item.what if item.where.startswith(VARIABLE) else f"{item.where}: {item.what}"
            for item in review.problems(found.instances, matrix)
        ]
        spare = review.listening(found.instances, matrix)
        return [*_section("Against platform_reach:", broken), *_section("By what is offered:", spare)]

    def _path(
        self, matrix: Matrix, source: str, target: str, what: str, variables: Mapping[str, Any]
    ) -> dict[str, Any]:
        text, expect = self._argument("port"), self._argument("expect") or "open"
        if text and not text.isdecimal():
            raise PlatformError(f"port: `{text}` is no number.")
        if expect not in ("open", "closed"):
            raise PlatformError(f"expect: `{expect}` is neither open nor closed.")
        protocol = self._argument("protocol") or "tcp"
        found = ask.answers(matrix, source, target, protocol, int(text) if text else None)
        files = read_sources(variables.get("ansible_inventory_sources") or ())
        lines = [line for answer in found for line in (*answer.lines(files.written_at), "")]
        lines += [*show.unknown(matrix.network), ""] if matrix.network.unknown() else []
        display.display("\n".join([f"As {what}:", *lines[:-1]]))
        verdicts = [answer.verdict for answer in found]
        right = all(verdict == (ask.PASSES if expect == "open" else ask.CLOSED) for verdict in verdicts)
        if expect == "open":
            right = ask.PASSES in verdicts
        if right:
            return {"verdicts": verdicts}
        told = "; ".join(f"{answer.question}: {answer.verdict}" for answer in found)
        problem = f"{told}. Expected: {expect}. See the steps above."
        return {"failed": True, "verdicts": verdicts, "msg": "not as expected", "problem": problem}


def _section(heading: str, lines: Sequence[str]) -> list[str]:
    """Lines below a heading; nothing without lines."""
    return ["", heading, *(f"  {line}" for line in lines)] if lines else []
