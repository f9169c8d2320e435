"""Run Ansible modules on the controller without starting an interpreter for each.

A module process costs 0.8 s here, nearly all of it spent importing boto3 again. These run in forks of a process that
has imported boto3 and the module already, several at a time. A module sees what it always sees: its arguments in
``ansible.module_utils.basic``, its own environment, a standard output for its result. (The AnsiballZ wrapper of
ansible-core sets the same two names, ``lib/ansible/module_utils/_internal/_ansiballz/_loader.py``.)
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import botocore.session
from ansible.module_utils import basic
from ansible.module_utils.common import json as profiles
from botocore.exceptions import BotoCoreError

from .. import guard

guard.install()

PROFILE = "legacy"
#: exit status of a call that failed after the answer of a write was lost: what it did has to be looked for
LOST = 75
#: of one that failed after it had created something, which reads may not show yet
MADE = 76

#: private names, which may change
_NEEDED = (
    (basic, "_ANSIBLE_ARGS"),
    (basic, "_ANSIBLE_PROFILE"),
    (profiles, "Direction"),
    (profiles, "get_module_decoder"),
    (profiles, "get_module_encoder"),
)


def usable() -> bool:
    """Whether this ansible-core has the names that give a module its arguments."""
    return all(hasattr(module, name) for module, name in _NEEDED)


def share_api_descriptions(services: Iterable[str]) -> None:
    """Let all sessions of this process, and of its forks, use one botocore loader, and fill it.

    Reading the description of one service takes up to 0.2 s, which every fork would spend again.
    botocore shares what it has loaded among the clients of a session; amazon.aws makes a session for each client.
    ``create_loader`` is the function that ``botocore.session`` calls for a new one (botocore 1.44).
    """
    botocore.session.create_loader = functools.cache(botocore.session.create_loader)
    session = botocore.session.get_session()
    for service in services:
        session.create_client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


@dataclass
class Running:
    """A fork at work: position of its call, process id, the output so far."""

    index: int
    pid: int
    output: bytes = b""


def load(name: str, path: str) -> ModuleType:
    """The Python module behind an Ansible module: of a collection by its name, of this repo by its path."""
    if name.startswith("ansible_collections."):
        return importlib.import_module(name)
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(name, Path(path))
    if spec is None or spec.loader is None:
        raise ImportError(f"no module at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Call:
    """What a module is called with. tags: of what it creates."""

    arguments: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """What all calls of a task share. known: ids of what exists, whether AWS shows it already or not."""

    environment: Mapping[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()


def _child(module: ModuleType, call: Call, setting: Setting, out: int) -> NoReturn:
    """The fork: never returns into Ansible's code."""
    status = 1
    try:
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        for key, value in setting.environment.items():
            # An empty AWS_PROFILE is not the same as none to botocore.
            if value:
                os.environ[key] = value
            else:
                os.environ.pop(key, None)
        encoder = profiles.get_module_encoder(PROFILE, profiles.Direction.CONTROLLER_TO_MODULE)
        basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": dict(call.arguments)}, cls=encoder).encode()
        basic._ANSIBLE_PROFILE = PROFILE
        guard.begin(setting.known, call.tags)
        try:
            module.main()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BotoCoreError as error:
        print(json.dumps({"failed": True, "msg": str(error)}))
    except BaseException:
        traceback.print_exc()
    finally:
        if status and guard.state.made:
            status = MADE
        elif status and guard.state.lost:
            status = LOST
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            # Whatever happens, even with nobody left to read: this process must not go on as a second Ansible.
            os._exit(status)


def parse(output: str) -> dict[str, Any]:
    """The result that a module printed; what it printed instead, as a failure, when it died."""
    decoder = profiles.get_module_decoder(PROFILE, profiles.Direction.MODULE_TO_CONTROLLER)
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            try:
                return dict(json.loads(line, cls=decoder))
            except ValueError:
                continue
    return {"failed": True, "msg": output.strip() or "the module ended without a result"}


def run_all(
    module: ModuleType,
    calls: Sequence[Call],
    setting: Setting,
    parallel: int,
    done: Callable[[int, int, str], bool],
) -> None:
    """Run the module once per entry of ``calls``, ``parallel`` at a time.

    done: called with position, exit status and output as each ends; False starts no further one.
    """
    selector = selectors.DefaultSelector()
    waiting: Iterator[tuple[int, Call]] = iter(enumerate(calls))
    going = True

    def start() -> None:
        index, call = next(waiting)
        reader, writer = os.pipe()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _child(module, call, setting, writer)
        os.close(writer)
        selector.register(reader, selectors.EVENT_READ, Running(index, pid))

    left = len(calls)
    try:
        while left or selector.get_map():
            while going and left and len(selector.get_map()) < parallel:
                start()
                left -= 1
            if not selector.get_map():
                break
            for key, _ in selector.select():
                running: Running = key.data
                chunk = os.read(key.fd, 65536)
                if chunk:
                    running.output += chunk
                    continue
                selector.unregister(key.fd)
                os.close(key.fd)
                _, status = os.waitpid(running.pid, 0)
                code = os.waitstatus_to_exitcode(status)
                going = done(running.index, code, running.output.decode(errors="replace")) and going
    finally:
        # Left early (a time-out, an error in `done`): nothing may go on writing behind the operator's back.
        for key in list(selector.get_map().values()):
            os.kill(key.data.pid, signal.SIGTERM)
            os.waitpid(key.data.pid, 0)
            os.close(key.fd)
        selector.close()
