#!/usr/bin/python
"""A host's packages: those that have to be installed, and those that must not be."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_packages
short_description: Install and remove packages
description:
  - Installs packages without the ones they only recommend, and purges others. Package lists that are missing or older
    than a day are updated first.
  - The first call of a run reads what is installed from dpkg's status file and keeps it as the fact
    C(installed_packages). Later calls compare with that fact on the controller, so a call that has nothing to do does
    not even connect to the host. M(ansible.builtin.apt) takes a second on each host for the same answer.
  - Check mode installs nothing. Missing lists are fetched even then, because apt knows no packages without them.
    RV(pending) tells later tasks that the packages are not installed.
  - Call it without options to make sure that the fact exists.
options:
  present:
    description: Packages that must be installed, by name. C(name=version) and names of virtual packages work, but
      run apt every time.
    type: list
    elements: str
    default: []
  absent:
    description: Packages that must not be installed.
    type: list
    elements: str
    default: []
  start_services:
    description: Whether packages may start and restart their services. With V(false) the role starts them, once it has
      written their configuration.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
notes:
  - A package that something else installs or removes during a run is not noticed before the next run.
author: BCSDLab
"""

EXAMPLES = r"""
- name: Install nginx
  host_packages:
    present: [nginx, openssl]
    absent: [apache2]
    start_services: false
  register: __edge_packages

# In check mode on a new host there is no user www-data yet, and no nginx to test the configuration.
- name: Configure nginx
  host_files:
    files:
      /etc/nginx/nginx.conf: {template: nginx.conf.j2, group: www-data, validate: nginx -t -c %s}
  when: not __edge_packages.pending
"""

RETURN = r"""
pending:
  description: Whether this is a check and packages would be installed. What they bring (programs, users, services) is
    missing then, so tasks that need it are skipped with C(when) C(not RESULT.pending).
  returned: always
  type: bool
installed:
  description: Packages that were installed, or would be, with the ones they depend on.
  returned: always
  type: list
  elements: str
removed:
  description: Packages that were removed, or would be.
  returned: always
  type: list
  elements: str
ansible_facts:
  description: Facts about the host.
  returned: when the module had to look at the host
  type: dict
  contains:
    installed_packages:
      description: Names of all packages that are installed.
      type: list
      elements: str
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.host_packages import (
    ARGUMENTS,
    Change,
    Outcome,
    happened,
    installed,
    needed,
    simulated,
    stale,
)

STATUS = Path("/var/lib/dpkg/status")
LISTS = Path("/var/lib/apt/lists")
STAMP = Path("/var/lib/apt/periodic/update-success-stamp")
POLICY = Path("/usr/sbin/policy-rc.d")
#: what keeps services from starting; recognised by this text when a killed run has left it behind
NO_START = "#!/bin/sh\n# host_packages: services start when they are configured\nexit 101\n"

ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "LC_ALL": "C",
    "LANG": "C",
}
#: a configuration file that was changed by hand stays; another apt that is at work is waited for
OPTIONS = [
    "--yes",
    "--quiet",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
    "--option=DPkg::Lock::Timeout=60",
]
#: lines of apt's output that are worth showing
_TAIL = 20
#: what apt and dpkg lock while they are at work
LOCKS = (Path("/var/lib/dpkg/lock-frontend"), Path("/var/lib/apt/lists/lock"))
#: seconds to wait for another apt: that of a run that was killed goes on, and security updates take minutes, too
PATIENCE = 600


def wait_for_others(module: AnsibleModule) -> None:
    """Until no other apt is at work."""
    end = time.monotonic() + PATIENCE
    for path in LOCKS:
        while path.exists():
            with path.open("w") as file:
                try:
                    # Closing the file gives the lock up again.
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    pass
            if time.monotonic() > end:
                what = f"another apt holds {path} for more than {PATIENCE // 60} minutes"
                module.fail_json(msg=f"{what}; see `fuser -v {path}` on the host, and run again when it is done")
            time.sleep(1)


def apt_get(module: AnsibleModule, *arguments: str) -> str:
    """Run apt-get and return its output."""
    # Its standard output is a log of hundreds of lines; what went wrong is at the end.
    code, out, err = module.run_command(["apt-get", *OPTIONS, *arguments], environ_update=ENVIRONMENT)
    if code:
        said = "\n".join((err or out).strip().splitlines()[-_TAIL:])
        module.fail_json(msg=f"`apt-get {' '.join(arguments)}` fails: {said}", rc=code, stdout=out, stderr=err)
    return str(out)


def fetch_lists(module: AnsibleModule) -> None:
    """Update the package lists unless they are recent enough. Check mode accepts old ones."""
    there = any(LISTS.glob("*_Packages*"))
    stamps = [path.stat().st_mtime for path in (STAMP, LISTS) if path.exists()]
    if stale(time.time(), stamps[0] if stamps else None, there) and not (module.check_mode and there):
        apt_get(module, "--option=Acquire::Retries=3", "--error-on=any", "update")


@contextmanager
def services_stopped(stopped: bool) -> Iterator[None]:
    """Keep packages from starting their services."""
    former = POLICY.read_text() if POLICY.exists() else None
    if former == NO_START:
        POLICY.unlink()
        former = None
    if not stopped:
        yield
        return
    mode = POLICY.stat().st_mode if former is not None else 0o755
    POLICY.write_text(NO_START)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        if former is None:
            POLICY.unlink()
        else:
            POLICY.write_text(former)
            POLICY.chmod(mode)


def apply(module: AnsibleModule, change: Change, before: dict[str, str]) -> Outcome:
    """Have apt do it, or say what it would do."""
    arguments = ["--no-install-recommends", "install", *change.install, *(f"{name}-" for name in change.remove)]
    if change.remove:
        arguments.insert(0, "--purge")
    if change.install:
        fetch_lists(module)
    if module.check_mode:
        return simulated(apt_get(module, "--simulate", *arguments))
    with services_stopped(not module.params["start_services"]):
        apt_get(module, *arguments)
    return happened(before, installed(STATUS.read_text()))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    before = installed(STATUS.read_text())
    change = needed(module.params["present"], module.params["absent"], before)
    if change and not module.check_mode:
        wait_for_others(module)
        before = installed(STATUS.read_text())
        change = needed(module.params["present"], module.params["absent"], before)
    outcome = apply(module, change, before) if change else Outcome()
    result = outcome.result(module.check_mode)
    there = set(before) if module.check_mode else (set(before) | set(outcome.installed)) - set(outcome.removed)
    result["ansible_facts"] = {"installed_packages": sorted(there)}
    if module._diff:
        result["diff"] = [
            {
                "before": "".join(f"{name}\n" for name in outcome.removed),
                "after": "".join(f"{name}\n" for name in outcome.installed),
            }
        ]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
