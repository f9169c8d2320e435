"""What a run prints: plugins/callback/koin.py over small playbooks, in a terminal and without one."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.platform.display.text import width

from rehearsal import REPOSITORY
from tests.support.display import Playbook
from tests.support.terminal import Shown

SECRET = "hunter2-not-for-logs"
TIME = re.compile(r"\b(\d+ min )?\d+(\.\d)? s\b")


def task(name: str, /, action: str = "returns", *, _: dict[str, Any] | None = None, **answers: Any) -> dict[str, Any]:
    """A task that answers so. _: keywords of the task."""
    return {"name": name, action: answers, **(_ or {})}


def once(pattern: str, keys: bytes, wait: float = 0) -> Callable[[str], bytes]:
    """Types the keys, once, when the pattern is on the screen. wait: seconds, for the clock to go on."""
    typed: list[bytes] = []

    def types(written: str) -> bytes:
        if typed or not re.search(pattern, written):
            return b""
        typed.append(keys)
        time.sleep(wait)
        return keys

    return types


def timeless(text: str) -> list[str]:
    """The lines, with ``T`` for how long something took."""
    return TIME.sub("T", text).splitlines()


#: what most of the tests look at: roles, an include, handlers, a loop, a rescue, a delegated task
TASKS = """
- name: Edge | Look
  returns: {}
- name: Edge | Skipped
  returns: {changed: true}
  when: false
- name: Edge | Write the configuration
  host_files:
    changed: true
    changed_files: [/etc/nginx/nginx.conf]
    per_host: {beta: {changed_files: [/etc/nginx/nginx.conf, /etc/nginx/더.conf]}}
  notify: Reload nginx
- name: Edge | Install nginx
  host_packages: {changed: false, per_host: {gamma: {changed: true, installed: [nginx, libc], removed: [apache]}}}
- name: Edge | More
  ansible.builtin.include_tasks: more.yml
- name: Edge | Read the directory
  returns: {}
"""
MORE = """
- name: More | Items
  returns: {changed: "{{ item.name != 'c' }}", dest: "/srv/{{ item.name }}"}
  loop: [{name: a}, {name: b}, {name: c}]
  run_once: true
- name: More | Try
  block:
    - name: More | Break
      returns: {failed: true, msg: it broke}
  rescue:
    - name: More | Go on
      returns: {}
- name: More | Ignored
  returns: {failed: true, msg: no matter}
  ignore_errors: true
- name: More | Elsewhere
  returns: {changed: true, path: /etc/hosts}
  delegate_to: beta
  when: inventory_hostname == 'alpha'
"""
HANDLERS = """
- name: Reload nginx
  returns: {changed: true}
