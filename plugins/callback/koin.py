"""One line per task, the changes under it, and a last sentence that says how the run has ended."""

from __future__ import annotations

import atexit
import functools
import json
import os
import runpy
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as Default

runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.display import results, text  # noqa: E402 - after the path is set
from ansible.module_utils.platform.display.progress import Progress, task_ids  # noqa: E402
from ansible.module_utils.platform.display.screen import Screen  # noqa: E402
from ansible.module_utils.platform.display.sentence import LOCAL, Counts, sentence  # noqa: E402
from ansible.module_utils.platform.display.step import Failure, Step, failed  # noqa: E402

DOCUMENTATION = """
name: koin
type: stdout
short_description: One line per task with its changes, and a last sentence
description:
  - One line per task says what it is, on how many hosts, how many of them it has changed, how long it took, and which
    of the known tasks it is. What it has changed stands below it by host, with C(--diff) with its differences. Tasks
    that were skipped are left out.
  - On a terminal the line is kept up to date while the task runs. Tasks that change nothing leave no line of their
    own; what a role or a play has left unchanged is one line at its end.
  - The last lines say which task has failed on which hosts, why, and what to do, and then what was done and what is
    left to do.
  - Tasks whose names begin with C(platform_) print what they do as it happens; their results are left out.
  - With C(-v), Ansible's usual output.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
options:
  recap_file:
    description: File that gets the counts of the run as JSON, for programs.
    type: path
    env:
      - name: KOIN_RECAP
"""

#: tasks of these names print what they do
_SPEAKS = ("platform_", "check_role_input")
#: prints a line for each of its calls; they stand below the line of the task
_LISTS = "platform_each"
#: returns how much is left to do
_PLANS = ("platform_plan", "platform_report")
#: the action that Ansible itself puts before the tasks of a role; its name is two sentences
_VALIDATES = "validate_argument_spec"
#: actions whose result is of no interest to a person when they succeed
_SILENT = frozenset(
    f"{prefix}{name}"
    for name in ("add_host", "assert", "fail", "group_by", "include_vars", "set_fact", "set_stats", "setup", _VALIDATES)
    for prefix in ("", "ansible.builtin.", "ansible.legacy.")
)
_ASSERT = frozenset({"assert", "ansible.builtin.assert"})
#: what `assert` says when nothing else was written for it to say
_HOLDS = "All assertions passed"
_AGAIN = "Fix the cause and run it again: it goes on from here."
_LOST = "Is the host up, and can you reach it? `make ssh HOST={host}` tries. Then run it again."


def speaks(action: str) -> bool:
    """Whether the action prints what it does."""
    return action.startswith(_SPEAKS)


def _brief(method: Callable[..., None]) -> Callable[..., None]:
    """Ansible's own method in place of this one with -v."""

    @functools.wraps(method)
    def chosen(self: Any, *args: Any, **named: Any) -> None:
        if self.screen is None:
            getattr(super(CallbackModule, self), method.__name__)(*args, **named)
        else:
            method(self, *args, **named)

    return chosen


@dataclass
class Unchanged:
    """What the tasks of a role or a play have found in order."""

    title: str = ""
    place: str = ""
    tasks: int = 0
    hosts: set[str] = field(default_factory=set)
    took: float = 0.0

    def add(self, step: Step) -> None:
        """A task has changed nothing."""
        self.tasks += 1
        self.place = step.place
        self.hosts |= step.ran
        self.took += step.took

    def line(self, columns: int) -> str:
        """What remains of them on the screen."""
        hosts, tasks = text.count(len(self.hosts), "host"), f"{text.count(self.tasks, 'task')} without changes"
        return text.line([self.title, hosts, tasks, text.seconds(self.took), self.place], columns)


