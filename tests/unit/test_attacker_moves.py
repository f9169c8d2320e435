"""The attacker's moves as data: scripts that parse, values that exist, controls that differ; how they are counted."""

from __future__ import annotations

import ast
import re
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.attacker.model import CALLERS, CONTAINERS, PYTHON, SHELLS, Control, Move, Origin
from tests.support.attacker.run import MOVES, Attacker, Result, filled, stand_in, table

#: what the e2e test knows (tests/e2e/test_attacker.py)
KNOWN = dict.fromkeys(
    [
        *("stage_password", "prod_password", "stage_cache_password", "admin_cache_password", "monitoring_password"),
        *(
            "prod",
            "ssh_port",
            "ssh_folder",
            "prod_distribution",
            "stage_distribution",
            "prod_instance",
            "mark",
            "login",
        ),
    ],
    "1",
)
ATTEMPTS = [
    pytest.param(origin, move.command, values, id=f"{move.name}-{what}")
    for move in MOVES
    for what, origin, values in (
        ("move", move.origin, move.values),
        ("control", move.control.origin, {**move.values, **move.control.values}),
    )
]


def test_there_are_many_moves_each_with_a_name_of_its_own() -> None:
    names = [move.name for move in MOVES]
    assert len(names) == len(set(names))
    assert len(MOVES) >= 60
    assert {move.origin for move in MOVES} == {
        Origin.CONTAINER,
        Origin.ROOT,
        Origin.PYTHON,
        Origin.ROLE,
        Origin.CONTROLLER,
    }


@pytest.mark.parametrize(("origin", "command", "values"), ATTEMPTS)
def test_a_script_is_whole_once_it_has_its_values(origin: Origin, command: str, values: dict[str, str]) -> None:
    script = filled(command, {**KNOWN, **values})
    assert re.findall(r"@[a-z_]+@", script) == []
    if origin in CALLERS:
        service, operation, arguments = script.split(" ", 2)
        assert isinstance(ast.literal_eval(arguments.replace("true", "True")), dict)
        assert service.isalnum()
        assert operation.islower()
    elif origin in PYTHON:
        ast.parse(script)
    else:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.stderr == ""


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.name)
def test_a_control_differs_from_its_move(move: Move) -> None:
    assert (move.control.origin, {**move.values, **move.control.values}) != (move.origin, dict(move.values))
    # The same language, or it would not be the same move.
    assert (move.origin in PYTHON) == (move.control.origin in PYTHON)
    assert (move.origin in CALLERS) == (move.control.origin in CALLERS)
    assert re.search(move.won, "rc=1\n", re.MULTILINE) is None


def test_the_metadata_service_s_scripts_parse() -> None:
    for script in stand_in():
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_every_origin_can_be_run() -> None:
    assert set(Origin) == {*SHELLS, *CONTAINERS, *CALLERS, Origin.CONTROLLER}


# --- How they are run and counted -------------------------------------------------------------------------------------


class Hosts:
    """Answers by host; remembers what was run."""

    def __init__(self, answers: dict[str, tuple[str, int]]) -> None:
        self.answers = answers
        self.ran: list[tuple[Any, ...]] = []

    def inside(self, host: str, *command: str, stdin: str = "", seconds: float = 0) -> Any:
        self.ran.append((host, command, stdin))
        output, status = self.answers[host]
        return SimpleNamespace(stdout=output, stderr="", returncode=status)


MOVE = Move("try", Origin.ROOT, "echo @what@", Control(Origin.PROD, {"what": "own"}), {"what": "theirs"})


def attempt(hosts: Hosts, move: Move = MOVE, aws: Any = None) -> Result:
    return Attacker(hosts, aws, {}).attempt(move)  # type: ignore[arg-type]


def test_the_same_script_is_run_with_the_control_s_values() -> None:
    hosts = Hosts({"koin-stage": ("", 1), "koin-prod": ("", 0)})
    result = attempt(hosts)
    assert hosts.ran == [
        ("koin-stage", ("bash", "-s"), "echo theirs"),
        ("koin-prod", ("bash", "-s"), "echo own"),
    ]
    assert (result.won, result.control, result.verdict) == (False, True, "refused")


@pytest.mark.parametrize(
    ("stage", "prod", "verdict"),
    [
        (0, 0, "SUCCEEDED"),
        (1, 1, "CONTROL FAILED"),
        (0, 1, "CONTROL FAILED"),
    ],
)
def test_a_move_that_succeeds_or_proves_nothing_is_no_refusal(stage: int, prod: int, verdict: str) -> None:
    move = Move("try", Origin.ROOT, "true", Control(Origin.PROD))
    assert attempt(Hosts({"koin-stage": ("", stage), "koin-prod": ("", prod)}), move).verdict == verdict


def test_a_packet_counts_where_it_arrives() -> None:
    move = Move("send", Origin.ROOT, "x @mark@", Control(Origin.ROOT), won="^arrived$", watched="koin-prod")
    result = attempt(Hosts({"koin-stage": ("", 0), "koin-prod": ("ready\narrived\n", 0)}), move)
    assert result.won


def test_a_script_runs_in_the_service_s_container() -> None:
    hosts = Hosts({"koin-stage": ("", 0)})
    Attacker(hosts, None, {}).run(Origin.CONTAINER, "print()")  # type: ignore[arg-type]
    host, command, stdin = hosts.ran[0]
    assert (host, stdin) == ("koin-stage", "print()")
    assert "com.docker.swarm.service.name=koin-stage_api" in command[2]


def aws(code: str) -> Any:
    """An account that answers each call with an error; none when the code is empty."""

    def call(**arguments: Any) -> None:
        if code:
            raise ClientError({"Error": {"Code": code, "Message": "said"}}, "Call")

    client = SimpleNamespace(get_parameter=call)
    return SimpleNamespace(client=lambda service, keys=None: client, session=lambda role: role)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "allowed"),
        ("AccessDeniedException", "denied"),
        ("ParameterNotFound", "allowed"),
        ("UnauthorizedOperation", "denied"),
    ],
)
def test_a_call_is_refused_by_rights_alone(code: str, said: str) -> None:
    answer = Attacker(None, aws(code), {}).run(Origin.OPERATOR, 'ssm get_parameter {"Name": "/a"}')  # type: ignore[arg-type]
    assert answer.splitlines()[0] == said


def test_a_value_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError, match="what"):
        filled("@what@", {})
    assert filled("@a@@@b@", {"a": "x", "b": "@c@", "c": "y"}) == "x@y"


def test_the_table_counts() -> None:
    results = [Result(MOVE, False, True, "", ""), Result(MOVE, True, True, "", "")]
    lines = table(results).splitlines()
    assert lines[1].split() == ["1", "try", "root", "on", "stage", "refused", "root", "on", "koin-prod"]
    assert lines[-1] == "1 SUCCEEDED; 1 refused"