"""
PLAYS = [
    {
        "name": "Edge",
        "hosts": "all",
        "gather_facts": False,
        "any_errors_fatal": True,
        "roles": ["edge"],
        "tasks": [{"name": "Say", "ansible.builtin.debug": {"msg": "12 sites are served."}, "run_once": True}],
    }
]
LINES = [
    "edge · Look   3 hosts   T   [1/7]",
    "edge · Write the configuration   3 hosts   3 changed   T   [3/7]",
    "    alpha, gamma: /etc/nginx/nginx.conf",
    "    beta: /etc/nginx/nginx.conf, /etc/nginx/더.conf",
    "edge · Install nginx   3 hosts   1 changed   T   [4/7]",
    "    gamma: + nginx, + libc, - apache",
    "edge · More · Items   alpha   1 changed   T   [5/7]",
    "    /srv/a, /srv/b",
    "edge · More · Break   3 hosts   3 rescued   T   [5/7]",
    "    alpha, beta, gamma: it broke (rescued)",
    "edge · More · Go on   3 hosts   T   [5/7]",
    "edge · More · Ignored   3 hosts   3 ignored   T   [5/7]",
    "    alpha, beta, gamma: no matter (ignored)",
    "edge · More · Elsewhere   alpha -> beta   1 changed   T   [5/7]",
    "    /etc/hosts",
    "edge · Read the directory   3 hosts   T   [6/7]",
    "12 sites are served.",
    "edge · Reload nginx   3 hosts   3 changed   T   [7/7]",
    "13 changes on 3 hosts in T; 0 left to do",
]


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Playbook:
    """A role with some of everything."""
    files = {
        "roles__edge__tasks__main": TASKS,
        "roles__edge__tasks__more": MORE,
        "roles__edge__handlers__main": HANDLERS,
    }
    return Playbook(tmp_path_factory.mktemp("edge"), PLAYS, **files)


@pytest.fixture(scope="module")
def in_colour(edge: Playbook) -> Shown:
    return edge.seen()


def test_without_a_terminal_each_task_has_one_line_and_its_changes(edge: Playbook) -> None:
    ran = edge.run()
    assert ran.status == 0, ran.err
    assert timeless(ran.out) == LINES
    assert ran.err == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", ran.out)
    assert {host: counts["changed"] for host, counts in ran.recap.items()} == {"alpha": 4, "beta": 2, "gamma": 3}


def test_in_a_terminal_what_has_not_changed_is_one_line(in_colour: Shown) -> None:
    assert in_colour.status == 0
    unchanged = [line for line in LINES if re.search(r"hosts   T", line)]
    expected = [line for line in LINES if line not in unchanged]
    expected.insert(-3, "edge   3 hosts   3 tasks without changes   T   [6/7]")
    assert timeless("\n".join(in_colour.screen).rstrip()) == expected
    # While they run, all of them are seen.
    for line in LINES:
        assert "[" not in line or line.partition("   ")[0] in in_colour.written, line


def test_in_a_terminal_a_line_says_how_far_the_task_is(in_colour: Shown) -> None:
    assert re.search(r"edge · Look   (1|2) of 3 hosts   0\.\d s   \[1/7\]", in_colour.written)
    assert "\x1b[0;33m" in in_colour.written


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, columns: int) -> None:
    name = "호스트의 방화벽 규칙을 선언한 그대로 다시 쓰고 확인합니다 그리고 다시 한번 확인합니다"
    shown = Playbook(tmp_path, [task(name), task(name, changed=True, dest="/etc/방화벽.conf")]).seen(columns=columns)
    assert shown.status == 0
    # A line that the terminal had folded could not be taken away again.
    lines = re.findall(r"\x1b\[2K([^\r\n\x1b]+)\r(?!\n)", shown.written)
    assert len(lines) > 4
    assert max(width(line) for line in lines) <= columns - 1
    assert columns < 80 or [line[-5:] for line in shown.screen if line.startswith("Play · ")] == ["[2/2]"]


def test_a_check_says_what_would_change(edge: Playbook) -> None:
    lines = timeless(edge.run("--check").out)
    assert "edge · Write the configuration   3 hosts   3 would change   T   [3/7]" in lines
    assert lines[-1] == "Nothing changed in T, as it was a check; 13 left to do on 3 hosts"


def test_with_v_it_is_ansibles_own_output(edge: Playbook) -> None:
    ran = edge.run("-v")
    assert "TASK [edge : Edge | Look] ***" in ran.out
    assert "RUNNING HANDLER [edge : Reload nginx]" in ran.out
    assert "ok: [alpha] => " in ran.out
    assert "skipping: [alpha]" in ran.out
    assert re.search(r"^PLAY RECAP \*+\nalpha +: ok=\d+ +changed=4 ", ran.out, re.MULTILINE)
    assert "left to do" not in ran.out
    assert ran.recap["gamma"]["changed"] == 3


def test_the_tasks_that_are_counted_are_those_that_ansible_lists(edge: Playbook) -> None:
    listed = edge.run("--list-tasks").out
    # The handlers are run, and not listed.
    assert len([line for line in listed.splitlines() if "TAGS: [" in line and "play #" not in line]) == 7
    limited = edge.run("--tags", "never-given")
    assert timeless(limited.out) == ["Nothing changed in T; 0 left to do"]


def test_a_batch_of_hosts_goes_through_the_same_tasks(tmp_path: Path) -> None:
    plays = [
        {"name": "One by one", "hosts": "all", "gather_facts": False, "serial": 1, "tasks": [task("A"), task("B")]},
        {"name": "Nobody", "hosts": "localhost", "gather_facts": False, "tasks": [task("C")]},
        {
            "name": "Last",
            "hosts": "alpha",
            "gather_facts": False,
            "tasks": [task("D"), task("E", _={"run_once": True})],
        },
    ]
    playbook = Playbook(tmp_path, plays)
    lines = timeless(playbook.run().out)
    assert [line.rpartition("   ")[2] for line in lines[:6]] == ["[1/5]", "[2/5]"] * 3
    assert [line.split("   ")[1] for line in lines[:6:2]] == ["alpha", "beta", "gamma"]
    assert lines[6] == "Nobody   no host, so it is skipped"
    assert lines[7:] == [
        "Last · D   alpha   T   [4/5]",
        "Last · E   alpha   T   [5/5]",
        "Nothing changed on 3 hosts in T; 0 left to do",
    ]


def failing(folder: Path, *tasks: dict[str, Any]) -> Playbook:
    """Tasks that end the run."""
    head = {"name": "Play", "hosts": "all", "gather_facts": False, "any_errors_fatal": True}
    return Playbook(folder, [{**head, "tasks": [*tasks, task("Never")]}])


def test_a_failure_is_told_once_at_the_end(tmp_path: Path) -> None:
    broken = {"failed": True, "msg": "Task failed: Module failed: nginx refuses it", "invocation": {"x": 1}}
    playbook = failing(
        tmp_path,
        task("Change", changed=True, dest="/a"),
        task("Write", per_host={"alpha": broken, "gamma": broken}),
    )
    ran = playbook.run()
    assert ran.status == 2
    assert timeless(ran.out) == [
        "Play · Change   3 hosts   3 changed   T   [1/3]",
        "    alpha, beta, gamma: /a",
        "Play · Write   3 hosts   2 failed   T   [2/3]",
        "Stopped after T: 3 changes on 3 hosts; 2 of 3 tasks left to do",
    ]
    assert ran.err.splitlines()[:4] == [
        "",
        "Failed: Play · Write",
        "  alpha, gamma: nginx refuses it",
        ran.err.splitlines()[3],
    ]
    assert "Fix the cause and run it again" in ran.err
    assert "Never" not in ran.out + ran.err
    # In one pipe, the last line is the last.
    text = playbook.together()
    assert text.count("nginx refuses it") == 1
    assert timeless(text)[-1] == "Stopped after T: 3 changes on 3 hosts; 2 of 3 tasks left to do"
    assert text.index("2 failed") < text.index("Failed:") < text.index("Stopped after")
    shown = playbook.seen()
    assert "\n".join(shown.screen).count("nginx refuses it") == 1
    assert "\x1b[0;31m" in shown.written


@pytest.mark.parametrize(
    ("tasks", "said", "not_said"),
    [
        (
            [{"name": "C", "ansible.builtin.command": {"cmd": "sh -c 'echo this is why >&2; exit 3'"}}],
            ["  alpha, beta, gamma: exit status 3: this is why"],
            ["non-zero", "{"],
        ),
        (
            [{"name": "A", "ansible.builtin.assert": {"that": "1 > 2", "fail_msg": "One.\nTwo: write 3.\n"}}],
            ["  alpha, beta, gamma:", "    One.", "    Two: write 3."],
            ["assertion", "evaluated_to"],
        ),
        (
            [{"name": "A", "ansible.builtin.assert": {"that": "inventory_hostname == 'x'"}}],
            ["  alpha, beta, gamma: this does not hold: inventory_hostname == 'x'"],
            ["evaluated_to"],
        ),
        (
            [task("L", failed="{{ item == 'two' }}", msg="bad {{ item }}", _={"loop": ["one", "two"]})],
            ["  alpha, beta, gamma: two: bad two"],
            ["One or more items failed", "bad one"],
        ),
        (
            [task("R", failed=True, msg="no way", _={"retries": 2, "delay": 0, "until": "false"})],
            ["  alpha, beta, gamma: no way"],
            ["FAILED - RETRYING"],
        ),
        (
            [{"name": "U", "ansible.builtin.debug": {"msg": "{{ nobody_knows }}"}}],
            ["nobody_knows' is undefined"],
            ["<<< caused by"],
        ),
        (
            [
                {
                    "name": "F",
                    "vars": {"to": "{{ {'A': {'s': {}, 't': {}}} | site_origins('A', ['x']) }}"},
                    "ansible.builtin.debug": {"msg": "{{ to }}"},
                }
            ],
            ["platform_sites.A: it has no site `x`; write one of s, t"],
            ["Finalization of", "resolving value", "filter plugin"],
        ),
        (
            [
                {
                    "name": "C",
                    "vars": {"to": "{{ {'A': {'s': {}, 't': {}}} | site_origins('A', ['x']) }}"},
                    "ansible.builtin.debug": {"msg": "never"},
                    "when": "to | length > 0",
                }
            ],
            ["platform_sites.A: it has no site `x`; write one of s, t"],
            ["expression failed", "resolving value", "filter plugin"],
        ),
        (
            [task("P", "platform_plan", failed=True, msg="x", problem="The zone is wrong.\nWrite another.")],
            ["Failed: Play · P", "The zone is wrong.", "Write another."],
            ["alpha:"],
        ),
        (
            [task("S", failed=True, msg=SECRET, stderr=SECRET, _={"no_log": True})],
            ["because it carries secrets (no_log)"],
            [],
        ),
        (
            [task("E", failed=True, msg="\x1b[31mred\x07 \x1b]0;title\x07")],
            ["[31mred ]0;title"],
            ["\x1b", "\x07"],
        ),
    ],
    ids=[
        "command",
        "assert",
        "assert without words",
        "loop",
        "retries",
        "undefined",
        "filter",
        "filter in a condition",
        "own",
        "no_log",
        "escapes",
    ],
)
def test_a_reason_is_in_the_words_of_who_knows_it(
    tmp_path: Path, tasks: list[dict[str, Any]], said: list[str], not_said: list[str]
) -> None:
    ran = failing(tmp_path, *tasks).run()
    assert ran.status == 2
    for text in said:
        assert text in ran.err and ran.err.count(text.strip()) == 1, ran.err
    for text in (*not_said, "Traceback", SECRET, "Origin:"):
        assert text not in ran.out + ran.err, ran.out + ran.err
    assert "\nFailed: " in ran.err
    assert "of 2 tasks left to do" in ran.out.splitlines()[-1]


def test_a_host_that_does_not_answer_is_named_with_what_to_do(tmp_path: Path) -> None:
    playbook = failing(tmp_path, {"name": "Ask", "ansible.builtin.command": {"cmd": "true"}})
    ran = playbook.run("--limit", "lost")
    assert ran.status == 4
    assert "\nFailed: Play · Ask\n  lost: " in ran.err
    assert "Connection refused" in ran.err
    assert "make ssh HOST=lost" in ran.err
    assert ran.out.splitlines()[-1].endswith(": no changes on 1 host; 2 of 2 tasks left to do")


def test_a_failure_in_a_rescue_is_the_reason_and_the_rescued_one_is_not(tmp_path: Path) -> None:
    block = {
        "block": [task("Try", failed=True, msg="first")],
        "rescue": [task("Again", failed=True, msg="second")],
        "always": [task("Clean up")],
    }
    ran = failing(tmp_path, block).run()
    assert ran.status == 2
    assert "Play · Try   3 hosts   3 rescued" in ran.out
    assert "second" in ran.err and "first" not in ran.err
    # The rescue was not known, the other three were.
    assert ran.out.splitlines()[-1].endswith("3 of 3 tasks left to do")


def test_without_any_errors_fatal_the_reason_is_still_told_last(tmp_path: Path) -> None:
    ran = Playbook(
        tmp_path, [task("A", per_host={"beta": {"failed": True, "msg": "no"}}), task("B", changed=True)]
    ).run()
    assert ran.status == 2
    assert timeless(ran.out) == [
        "Play · A   3 hosts   1 failed   T   [1/2]",
        "Play · B   2 hosts   2 changed   T   [2/2]",
        "Stopped after T: 2 changes on 2 hosts; 2 of 2 tasks left to do",
    ]
    assert ran.err.splitlines()[1:3] == ["Failed: Play · A", "  beta: no"]


HIDDEN = [
    task("Password", changed=True, dest=SECRET, diff={"before": SECRET, "after": "x"}, _={"no_log": True}),
    task("Passwords", changed=True, dest="{{ item }}", _={"no_log": True, "loop": [SECRET], "diff": True}),
    task("May fail", failed=True, msg=SECRET, _={"no_log": True, "ignore_errors": True}),
    task("Some fail", failed="{{ item == 'b' }}", msg=SECRET, _={"no_log": True, "loop": [SECRET, "b"]}),
]


def test_nothing_of_no_log_is_told(tmp_path: Path) -> None:
    playbook = failing(tmp_path, *HIDDEN)
    ran, shown = playbook.run("--diff"), playbook.seen("--diff")
    assert (ran.status, shown.status) == (2, 2)
    assert SECRET not in ran.out + ran.err + shown.written
    assert "Play · Passwords   3 hosts   3 changed" in ran.out
    assert "its output is not shown, because it carries secrets" in ran.err


def test_differences_are_told_once_under_their_hosts(tmp_path: Path) -> None:
    diff = {"before": "a\n", "after": "b\x1b[2J\n", "before_header": "/x", "after_header": "/x"}
    tasks = [
        task("Write", changed=True, dest="/x", diff=diff, per_host={"beta": {"changed": False}}),
        task("Same", diff=diff),
    ]
    playbook = Playbook(tmp_path, tasks)
    assert "@@" not in playbook.run().out
    lines = timeless(playbook.run("--diff").out)
    assert lines[:7] == [
        "Play · Write   3 hosts   2 changed   T   [1/2]",
        "    alpha, gamma: /x",
        "--- before: /x",
        "+++ after: /x",
        "@@ -1 +1 @@",
        "-a",
        "+b[2J",
    ]
    assert [line for line in lines[7:] if line.startswith(("-", "+"))] == []


def test_warnings_are_told_and_leave_the_line_whole(tmp_path: Path) -> None:
    tasks = [
        task("Warn", warnings=["the disk is nearly full"]),
        task("Old", deprecations=[{"msg": "an old way", "version": "9.9", "collection_name": "x.y"}]),
    ]
    playbook = Playbook(tmp_path, tasks)
    ran = playbook.run(ANSIBLE_DEPRECATION_WARNINGS="true")
    assert ran.err.count("the disk is nearly full") == 1
    assert "an old way" in ran.err
    shown = playbook.seen()
    (line,) = [line for line in shown.screen if "the disk is nearly full" in line]
    assert line.startswith("[WARNING]")


def test_a_task_in_the_background_and_one_that_is_tried_again_have_one_line(tmp_path: Path) -> None:
    again = {"retries": 2, "delay": 0, "until": "false", "run_once": True, "ignore_errors": True}
    tasks = [
        {"name": "Slow", "ansible.builtin.command": {"cmd": "sleep 2"}, "async": 60, "poll": 1, "run_once": True},
        task("Again", failed=True, msg="no", _=again),
    ]
    playbook = Playbook(tmp_path, tasks)
    ran = playbook.run()
    assert timeless(ran.out)[0] == "Play · Slow   alpha   1 changed   T   [1/2]"
    assert [line for line in ran.lines if "ASYNC" in line or "RETRY" in line] == []
    assert "attempt 2 of 3" in playbook.seen().written


def test_tasks_that_print_what_they_do_go_on_to(tmp_path: Path) -> None:
    made = ["  created zone a (now)", "  created zone b (now)"]
    plays = [
        {
            "name": "Provision",
            "hosts": "alpha",
            "gather_facts": False,
            "tasks": [
                task("Plan", "platform_plan", print=["2 to create."], counts={"create": 2, "change": 0}),
                task(
                    "Zones", "platform_each", changed=True, results=[{"changed": True}, {"changed": True}], print=made
                ),
                task("Nothing", "platform_each", skipped=True),
                task("Look again", "platform_plan", print=["1 to change."], counts={"create": 0, "change": 1}),
            ],
        }
    ]
    playbook = Playbook(tmp_path, plays)
    expected = [
        "2 to create.",
        "Provision · Zones   [2/4]",
        *made,
        "1 to change.",
        "2 changes on 1 host in T; 1 left to do",
    ]
    assert timeless(playbook.run().out) == expected
    assert timeless("\n".join(playbook.seen().screen).rstrip()) == expected
    assert "Nothing changed in" in playbook.run("--check", "--tags", "x").out


def test_ctrl_c_says_where_it_was_and_what_is_left(tmp_path: Path) -> None:
    playbook = Playbook(tmp_path, [task("Change", changed=True), task("Wait", wait=60), task("Never")])
    # Once the workers are there: Ansible does not survive a signal while it makes them.
    shown = playbook.seen(types=once(r"Wait   3 hosts   [1-9]", b"\x03"))
    assert shown.status == 99, shown.written
    lines = [line for line in timeless("\n".join(shown.screen)) if line]
    assert lines[0] == "Play · Change   3 hosts   3 changed   T   [1/3]"
    assert lines[-2].startswith("Ended at Play · Wait.")
    assert lines[-1] == "Stopped after T: 3 changes on 3 hosts; 2 of 3 tasks left to do"
    assert len([line for line in lines if "Wait" in line]) == 1


def test_nothing_is_written_over_what_somebody_types(tmp_path: Path) -> None:
    name = {"name": "typed", "prompt": "The name of the platform", "private": False}
    plays = [
        {"name": "First", "hosts": "alpha", "gather_facts": False, "tasks": [task("A")]},
        {
            "name": "Second",
            "hosts": "alpha",
            "gather_facts": False,
            "vars_prompt": [name],
            "tasks": [
                {"name": "Ask", "ansible.builtin.pause": {"prompt": "Is that so?"}},
                {"name": "Say", "ansible.builtin.debug": {"msg": "It is {{ typed }}."}},
            ],
        },
    ]
    first, second = once("The name of the platform", b"koin\r", 1.5), once(r"Is that so\?", b"\r", 1.5)
    shown = Playbook(tmp_path, plays).seen(types=lambda written: first(written) + second(written))
    assert shown.status == 0, shown.written
    assert "It is koin.\r\n" in shown.written
    for question in ("The name of the platform", "Is that so?"):
        while_typing = shown.written.partition(question)[2].partition("\n")[0]
        assert "\x1b[2K" not in while_typing, while_typing


def test_an_error_of_ansible_itself_ends_with_what_is_left(tmp_path: Path) -> None:
    include = {"name": "Include", "ansible.builtin.include_tasks": "broken.yml"}
    ran = Playbook(tmp_path, [task("A"), include], broken="- name: [\n").run()
    assert ran.status != 0
    assert ran.out.splitlines()[-1].startswith("Stopped after ")
    assert ran.out.splitlines()[-1].endswith("1 of 2 tasks left to do")


def test_hosts_that_are_not_at_the_same_task_are_all_told(tmp_path: Path) -> None:
    head = {"name": "Play", "hosts": "all", "gather_facts": False, "strategy": "ansible.builtin.free"}
    tasks = [task("A", changed=True, per_host={"alpha": {"wait": 1}}), task("B", changed=True)]
    ran = Playbook(tmp_path, [{**head, "tasks": tasks}]).run()
    assert ran.status == 0
    for name in "AB":
        told = [line for line in ran.lines if f"· {name} " in line]
        hosts = sum(3 if "3 hosts" in line else 2 if "2 hosts" in line else 1 for line in told)
        assert hosts == 3, ran.out
    assert timeless(ran.out)[-1] == "6 changes on 3 hosts in T; 0 left to do"


def test_its_documentation_names_its_options() -> None:
    command = ["ansible-doc", "-t", "callback", "koin", "--json"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    options = json.loads(done.stdout)["koin"]["doc"]["options"]
    assert options["recap_file"]["env"] == [{"name": "KOIN_RECAP"}]


def test_a_rescue_says_why_on_one_line() -> None:
    """A command's message says nothing; what it printed does."""
    module = runpy.run_path(str(REPOSITORY / "plugins/filter/failures.py"))
    why_failed = module["FilterModule"]().filters()["why_failed"]
    failed = {"msg": "The command exited with a non-zero return code.", "rc": 2, "stderr": "cannot create:\n  full\n"}
    assert why_failed(failed) == "exit status 2 cannot create: full"
    assert "no_log" in why_failed({"censored": "the output has been hidden", "msg": "secret"})
