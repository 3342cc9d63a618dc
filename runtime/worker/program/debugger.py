"""Have debugpy listen in this process, when an operator asks, where the agent's environment has it."""

from __future__ import annotations

import sys
from typing import Final

from runtime.wire.looking.debug import Debug, Debugging

_HOST: Final = "127.0.0.1"
_ERROR_CHARS: Final = 500
_listens_at = 0


def listen(asked: Debug) -> Debugging:
    """Begin to listen, once in the life of a process.  Blocks for about a second; runs in: the event loop."""
    global _listens_at
    if _listens_at:
        return Debugging(asked.seq, _listens_at)
    try:
        import debugpy
    except ImportError:
        where = f"{sys.executable} -m pip install debugpy"
        return Debugging(asked.seq, error=f"debugpy is not in the agent's environment: {where}")
    try:
        debugpy.configure(subProcess=False)
        _, _listens_at = debugpy.listen((_HOST, asked.port))
    except Exception as error:  # noqa: BLE001 - whatever it was: it is told, and the session goes on
        told = f"debugpy could not listen at {_HOST}:{asked.port}: {error!r}"
        return Debugging(asked.seq, error=told[:_ERROR_CHARS])
    return Debugging(asked.seq, _listens_at)
