#!/usr/bin/python
"""How a host is, in one look."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.request
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
---
module: host_status
short_description: Read how a host is
description:
  - Reads what an operator asks first, in one call. Changes nothing, and a part that cannot be read is left out.
options:
  certificates:
    description: Certificates to look at, as patterns of paths.
    type: list
    elements: str
    default: [/etc/koin/tls/*/cert.pem, /etc/letsencrypt/live/*/fullchain.pem]
  metrics:
    description: Folder with the metrics of jobs on the host.
    type: path
    default: /var/lib/prometheus/node-exporter
  prometheus:
    description: URL of Prometheus on the host; empty where there is none.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
author: BCSDLab
"""

EXAMPLES = r"""
- name: Look
  host_status:
  register: status
"""

RETURN = r"""
status:
  description: >-
    C(now), C(uptime) in seconds, C(load), C(cpus), C(memory) and C(disk) as used percent, C(disk_path), C(failed)
    units, C(certificates) with the days left, C(jobs) with the time of their last success, C(services) of the Swarm
    on a manager, C(alerts) that fire on the host of Prometheus.
  returned: success
  type: dict
asked:
  description: When the host was asked, in seconds since 1970 by the clock of the controller.
  returned: always
  type: float
msg:
  description: Why there is no status.
  returned: when the host does not answer
  type: str
"""

NAMESPACE = "com.docker.stack.namespace"
#: of file systems that hold data
_TYPES = {"ext4", "xfs", "btrfs", "overlay"}


def output(module: AnsibleModule, *command: str) -> str:
    """What a command prints; nothing when it fails or is not there."""
    try:
        code, out, _ = module.run_command(list(command), handle_exceptions=False)
    except (OSError, ValueError):
        return ""
    return str(out) if code == 0 else ""


def disk() -> tuple[int, str]:
    """The fullest file system: used percent, as an ordinary user sees it, and where."""
    found = []
    for line in Path("/proc/mounts").read_text().splitlines():
        _, path, kind, *_ = line.split()
        if kind in _TYPES and not path.startswith(("/var/lib/docker/", "/run/", "/proc", "/sys")):
            try:
                size = os.statvfs(path)
            except OSError:
                continue
            used, free = size.f_blocks - size.f_bfree, size.f_bavail
            if used + free:
                found.append((round(100 * used / (used + free)), path))
    return max(found, default=(0, "/"))


def memory() -> int:
    """Used percent."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    total, available = (int(lines[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    return round(100 - 100 * available / total)


def certificates(module: AnsibleModule, now: float) -> dict[str, int]:
    """Days that each is valid for, by path."""
    found = {}
    for pattern in module.params["certificates"]:
        for path in sorted(map(str, Path("/").glob(pattern.lstrip("/")))):
            said = output(module, "openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", path)
            if known := re.search(r"notAfter=(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)Z", said):
                ends = time.strptime(f"{known[1]} UTC", "%Y-%m-%d %H:%M:%S %Z")
                found[path] = int((time.mktime(ends) - time.timezone - now) // 86400)
    return found


def jobs(folder: str) -> dict[str, float]:
    """When each job of the host last succeeded, by its name."""
    found = {}
    for path in sorted(Path(folder).glob("*.prom")):
        for line in path.read_text().splitlines():
            if known := re.match(r'koin_(\w+)_last_success_timestamp_seconds\{name="([^"]+)"\} (\S+)', line):
                found[known[2] if known[1] == "backup" else f"{known[1]} {known[2]}"] = float(known[3])
            elif known := re.match(r"koin_(\w+)_last_success_timestamp_seconds (\S+)", line):
                found[known[1]] = float(known[2])
    return found


def services(module: AnsibleModule) -> list[dict[str, Any]]:
    """The services of the Swarm, on a manager."""
    template = "{{json .}}"
    listed = [json.loads(line) for line in output(module, "docker", "service", "ls", "--format", template).splitlines()]
    if not listed:
        return []
    ids = [line["ID"] for line in listed]
    said = output(module, "docker", "service", "inspect", *ids)
    running_tasks = output(
        module, "docker", "service", "ps", "--quiet", "--filter", "desired-state=running", *ids
    ).split()
    tasks = json.loads(output(module, "docker", "inspect", "--type", "task", *running_tasks) or "[]")
    # Since when its newest task is what it is; a change of labels starts none.
    since: dict[str, str] = {}
    for task in tasks:
        since[task["ServiceID"]] = max(since.get(task["ServiceID"], ""), task["Status"]["Timestamp"])
    found = []
    for service in json.loads(said or "[]"):
        line = next(line for line in listed if service["ID"].startswith(line["ID"]))
        running, wanted = (int(number) for number in line["Replicas"].split()[0].split("/"))
        found.append(
            {
                "stack": service["Spec"]["Labels"].get(NAMESPACE, ""),
                "name": service["Spec"]["Name"],
                "image": service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"],
                "running": running,
                "wanted": wanted,
                "state": service.get("UpdateStatus", {}).get("State", ""),
                "since": since.get(service["ID"], service["UpdatedAt"]),
            }
        )
    return found


def alerts(url: str) -> list[dict[str, str]] | None:
    """What fires; None when Prometheus does not answer."""
    if not url:
        return None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/api/v1/alerts", timeout=5) as answer:
            content = json.load(answer)
    except (OSError, ValueError):
        return None
    names = ("alertname", "severity", "host")
    firing = [alert for alert in content["data"]["alerts"] if alert["state"] == "firing"]
    return [
        {**{name: alert["labels"].get(name, "") for name in names}, "summary": alert["annotations"].get("summary", "")}
        for alert in firing
    ]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "certificates": {
                "type": "list",
                "elements": "str",
                "default": ["/etc/koin/tls/*/cert.pem", "/etc/letsencrypt/live/*/fullchain.pem"],
            },
            "metrics": {"type": "path", "default": "/var/lib/prometheus/node-exporter"},
            "prometheus": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    now = time.time()
    percent, path = disk()
    failed = output(module, "systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager")
    module.exit_json(
        changed=False,
        status={
            "now": now,
            "uptime": float(Path("/proc/uptime").read_text().split()[0]),
            "load": os.getloadavg()[0],
            "cpus": os.cpu_count() or 1,
            "memory": memory(),
            "disk": percent,
            "disk_path": path,
            "failed": [line.split()[0] for line in failed.splitlines() if line.strip()],
            "certificates": certificates(module, now),
            "jobs": jobs(module.params["metrics"]),
            "services": services(module),
            "alerts": alerts(module.params["prometheus"]),
        },
    )


if __name__ == "__main__":
    main()
