"""Before Ansible loads anything of an inventory: can its files be read? And does AWS answer?

Ansible asks every inventory plugin about every source, before any of them talks to AWS, so this one is listed first in
ansible.cfg. Sources of ``amazon.aws.aws_ec2`` are handed to that plugin from here: where it fails, Ansible would try
all others and print the errors of each. So is the source that sorts hosts into groups, because on its own, the plugin
would compile every expression again for each host.
"""

from __future__ import annotations

import runpy
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from ansible import context
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.loader import inventory_loader
from ansible.template import trust_as_template
from ansible.utils.display import Display

DOCUMENTATION = """
name: declaration
short_description: Stops the run when a file of the declaration cannot be read or AWS does not answer
description:
  - Checks the files of the inventory's folder and its C(group_vars/) and C(host_vars/) as they are written. Ends the
    command with one message that names file, line and fix.
  - Hands sources of C(amazon.aws.aws_ec2) and the C(platform.yml) of C(ansible.builtin.constructed) to these plugins,
    and ends the command with one message when the former fails.
  - Has to be the first of C(enable_plugins).
options: {}
"""

# Modules find plugins/module_utils through ansible.cfg, plugins of the controller do not.
runpy.run_path(str(Path(__file__).parents[1] / "import_path.py"))

from ansible.module_utils.platform.compiled import compiled_once  # noqa: E402 - after the path is set
from ansible.module_utils.platform.engine.errors import Problem  # noqa: E402
from ansible.module_utils.platform.origin import shown  # noqa: E402
from ansible.module_utils.platform.sources import read, signature  # noqa: E402

#: more than these are not helpful at once
_SHOWN = 10
#: how the name of a source that is handed over ends: (to which plugin, what it means when that fails)
_HANDED = {
    "aws_ec2.yml": ("amazon.aws.aws_ec2", "The hosts cannot be read from AWS"),
    "platform.yml": ("ansible.builtin.constructed", "The hosts cannot be sorted into groups"),
}
#: as for any error of Ansible's parsers
_PARSER_ERROR = 4

display = Display()


class InventoryModule(BaseInventoryPlugin):
    """Looks at the folder of each source, and hands some to their plugins."""

    NAME = "declaration"

    def verify_file(self, path: str) -> bool:
        """End the run when a file cannot be read; else take only what is handed over."""
        # A list of hosts on the command line, as `-i localhost,`: no file, so no folder beside it.
        if "," in path:
            return False
        folder = Path(path).parent
        handed = _kind(path) in _HANDED
        if not (folder / "group_vars").is_dir() and folder.parent.name != "inventories":
            return handed
        try:
            problems = _problems(folder, signature(folder))
        except Exception as error:  # Ansible takes any exception for "not mine", and would go on unchecked
            _end(f"The declaration in {folder} could not be checked: {type(error).__name__}: {error}")
        if problems:
            _end(_message(problems))
        return handed

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Have its plugin parse a source. Whether playbooks parse takes no host, so nobody is asked then."""
        if context.CLIARGS.get("syntax"):
            return
        name, failure = _HANDED[_kind(path)]
        if _kind(path) == "aws_ec2.yml":
            _guard()
        plugin = inventory_loader.get(name)
        if _kind(path) == "aws_ec2.yml":
            _names_are_text(plugin)
        try:
            with compiled_once():
                plugin.parse(inventory, loader, path, cache=cache)
            # There is one only when its options ask for it.
            if hasattr(plugin, "_cache"):
                plugin.update_cache_if_changed()
        except Exception as error:  # of whatever it is, Ansible would make pages: it tries all other plugins
            _end(f"{failure}; nothing was done.\n  {shown(Path(path))}: {_explained(error)}")


def _kind(path: str) -> str:
    """The end of a source's name by which it is handed over; empty for others."""
    return next((end for end in _HANDED if path.endswith(end)), "")


def _guard() -> None:
    """The plugin's clients try as often, and look at answers as closely, as the planner's."""
    # Only now, for it imports botocore.
    from ansible.module_utils.platform import guard

    guard.install()


def _names_are_text(plugin: Any) -> None:
    """Apply the filters of `hostnames` to what AWS says, as a value.

    The plugin writes the value into the text of a template that it then trusts: whoever may tag an instance could run
    commands on the machine of everybody who lists the hosts.
    """
    plain = plugin._get_hostname_with_jinja2_filter
    templars: list[Any] = []

    def named(instance: Any, preference: str, return_single_hostname: bool = False) -> Any:
        source, bar, filters = preference.partition("|")
        value = plain(instance, source.rstrip(), return_single_hostname and not bar)
        if bar:
            # Made once for all hosts.
            if not templars:
                templars.append(plugin.templar.copy_with_new_env())
            templars[0].available_variables = {"value": value}
            value = templars[0].template(trust_as_template(f"{{{{ value | {filters} }}}}"))
        return (value[0] if value else None) if isinstance(value, list) and return_single_hostname else value

    plugin._get_hostname_with_jinja2_filter = named


def _explained(error: BaseException) -> str:
    """What AWS or boto3 said, with what to do about it."""
    # Only now, for it imports boto3.
    from ansible.module_utils.platform.engine.session import explain_failure

    return explain_failure(error)


@cache
def _problems(folder: Path, _state: object) -> list[Problem]:
    return read(folder).problems


def _message(problems: list[Problem]) -> str:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = [f"  {problem}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"  and {len(problems) - _SHOWN} more")
    return "\n".join([f"The files of the declaration have {count}; nothing was done.", *lines])


def _end(message: str) -> NoReturn:
    """An AnsibleError would be collected, and the next plugin asked: the exit is what ends the command here."""
    display.error(message)
    raise SystemExit(_PARSER_ERROR)