class CallbackModule(Default):
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "koin"

    def __init__(self) -> None:
        super().__init__()
        #: None with -v
        self.screen: Screen | None = None if self._display.verbosity else Screen(self._display, self._live)
        self._progress = Progress(())
        self._began = time.monotonic()
        self._steps: dict[str, Step] = {}
        self._now: Step | None = None
        self._group, self._unchanged = ("", ""), Unchanged()
        self._changes: dict[str, int] = {}
        self._hosts: set[str] = set()
        self._planned = 0
        self._failures: list[Failure] = []
        self._rescued: list[Failure] = []
        self._process = os.getpid()
        self._over = True
        if self.screen is not None:
            # Ctrl-C, and errors that end Ansible itself, are told to nobody else.
            atexit.register(self._at_exit)

    # What begins.

    @_brief
    def v2_playbook_on_start(self, playbook: Any) -> None:
        """A playbook begins, before anything of it runs."""
        self._progress = Progress([(play._uuid, _tasks_of(play)) for play in playbook.get_plays()])
        self._began, self._over = time.monotonic(), False

    @_brief
    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A play begins, or its next batch of hosts."""
        self._close()
        self._play = play
        self._steps.clear()
        self._progress.play(play._uuid)

    @_brief
    def v2_playbook_on_no_hosts_matched(self) -> None:
        """The play has no host."""
        self._print(f"{self._play.get_name().strip()}   no host, so it is skipped")

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        """Every host has failed: that was said with each failure."""

    @_brief
    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """A task begins on its first host."""
        self._begin(task)

    @_brief
    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """A handler begins on its first host."""
        self._begin(task)

    @_brief
    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """A host begins with a task."""
        if step := self._steps.get(task._uuid):
            step.started.add(host.get_name())
            self._update()

    @_brief
    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Included tasks say for themselves what they are."""

    # What ends.

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task has succeeded on a host."""
        if self.screen is None:
            if not speaks(result.task.action):
                super().v2_runner_on_ok(result)
            return
        if not isinstance(result.task, TaskInclude):
            self._take(result, functools.partial(self._ok, result))

    @_brief
    def v2_runner_on_skipped(self, result: Any) -> None:
        """A task was skipped on a host."""
        self._take(result, lambda step, host: step.skipped.add(host))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task has failed on a host."""
        if self.screen is None:
            # Set by the tasks themselves; a crash of theirs has none and is shown in full.
            problem = result.result.get("problem")
            if speaks(result.task.action) and problem:
                self._display.display(f"\n{problem}\n", color="red", stderr=True)
            else:
                super().v2_runner_on_failed(result, ignore_errors)
            return
        self._take(result, functools.partial(self._failed, result, ignored=ignore_errors))

    @_brief
    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host does not answer."""
        self._take(
            result, functools.partial(self._failed, result, ignored=bool(result.task.ignore_unreachable), lost=True)
        )

    @_brief
    def v2_runner_item_on_ok(self, result: Any) -> None:
        """An item of a loop has succeeded."""
        self._handle_warnings(result.result)
        host, step = self.host_label(result), self._step(result)
        if step:
            self._say_message(result, step, host)
            if result.result.get("changed"):
                step.item_changes.setdefault(host, []).extend(_of_item(result.result, self._item(result)))

    @_brief
    def v2_runner_item_on_failed(self, result: Any) -> None:
        """An item of a loop has failed."""
        self._handle_warnings(result.result)
        if step := self._step(result):
            name = self._item(result)
            why = results.reason(result.result)
            step.item_reasons.setdefault(self.host_label(result), []).append(f"{name}: {why}" if name else why)

    @_brief
    def v2_runner_item_on_skipped(self, result: Any) -> None:
        """An item of a loop was skipped."""

    @_brief
    def v2_runner_retry(self, result: Any) -> None:
        """A task is tried again."""
        if step := self._step(result):
            tries, retries = result.result.get("attempts", 0), result.result.get("retries", 0)
            step.attempt = f"attempt {tries} of {retries}"
            self._update()

    @_brief
    def v2_runner_on_async_poll(self, result: Any) -> None:
        """A task in the background is still running: the seconds say so."""

    @_brief
    def v2_runner_on_async_ok(self, result: Any) -> None:
        """A task in the background has succeeded; its result follows."""

    @_brief
    def v2_runner_on_async_failed(self, result: Any) -> None:
        """A task in the background has failed; its result follows."""

    @_brief
    def v2_on_file_diff(self, result: Any) -> None:
        """Differences, with --diff."""
        step, found = self._step(result), result.result.get("diff")
        if step and found and result.result.get("changed") and not results.hidden(result.result):
            host = self.host_label(result)
            step.diffs[host] = (*step.diffs.get(host, ()), self._get_diff(results.clean(found)))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """A playbook has ended."""
        if self.screen is None:
            super().v2_playbook_on_stats(stats)
        else:
            self._end(stats)
        self._save(stats)

    # How it is shown.

    def _begin(self, task: Any) -> None:
        self._close()
        role = task._role.get_name() if task._role else ""
        play = self._play.get_name().strip()
        self._progress.task(task._uuid)
        group = (self._play._uuid, role)
        if group != self._group:
            self._end_group()
            self._group, self._unchanged = group, Unchanged(role or play)
        action = str(task.action)
        name = "Check the variables" if action.endswith(_VALIDATES) else task.name or action
        step = Step(text.title(role or play, name), group, action, self._progress.text)
        step.check = bool(context.CLIARGS.get("check"))
        self._steps[task._uuid] = self._now = step
        assert self.screen is not None
        self.screen.before = functools.partial(self._head, step) if step.action == _LISTS else None
        self._update()

    def _live(self) -> str:
        step = self._now
        return step.live(self._columns) if step and self.screen else ""

    @property
    def _columns(self) -> int:
        return self.screen.columns - 1 if self.screen and self.screen.columns else 0

    def _update(self) -> None:
        if self.screen is not None:
            self.screen.update()

    def _print(self, line: str, color: str | None = None, *, error: bool = False) -> None:
        assert self.screen is not None
        self.screen.print(line, color, error=error)

    def _head(self, step: Step) -> None:
        """The line of a task that prints what it does, before that."""
        self._print(text.line([step.title, step.place], self._columns))

    def _close(self) -> None:
        """The task that was running has ended."""
        step, self._now = self._now, None
        if step is not None:
            self._show(step)

    def _show(self, step: Step) -> None:
        assert self.screen is not None
        self.screen.clear()
        for message in step.messages():
            self._print(message)
        if not step.ran or step.said or (speaks(step.action) and not step.notes):
            return
        if step.changed or step.failed or step.notes:
            color = constants.COLOR_ERROR if step.failed else constants.COLOR_CHANGED if step.changed else None
            self._print(step.heading(self._columns), color)
            for line, what in step.below(self._columns):
                self._print(line, constants.COLOR_WARN if what == "note" else None)
        elif not self.screen.live:
            self._print(step.heading())
        elif step.action not in _SILENT:
            self._unchanged.add(step)

    def _end_group(self) -> None:
        """One line for all that a role or a play has found in order, where it has looked at hosts."""
        if self._unchanged.hosts - {LOCAL}:
            self._print(self._unchanged.line(self._columns))
        self._unchanged = Unchanged()

    # What results say.

    def _item(self, result: Any) -> str:
        """A few words for an item of a loop."""
        return "" if results.hidden(result.result) else results.label(self._get_item_label(result.result))

    def _step(self, result: Any) -> Step | None:
        return self._steps.get(result.task._uuid)

    def _take(self, result: Any, what: Callable[[Step, str], None]) -> None:
        """Add a host's result to its task."""
        self._handle_warnings(result.result)
        step = self._step(result)
        if step is None:
            return
        late = step is not self._now
        if late:
            # With the strategy `free`, hosts are not at the same task.
            step = Step(step.title, step.group, step.action, step.place, step.check, step.began)
        step.ended = time.monotonic()
        self._hosts.add(result.host.get_name())
        what(step, self.host_label(result))
        if late:
            self._show(step)
        self._update()

    def _ok(self, result: Any, step: Step, host: str) -> None:
        found = result.result
        self._say_message(result, step, host)
        if step.action in _PLANS:
            self._planned = sum(found.get("counts", {}).get(kind, 0) for kind in ("create", "change"))
        if not found.get("changed"):
            step.ok.add(host)
            return
        changes = step.item_changes.pop(host, []) if result.task.loop else results.things(found)
        step.changed[host] = tuple(text.printable(change) for change in changes)
        # In a check it calls no module: what would be done is in the plan.
        number = results.calls(found) if step.action == _LISTS else max(len(changes), 1)
        name = result.host.get_name()
        self._changes[name] = self._changes.get(name, 0) + number

    def _say_message(self, result: Any, step: Step, host: str) -> None:
        """What `debug` and `assert` are there to say."""
        if (result.task.loop and "results" in result.result) or results.hidden(result.result):
            return
        if step.action in _ASSERT:
            message = result.result.get("msg")
            said = message if message != _HOLDS else None
        elif step.action in constants._ACTION_DEBUG:
            self._clean_results(result.result, step.action)
            message = result.result.get("msg")
            said = message if message is not None else self._dump_results(result.result)
        else:
            return
        if said:
            lines = [said] if isinstance(said, str) else said if isinstance(said, list) else [self._dump_results(said)]
            step.said[host] = (*step.said.get(host, ()), *(text.printable(str(one)) for one in lines))

    def _failed(self, result: Any, step: Step, host: str, *, ignored: bool = False, lost: bool = False) -> None:
        why = "\n".join(step.item_reasons.pop(host, [])) or results.reason(result.result)
        rescued = not lost and _is_rescued(result.task)
        if ignored:
            step.notes[host] = ("ignored", _first(why))
            return
        told = bool(result.result.get("problem"))
        advice = "" if told else _LOST.format(host=result.host.get_name()) if lost else _advice(result.task)
        failure = Failure(step.title, host, why, advice, self._progress.place, told)
        if rescued:
            step.notes[host] = ("rescued", _first(why))
            self._rescued.append(failure)
        else:
            step.failed.add(host)
            self._failures.append(failure)

    # The end.

    def _counts(self, *, stopped: bool, place: int = 0) -> Counts:
        tasks, done = self._progress.total, max((place or self._progress.place) - 1, 0)
        return Counts(
            self._changes,
            self._hosts,
            time.monotonic() - self._began,
            left=tasks - done if stopped else self._planned,
            tasks=tasks,
            check=bool(context.CLIARGS.get("check")),
            stopped=stopped,
        )

    def _end(self, stats: Any) -> None:
        """The last lines."""
        self._close()
        self._end_group()
        assert self.screen is not None
        hosts = [stats.summarize(host) for host in stats.processed]
        bad = any(counts["failures"] or counts["unreachable"] for counts in hosts)
        # Ansible has the last word about what was rescued.
        failures = self._failures or (self._rescued[-1:] if bad else [])
        for line in failed(failures, self._columns):
            self._print(line, constants.COLOR_ERROR, error=True)
        if failures:
            self._print("", error=True)
        stopped = bad or bool(failures)
        self._print(sentence(self._counts(stopped=stopped, place=min((one.place for one in failures), default=0))))
        self._over = True
        self._failures, self._rescued, self._changes = [], [], {}

    def _save(self, stats: Any) -> None:
        """Write the counts for programs."""
        if path := self.get_option("recap_file"):
            content = {host: stats.summarize(host) for host in sorted(stats.processed)}
            Path(path).write_text(json.dumps(content, indent=2) + "\n")

    def _at_exit(self) -> None:
        """Ctrl-C, and errors that end Ansible itself, are told to no callback."""
        if os.getpid() != self._process or self.screen is None:
            return
        step = self._now
        self.screen.close()
        if not self._over:
            self._print(f"Ended at {step.title}. {_AGAIN}" if step else f"Ended early. {_AGAIN}", error=True)
            self._print(sentence(self._counts(stopped=True)))


def _tasks_of(play: Any) -> list[str]:
    """The tasks of a play that the command's tags leave."""
    variables = play.get_variable_manager().get_vars(play=play)
    blocks = [block.filter_tagged_tasks(variables) for block in play.compile()]
    return task_ids(blocks, frozenset(constants._ACTION_META))


def _is_rescued(task: Any) -> bool:
    """Whether a block around the task has a rescue for it."""
    inside, around = task, task._parent
    while around is not None:
        if getattr(around, "rescue", None) and _holds(around.block, inside):
            return True
        inside, around = around, around._parent
    return False


def _holds(tasks: Iterable[Any], one: Any) -> bool:
    return any(task._uuid == one._uuid for task in tasks)


def _first(why: str) -> str:
    return next((line.strip() for line in why.splitlines() if line.strip()), "")


def _advice(task: Any) -> str:
    where = str(task.get_path() or "")
    if where:
        file, _, number = where.rpartition(":")
        path = Path(file)
        near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        where = f" The task: {near}:{number}."
    return f"{_AGAIN} `-v` shows more.{where}"


def _of_item(result: Mapping[str, Any], name: str) -> list[str]:
    """What an item of a loop has changed."""
    return results.things(result) or ([name] if name else [])
