"""The two that are compared: the platform's playbooks, and Terraform, each with a local AWS of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.platform.engine.model import Action
from ansible.module_utils.platform.engine.plan import plan
from ansible.module_utils.platform.engine.workflow import declaration_of
from ansible.module_utils.platform.kinds import KINDS

from rehearsal import REPOSITORY
from tests.bench import terraform_config
from tests.bench.measure import BenchError, Sample, run
from tests.support.local_aws import LocalAws
from tests.support.platform import declared, specs

#: a directory that holds Terraform's providers, laid out as a filesystem mirror; without it Terraform's own settings
PLUGINS_VARIABLE = "BENCH_TERRAFORM_PLUGINS"
ACCOUNT = "123456789012"


def created(public_key: str, changed: Mapping[str, Any]) -> list[Action]:
    """Everything the platform would write in an empty account. changed: variables that differ from the declaration."""
    raw = declared() | dict(changed)
    raw |= {"aws_compute_public_key": public_key, "aws_compute_key_pairs": {"koin": {"public_key": public_key}}}
    declaration = declaration_of(raw, specs(), KINDS)
    declaration.account = ACCOUNT
    return list(plan(declaration, KINDS.empty(), KINDS).writes)


def public_key(aws: LocalAws) -> str:
    """The key that new instances of a local account trust."""
    return (aws.directory / "ssh" / "id_ed25519.pub").read_text().strip()


class Side:
    """What both have: a directory, an account, an environment."""

    name = ""

    def __init__(self, directory: Path, aws: LocalAws) -> None:
        self.directory = directory
        self.aws = aws
        self.log = directory / "output.log"
        self._environ = aws.process_environ

    def variables(self, changed: Mapping[str, Any]) -> None:
        """From now on these variables differ from the declaration."""
        raise NotImplementedError

    def reset(self) -> None:
        """An account that holds nothing, and no memory of another."""
        self.aws.reset(empty=True)

    def plan(self) -> Sample:
        """Show that there is nothing to do."""
        raise NotImplementedError

    def apply(self, *, nothing: bool) -> Sample:
        """Build what is missing. nothing: nothing is, and the output has to say so."""
        raise NotImplementedError

    def _expect(self, sample: Sample, *texts: str) -> Sample:
        """A time counts only for work that was done."""
        for text in texts:
            if text not in sample.output:
                raise BenchError(f"{self.name}: {text!r} is not in the output:\n{sample.output[-3000:]}")
        return sample


class Playbooks(Side):
    """playbooks/plan.yml and playbooks/provision.yml with inventories/rehearsal, as `make plan` runs them."""

    name = "ours"

    def __init__(self, directory: Path, aws: LocalAws) -> None:
        super().__init__(directory, aws)
        folder = Path(sys.executable).parent
        self._program = folder / "ansible-playbook"
        self._environ["PATH"] = f"{folder}{os.pathsep}{self._environ['PATH']}"
        self._environ |= {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        self._extra: list[str] = []
        self._empty = directory / "empty.yml"
        self._empty.write_text("- name: Nothing\n  hosts: localhost\n  gather_facts: false\n  tasks: []\n")

    def variables(self, changed: Mapping[str, Any]) -> None:
        """Given on the command line, as `-e @FILE`."""
        file = self.directory / "variables.json"
        file.write_text(json.dumps(dict(changed)))
        self._extra = ["-e", f"@{file}"] if changed else []

    def floor(self, inventory: str) -> Sample:
        """What `ansible-playbook` costs before it does anything."""
        return self._play(str(self._empty), inventory)

    def plan(self) -> Sample:
        return self._expect(self._play("playbooks/plan.yml", "inventories/rehearsal"), "\nNo changes")

    def apply(self, *, nothing: bool) -> Sample:
        sample = self._play("playbooks/provision.yml", "inventories/rehearsal")
        # Otherwise the last thing it says is that what it wrote is what was declared.
        return self._expect(sample, *(["\nNo changes"] if nothing else ["to create", "No changes"]))

    def _play(self, playbook: str, inventory: str) -> Sample:
        command: list[str | Path] = [self._program, playbook, "-i", inventory, *self._extra]
        return run(command, cwd=REPOSITORY, environ=self._environ, log=self.log)


class Terraform(Side):
    """The same resources as a Terraform configuration with a local state file; `init` is not counted."""

    name = "terraform"

    def __init__(self, directory: Path, aws: LocalAws) -> None:
        super().__init__(directory, aws)
        self._program = shutil.which("terraform") or "terraform"
        self._environ |= {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", "TF_CLI_ARGS": "-no-color"}
        # A file that is named and not there makes every command warn.
        if not Path(self._environ.get("TF_CLI_CONFIG_FILE", os.devnull)).exists():
            del self._environ["TF_CLI_CONFIG_FILE"]
        self.variables({})

    @staticmethod
    def missing() -> str:
        """Why there is no Terraform to compare with; empty when there is."""
        return "" if shutil.which("terraform") else "terraform is not on PATH"

    @property
    def state_file(self) -> Path:
        """What it knows of the account."""
        return self.directory / "terraform.tfstate"

    def init(self) -> str:
        """Install the provider; why not, when that fails, in one line."""
        mirror = os.environ.get(PLUGINS_VARIABLE)
        command = [self._program, "init", "-input=false", *([f"-plugin-dir={mirror}"] if mirror else [])]
        done = subprocess.run(
            command, cwd=self.directory, env=self._environ, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return ""
        said = next((line.strip("│ ") for line in done.stderr.splitlines() if "Error" in line), "no error message")
        return f"terraform init fails ({said}; {PLUGINS_VARIABLE} can name a directory that holds hashicorp/aws)"

    def versions(self) -> str:
        """Of Terraform and its provider."""
        command = [self._program, "version", "-json"]
        done = subprocess.run(
            command, cwd=self.directory, env=self._environ, capture_output=True, text=True, check=True
        )
        told = json.loads(done.stdout)
        provider = told["provider_selections"].get("registry.terraform.io/hashicorp/aws", "?")
        return f"Terraform {told['terraform_version']}, provider aws {provider}"

    def variables(self, changed: Mapping[str, Any]) -> None:
        content = terraform_config.providers(self.aws.endpoint, declared()["aws_region"])
        content |= terraform_config.resources(created(public_key(self.aws), changed))
        (self.directory / "main.tf.json").write_text(json.dumps(content, indent=1))

    def reset(self) -> None:
        super().reset()
        for file in self.directory.glob("terraform.tfstate*"):
            file.unlink()

    def plan(self) -> Sample:
        return self._expect(self._run("plan", "-input=false"), "No changes.")

    def apply(self, *, nothing: bool) -> Sample:
        sample = self._run("apply", "-input=false", "-auto-approve")
        return self._expect(sample, "No changes." if nothing else "Apply complete!")

    def refresh(self) -> None:
        """Let the state say what the account holds."""
        self._run("apply", "-refresh-only", "-input=false", "-auto-approve")

    def _run(self, *arguments: str) -> Sample:
        return run([self._program, *arguments], cwd=self.directory, environ=self._environ, log=self.log)
