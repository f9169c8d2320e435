"""Controller side of ``platform_history``; its documentation is in plugins/modules/platform_history.py."""

from __future__ import annotations

import runpy
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform import history, records  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.errors import PlatformError  # noqa: E402
from ansible.module_utils.platform.moments import moment, told  # noqa: E402
from ansible.module_utils.platform.planning import bucket_in, planned  # noqa: E402
from ansible.module_utils.platform.record_store import began  # noqa: E402
from ansible.module_utils.platform.records import Change, Record  # noqa: E402

display = Display()
#: runs before a moment among which one that has seen the account is looked for
_BEFORE = 100
#: how long before a moment a run may have begun that is still under way then
_LONGEST = timedelta(days=1)


class ActionModule(ActionBase):
    """Print the runs, and what changed."""

    _requires_connection = False
    _VALID_ARGS = frozenset({"since", "to", "last"})

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the runs."""
        result, variables = super().run(tmp, task_vars), dict(task_vars or {})
        try:
            return {**result, "changed": False, **self._told(variables)}
        except (PlatformError, ValueError) as error:
            return {**result, "failed": True, "msg": "the history cannot be told", "problem": str(error)}

    def _told(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC)
        since, until = (self._moment(name, now) for name in ("since", "to"))
        bucket = bucket_in(self._templar, variables)
        keys = [(when, key) for key in bucket.records.listed() if (when := began(key))]
        known = [key for when, key in keys if until is None or when <= until]
        if since is None:
            wanted = known[-max(1, int(self._task.args.get("last") or 1)) :]
        else:
            first = next((number for number, (when, _) in enumerate(keys) if when >= since - _LONGEST), len(keys))
            wanted = known[max(0, first - _BEFORE) :]
        runs = bucket.records.read(wanted)
        if len(runs) < len(wanted):
            display.warning(
                f"Left out: {len(wanted) - len(runs)} records that this version of the repository cannot read."
            )
        seen = bucket.lock.read()
        listed = [run for run in runs if since is None or run.began >= since]
        display.display("\n".join(["", *history.table(listed, seen.holding.token if seen else "")]))
        facts: dict[str, Any] = {"runs": [_short(run, seen.holding.token if seen else "") for run in listed]}
        if since is None:
            return facts
        entry = None
        if until is None:
            plan = planned(self._templar, variables, with_seen=True)
            entry = records.observed(plan.observed, now)
        return facts | self._changed(runs, since, until or now, entry)

    def _changed(
        self, runs: Sequence[Record], since: datetime, until: datetime, now: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Print what changed; fails when anything changed outside."""
        try:
            changes: list[Change] = records.changes(runs, since, until, now)
        except LookupError as error:
            raise PlatformError(
                f"No run has seen the account between {told(since)} and {told(until)}, so nothing can be compared. "
                "provision.yml and site.yml do; take an earlier `since`."
            ) from error
        display.display("\n".join(["", *history.told(changes), ""]))
        count = history.outside(changes)
        if count:
            what = "1 change" if count == 1 else f"{count} changes"
            text = f"{what} from outside. Plan: what is declared is shown there, and provisioning puts it back."
            return {"failed": True, "outside": count, "msg": "changed outside", "problem": text}
        return {"outside": 0}

    def _moment(self, name: str, now: datetime) -> datetime | None:
        text = str(self._task.args.get(name) or "")
        try:
            return moment(text, now) if text else None
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error


def _short(run: Record, holder: str) -> dict[str, Any]:
    parts = {name: getattr(run, name) for name in ("who", "what", "begin", "end", "commit", "failed")}
    return {**parts, "result": records.state(run, holder), "changed": run.writes}
