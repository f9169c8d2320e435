"""Samples of what hosts say of themselves."""

from __future__ import annotations

from typing import Any

NOW = 1795881600.0  # 2026-11-28 16:00:00 UTC


def service(**other: Any) -> dict[str, Any]:
    """A service as a manager tells it."""
    return {
        "stack": "koin-prod",
        "name": "koin-prod_api",
        "image": "bcsd-build:5000/koin/api:1.4@sha256:ab",
        "running": 1,
        "wanted": 1,
        "state": "completed",
        "since": "2026-11-27T04:00:00.123456789Z",
    } | other


def host(**other: Any) -> dict[str, Any]:
    """A host that is well."""
    return {
        "now": NOW,
        "uptime": 12 * 86400.0,
        "load": 0.6,
        "cpus": 2,
        "memory": 45,
        "disk": 34,
        "disk_path": "/",
        "failed": [],
        "certificates": {"/etc/koin/tls/host/cert.pem": 61},
        "jobs": {},
        "services": [],
        "alerts": None,
    } | other


def alert(name: str, severity: str = "critical", **other: str) -> dict[str, str]:
    """An alert that fires."""
    return {"alertname": name, "severity": severity, "host": "", "summary": ""} | other
