"""A local replacement for AWS: a local AWS API, and a Debian host for each of its instances."""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
#: the rehearsal's command, for programs that start it; run it in REPOSITORY
COMMAND = (sys.executable, "-m", "rehearsal")
