"""What goes wrong in a way that the operator can mend."""

from __future__ import annotations


class LocalHostsError(Exception):
    """Something the operator has to know; the message says what to do."""
