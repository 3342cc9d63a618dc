"""``python -m runtime.front '<json>'``: the server process.

The argument is ``{"flags": {"server.port": 0, …}, "sources": [paths], "config": path or null}``; the rest
comes from the environment.  The exit status is 0 after a drain, 1 when it could not start.
"""

# ruff: noqa: E402

from __future__ import annotations

import gc

gc.disable()  # what is imported stays: to look for garbage among it takes a sixth of the time

import asyncio
import ctypes
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from runtime.errors import ConfigError, RuntimeServiceError
from runtime.front.operator.by_signal.signals import Signals
from runtime.front.server import Server
from runtime.logs import configure, get_logger
from runtime.process import descriptors
from runtime.process.child import end_with
from runtime.process.confine import privileges
from runtime.process.init.init import LAST_END_VARIABLE, PARENT_VARIABLE
from runtime.process.init.pulse import BEAT_S, Pulse
from runtime.settings import LogSettings, load_settings
from runtime.tasks import cancelled

if __name__ != "__main__":
    gc.enable()  # else `main` does, when all of it is frozen: before, that would be a collection of it

FRESH_VARIABLE = "BULKHEAD_INTERNAL_FRESH"
"""Set: sessions of earlier runs are not started again, but for those that this one loses."""
_YOUNG_COUNT: Final = 20_000
_M_MMAP_THRESHOLD: Final = -3  # malloc.h
_LARGE_BYTES: Final = 512 << 10  # above what asyncio has ready for each read of a socket
_log = get_logger("server")


def _give_back_large() -> None:
    """Have what is large give its memory back to the system as soon as it is freed.

    The C library does so with pieces of 128 KiB at first, and with ever larger ones alone once such a piece
    was freed: after many messages of a megabyte each, what lies between them would keep it all.
    """
    with suppress(AttributeError):  # a C library without it
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def main(arguments: list[str]) -> int:
    """Run one server with the arguments of its command line."""
    gc.freeze()
    gc.enable()
    _give_back_large()
    if parent := os.environ.get(PARENT_VARIABLE):
        end_with(int(parent), signal.SIGTERM)
    pulse = Pulse.inherited(os.environ)
    privileges.keep_out_others()
    try:
        work: dict[str, Any] = json.loads(arguments[0]) if arguments else {}
        settings = load_settings(
            flags=work.get("flags"),
            env=os.environ,
            file=Path(work["config"]) if work.get("config") else None,
        )
        configure(settings.log)
        descriptors.claim()
        if (fit := descriptors.sessions_that_fit()) < settings.supervisor.max_sessions:
            get_logger("server").warning(
                "server.descriptors_few",
                detail=f"open files suffice for {fit} of {settings.supervisor.max_sessions} sessions",
                cure="Raise the hard limit of open files, or lower supervisor.max_sessions.",
            )
        sources = [Path(source) for source in work.get("sources") or [settings.server.agents_dir]]
        last_end = os.environ.get(LAST_END_VARIABLE, "")
        # A command that calls its agents itself wants those of this run alone.
        fresh = "" if last_end else os.environ.get(FRESH_VARIABLE, "")
        server = Server(settings, sources, last_end=last_end, resumes=not fresh, calls_into=fresh)
        return asyncio.run(serve(server, pulse))
    except json.JSONDecodeError as error:
        return _failed(ConfigError(f"the server's argument is not JSON: {error}"))
    except RuntimeServiceError as error:
        return _failed(error)


async def serve(server: Server, pulse: Pulse | None = None) -> int:
    """Start, serve until SIGTERM, SIGINT or SIGQUIT, drain, end.  A second one ends what runs at once.

    Args:
        pulse: How an init hears that the loop turns; None without one.

    Returns:
        The process's exit status: 0, or 1 when the server failed by itself.
    """
    asked = asyncio.Event()

    def end(number: signal.Signals) -> None:
        if asked.is_set():
            _log.warning("server.forced", signal=number.name)
            server.force()
        else:
            _log.info("server.stopping", signal=number.name)
        asked.set()

    signals = Signals(
        asked=end,
        reload=server.reload_changed,
        log=server.settings.log,
        minds_terminal=pulse is None,
        stacks_fd=None if pulse is None else pulse.stacks_fd,
    )
    with signals:
        beating = asyncio.create_task(_beat(server, pulse), name="pulse")
        # Not one of the parts: those are closed when a start fails, and that must not look like a signal.
        signal_came = asyncio.create_task(asked.wait(), name="signals")
        try:
            starting = asyncio.create_task(server.start(), name="start")
            await asyncio.wait({starting, signal_came}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                await cancelled(starting)  # asked to end while the bundles were loading
                return 0
            await starting
            _collect_less()
            serving = asyncio.create_task(server.wait(), name="serve")
            await asyncio.wait({serving, signal_came}, return_when=asyncio.FIRST_COMPLETED)
            failed = serving.done() and serving.exception() is not None
            if failed:
                _log.error("server.failed", error=repr(serving.exception()))
            await server.stop()
            await cancelled(serving)
            return 1 if failed else 0
        finally:
            # Nothing of it may outlive a failure: the journal's thread alone would keep the process alive.
            await server.aclose()
            await cancelled(signal_came)
            await cancelled(beating)


def _collect_less() -> None:
    """Look for garbage among what came since the start, and not at every two thousand objects.

    A start of a session makes thousands that live as long as it does, and no cycles to speak of.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_COUNT, 10, 10)


async def _beat(server: Server, pulse: Pulse | None) -> None:
    if pulse is not None:
        pulse.introduce(hang_s=server.settings.server.hang_s, drain_s=server.settings.server.drain_s)
        while True:
            await asyncio.sleep(BEAT_S)
            pulse.beat()


def _failed(error: RuntimeServiceError) -> int:
    get_logger("server").error("server.start_failed", code=error.code, error=error.message, cure=error.cure)
    return 1


if __name__ == "__main__":
    configure(LogSettings())
    sys.exit(main(sys.argv[1:]))
