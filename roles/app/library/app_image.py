#!/usr/bin/python
"""An image that a service is about to run."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.platform.images import architectures, eligible, refusal, unfit

DOCUMENTATION = r"""
module: app_image
short_description: Verify that nodes can run an image, and pull it
description:
  - Asks the registry, from this host and with the login of the nodes, and compares the architectures of the image with
    those of the nodes that may run the service.
options:
  image:
    description: The image, with its tag or its digest.
    type: str
    required: true
  state:
    description:
      - V(verified) asks the registry and the Swarm, on a manager. Changes nothing.
      - V(pulled) pulls the image to this node.
    type: str
    choices: [verified, pulled]
    default: verified
  service:
    description: What the service is called in messages.
    type: str
    required: true
  labels:
    description: Labels of the nodes that may run it.
    type: dict
    default: {}
  registry:
    description: Registry login (C(address), C(user), C(password)); empty for none.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
author: BCSDLab
"""

EXAMPLES = r"""
- name: Verify
  app_image:
    image: koin-build:5000/koin/api:1.4
    service: koin-prod/api
    labels: {env: prod}
"""

RETURN = r"""
nodes:
  description: Host names of nodes that may run the service and can run the image.
  returned: success, with O(state=verified)
  type: list
  elements: str
image:
  description: The image with its digest.
  returned: success
  type: str
"""


class RefusedError(Exception):
    """What a command says."""


def docker(module: AnsibleModule, folder: str, *arguments: str) -> str:
    """Run the client with the login."""
    code, out, err = module.run_command(["docker", "--config", folder, *arguments])
    if code:
        raise RefusedError((err or out).strip())
    return str(out)


def login(registry: dict[str, Any], folder: str) -> None:
    """Leave the login where the client looks for it."""
    if registry.get("address"):
        known = base64.b64encode(f"{registry['user']}:{registry['password']}".encode()).decode()
        path = Path(folder) / "config.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"auths": {registry["address"]: {"auth": known}}}))


def with_digest(image: str, digest: str) -> str:
    """An image by tag and digest."""
    return f"{image.partition('@')[0]}@{digest}"


def verify(module: AnsibleModule, folder: str) -> dict[str, Any]:
    """Whether a node that may run the service can run the image."""
    image, service = module.params["image"], module.params["service"]
    # The client does not know that the engine may use a registry on loopback without TLS.
    near = ["--insecure"] if image.startswith(("127.", "localhost")) else []
    try:
        described = architectures(docker(module, folder, "manifest", "inspect", "--verbose", *near, image))
    except RefusedError as error:
        module.fail_json(msg=f"{refusal(image, str(error))} Nothing was changed; {service} runs as before.")
    except ValueError as error:
        module.fail_json(msg=f"{image}: {error}. Nothing was changed; {service} runs as before.")
    ids = docker(module, folder, "node", "ls", "--quiet").split()
    listed = docker(module, folder, "node", "inspect", "--format", "{{json .}}", *ids)
    nodes = eligible([json.loads(line) for line in listed.splitlines()], module.params["labels"])
    if why := unfit(image, service, described, nodes):
        module.fail_json(msg=f"{why} Nothing was changed; {service} runs as before.")
    fit = sorted(name for name, machine in nodes.items() if machine in described)
    # That of a list of several architectures is known once it was pulled.
    digest = next(iter(described.values())) if len(described) == 1 else ""
    pinned = image if "@" in image or not digest else with_digest(image, digest)
    return {"changed": False, "nodes": fit, "image": pinned}


def pull(module: AnsibleModule, folder: str) -> dict[str, Any]:
    """Pull it; an engine that has it already asks the registry all the same."""
    image, service = module.params["image"], module.params["service"]
    before = module.run_command(["docker", "image", "inspect", "--format", "{{.Id}}", image])[0] == 0
    if module.check_mode:
        return {"changed": not before, "image": image}
    try:
        docker(module, folder, "pull", "--quiet", image)
    except RefusedError as error:
        module.fail_json(msg=f"{refusal(image, str(error))} Nothing was changed; {service} runs as before.")
    found = json.loads(docker(module, folder, "image", "inspect", "--format", "{{json .RepoDigests}}", image))
    repository = image.partition("@")[0].rpartition(":")[0] or image
    digests = [entry.partition("@")[2] for entry in found if entry.partition("@")[0] == repository]
    pinned = image if "@" in image or not digests else with_digest(image, digests[0])
    return {"changed": not before, "image": pinned}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["verified", "pulled"], "default": "verified"},
            "service": {"type": "str", "required": True},
            "labels": {"type": "dict", "default": {}},
            "registry": {
                "type": "dict",
                "default": {},
                "options": {
                    "address": {"type": "str"},
                    "user": {"type": "str"},
                    "password": {"type": "str", "no_log": True},
                },
            },
        },
        supports_check_mode=True,
    )
    with tempfile.TemporaryDirectory(prefix="koin-docker-", dir="/run") as folder:
        login(module.params["registry"], folder)
        try:
            done = verify(module, folder) if module.params["state"] == "verified" else pull(module, folder)
        except RefusedError as error:
            module.fail_json(msg=str(error))
    module.exit_json(**done)


if __name__ == "__main__":
    main()
