"""Which release of the rival is the newest, beside the one that is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

from bench.rival import VERSION

PACKAGE: Final = "livekit-agents"
_ASK_S: Final = 30.0


def told() -> str:
    """One line for people: what is measured, and what else there is by now."""
    newest = _newest()
    if newest is None:
        return f"rival: LiveKit Agents {VERSION} (the package index did not say which is the newest)"
    if newest == VERSION:
        return f"rival: LiveKit Agents {VERSION}, the newest"
    return f"rival: LiveKit Agents {VERSION}; the newest is {newest}: BENCH_LIVEKIT={newest} measures that"


def _newest() -> str | None:
    ask = [sys.executable, "-m", "pip", "index", "versions", PACKAGE, "--json", "--disable-pip-version-check"]
    try:
        ran = subprocess.run(ask, capture_output=True, timeout=_ASK_S, check=True)
        found = json.loads(ran.stdout).get("latest")
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return found if isinstance(found, str) else None
