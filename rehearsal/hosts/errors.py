"""Errors that the operator can fix."""

from __future__ import annotations


class LocalHostsError(Exception):
    """Something the operator has to know; the message says what to do."""
