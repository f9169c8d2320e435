#!/usr/bin/python
"""A host's files, all in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Write a set of files as one
description:
  - Renders templates on the controller and brings a set of files to their content, owner and mode in a single call.
    M(ansible.builtin.template) needs two calls for each file, most of the time of a run that changes nothing.
  - All or nothing. Every file that differs is written beside its destination and validated there; they
    replace the old ones, each by renaming, only if all of them are valid.
  - Missing parent directories are created, owned by root with mode 0755.
options:
  files:
    description: Files by absolute path.
    type: dict
    required: true
    suboptions:
      template:
        description:
          - Name of a template of the role.
          - Exactly one of O(files.template), O(files.content), O(files.link) and O(files.state).
        type: str
      content:
        description: The content itself.
        type: str
      link:
        description: Where a symbolic link leads.
        type: str
      vars:
        description: Variables for this template, in addition to the task's.
        type: dict
      owner:
        description: Name of the owner; empty leaves the owner of a directory as it is.
        type: str
        default: root
      group:
        description: Name of the group.
        type: str
        default: root
      mode:
        description: Mode as an octal string; V(0755) for directories.
        type: str
        default: "0644"
      validate:
        description: Command that must succeed for the new file, which replaces C(%s). Not run in check mode.
        type: str
      state:
        description:
          - V(absent) for a file that must not exist, V(directory) for a directory. If the path of a directory is a
            link, the directory that it leads to is meant.
        type: str
        choices: [absent, directory]
      notify:
        description: Handlers to notify if this file changes, in addition to C(notify) of the task.
        type: list
        elements: str
      secret:
        description: Do not show the content in differences.
        type: bool
        default: false
  only:
    description:
      - Directories that may contain only the given files. Other files directly in them are removed, directories are
        left alone.
    type: list
    elements: path
    default: []
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author: BCSDLab
"""

EXAMPLES = r"""
- name: Configure the service
  host_files:
    files:
      /etc/service/service.conf: {template: service.conf.j2, validate: service --check %s, notify: Restart service}
      /etc/service/key: {content: "{{ service_key }}", mode: "0640", group: service, secret: true}
      /etc/service/old.conf: {state: absent}
    only: [/etc/service/conf.d]
"""

RETURN = r"""
changed_files:
  description: Paths that were changed, or would be.
  returned: success
  type: list
  elements: str
"""

import os
import shlex
import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.host_files import Entry, Found, changes, find

#: how much of a command is worth showing
_SHOWN = 60


def differences(path: str, entry: Entry, found: Found) -> dict[str, str]:
    """A file's before and after, for --diff."""
    if entry.secret:
        hidden = "(not shown: secret)\n"
        return {"before_header": path, "after_header": path, "before": "", "after": hidden}
    if entry.link is not None:
        return {"before_header": path, "after_header": path, "before": f"{found.link}\n", "after": f"{entry.link}\n"}
    before = found.content.decode(errors="replace") if found.content is not None else ""
    before += f"# {found.owner}:{found.group} {found.mode}\n" if found.exists else ""
    after = entry.content or ""
    after += "" if entry.state == "absent" else f"# {entry.owner or found.owner}:{entry.group} {entry.mode}\n"
    return {"before_header": path, "after_header": path, "before": before, "after": after}


def validate(module: AnsibleModule, path: str, entry: Entry, staged: Path) -> None:
    """Fail unless the command accepts the new file."""
    if not entry.validate:
        return
    code, out, err = module.run_command([part.replace("%s", str(staged)) for part in shlex.split(entry.validate)])
    if code:
        said = (err or out).strip().replace(str(staged), path)
        shown = entry.validate if len(entry.validate) <= _SHOWN else f"{entry.validate[:_SHOWN]} …"
        module.fail_json(msg=f"{path} is not valid, nothing was written. `{shown}` says: {said}")


def make_parents(folder: Path) -> None:
    """Make missing directories with mode 0755, whatever the umask of who calls."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir()
        path.chmod(0o755)


def stage(wanted: dict[str, Entry], staged: dict[str, Path]) -> None:
    """Write every new file beside its destination."""
    for path, entry in wanted.items():
        folder = Path(path).parent
        make_parents(folder)
        if entry.link is not None:
            staged[path] = folder / f".{Path(path).name}.new"
            staged[path].unlink(missing_ok=True)
            staged[path].symlink_to(entry.link)
            continue
        handle, name = tempfile.mkstemp(prefix=f".{Path(path).name}.", dir=folder)
        staged[path] = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write((entry.content or "").encode())
        shutil.chown(name, entry.owner, entry.group)
        staged[path].chmod(int(entry.mode, 8))


def remove(path: Path) -> None:
    """Remove whatever exists there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def apply(module: AnsibleModule, wanted: dict[str, Entry]) -> None:
    """Bring the files that differ to what they should be."""
    for path, entry in wanted.items():
        if entry.state == "directory":
            folder = Path(path).resolve()
            make_parents(folder.parent)
            folder.mkdir(exist_ok=True)
            shutil.chown(folder, entry.owner or None, entry.group)
            folder.chmod(int(entry.mode, 8))
    staged: dict[str, Path] = {}
    try:
        stage({path: entry for path, entry in wanted.items() if not entry.state}, staged)
        for path, temporary in staged.items():
            validate(module, path, wanted[path], temporary)
        for path in list(staged):
            staged.pop(path).replace(path)
    finally:
        for temporary in staged.values():
            temporary.unlink()
    for path, entry in wanted.items():
        if entry.state == "absent":
            remove(Path(path))


def strangers(folder: Path, known: dict[str, Entry]) -> list[str]:
    """Files directly in a directory that are not among the known ones."""
    found = folder.iterdir() if folder.is_dir() else iter(())
    return sorted(str(path) for path in found if str(path) not in known and not path.is_dir())


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "dict", "required": True},
            "only": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
        # Whole files would be written into the host's journal at each run.
        no_log=True,
    )
    entries = {path: Entry(**entry) for path, entry in module.params["files"].items()}
    for folder in module.params["only"]:
        entries |= {path: Entry(state="absent") for path in strangers(Path(folder), entries)}
    found = {path: find(path, follow=entry.state == "directory") for path, entry in entries.items()}
    wanted = changes(entries, found)
    if wanted and not module.check_mode:
        try:
            apply(module, wanted)
        except (LookupError, OSError) as error:
            module.fail_json(msg=f"{error}: is the owner's or group's package installed?")
    result = {"changed": bool(wanted), "changed_files": sorted(wanted)}
    if module._diff:
        result["diff"] = [differences(path, entry, found[path]) for path, entry in wanted.items()]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
