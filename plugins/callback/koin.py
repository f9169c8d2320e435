"""Ansible's default output without what the platform's own tasks have already printed line by line."""

from __future__ import annotations

from typing import Any

from ansible.plugins.callback.default import CallbackModule as Default

DOCUMENTATION = """
name: koin
type: stdout
short_description: Default output without the results of tasks that report their own progress
description:
  - The tasks C(platform_plan) and C(platform_each) print what they do as it happens. Their results are left out here,
    and what goes wrong in them is printed as the text it is.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

#: actions that speak for themselves
_SPEAKS = frozenset({"check_role_input", "platform_check", "platform_each", "platform_lock", "platform_plan"})


class CallbackModule(Default):
    """Silent about results that were shown already; failures are always shown."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "koin"

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task has failed on a host."""
        # Set by the tasks themselves; a crash of theirs has none and is shown in full.
        problem = result.result.get("problem")
        if result.task.action in _SPEAKS and problem:
            self._display.display(f"\n{problem}\n", color="red", stderr=True)
        else:
            super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task has succeeded on a host."""
        if result.task.action not in _SPEAKS:
            super().v2_runner_on_ok(result)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        """Every host has failed: that was said with each failure, and the recap counts it."""
