"""Controller side of ``host_files``: renders the templates; its documentation is in plugins/modules/host_files.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

_SOURCES = ("template", "content", "link", "state")
_PASSED = ("owner", "group", "validate", "link", "state", "secret")
_KEYS = {*_SOURCES, *_PASSED, "mode", "notify", "vars"}


class ActionModule(ActionBase):
    """Render, send everything at once, and notify the handlers of what has changed."""

    _VALID_ARGS = frozenset({"files", "only"})

    def run(self, tmp: Any = None, task_vars: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result = super().run(tmp, task_vars)
        variables = dict(task_vars or {})
        files: Mapping[str, Mapping[str, Any]] = self._task.args.get("files") or {}
        rendered = {path: self._entry(path, entry, variables) for path, entry in files.items()}
        result |= self._execute_module(
            module_name="host_files",
            module_args={"files": rendered, "only": self._task.args.get("only") or []},
            task_vars=task_vars,
        )
        self._notify(files, result.get("changed_files") or [])
        return result

    def _entry(self, path: str, entry: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """An entry as the module takes it."""
        if not path.startswith("/"):
            raise AnsibleActionFail(f"host_files: `{path}` is not an absolute path")
        if unknown := sorted(set(entry) - _KEYS):
            raise AnsibleActionFail(
                f"host_files: {path}: unknown {', '.join(unknown)}; known are {', '.join(sorted(_KEYS))}"
            )
        if len(given := [key for key in _SOURCES if key in entry]) != 1:
            raise AnsibleActionFail(
                f"host_files: {path} has {' and '.join(given) or 'none'} of {', '.join(_SOURCES)}; give one"
            )
        mode = entry.get("mode", "0755" if entry.get("state") == "directory" else "0644")
        if not isinstance(mode, str):
            raise AnsibleActionFail(f'host_files: {path}: mode {mode} is a number; write it in quotes, as "0644"')
        passed = {key: entry[key] for key in _PASSED if key in entry}
        if "template" in entry:
            passed["content"] = self._render(path, str(entry["template"]), {**variables, **(entry.get("vars") or {})})
        elif "content" in entry:
            passed["content"] = str(entry["content"])
        return {**passed, "mode": mode}

    def _render(self, path: str, template: str, variables: dict[str, Any]) -> str:
        try:
            source = self._find_needle("templates", template)
        except AnsibleError as error:
            raise AnsibleActionFail(f"host_files: {path}: {error}") from error
        folders = [*variables.get("ansible_search_path", []), str(Path(source).parent)]
        variables.setdefault("ansible_managed", "Ansible managed: changes here are overwritten")
        templar = self._templar.copy_with_new_env(
            searchpath=[folder for item in folders for folder in (f"{item}/templates", item)],
            available_variables=variables,
        )
        text = trust_as_template(self._loader.get_text_file_contents(source))
        return str(templar.template(text, escape_backslashes=False, overrides={"trim_blocks": True}))

    def _notify(self, files: Mapping[str, Mapping[str, Any]], changed: list[str]) -> None:
        """Add the handlers of the changed files to those of the task. A task object serves one host only."""
        notified = list(self._task.notify or [])
        for path in changed:
            handlers = files.get(path, {}).get("notify") or []
            notified += [handlers] if isinstance(handlers, str) else list(handlers)
        self._task.notify = list(dict.fromkeys(notified))
