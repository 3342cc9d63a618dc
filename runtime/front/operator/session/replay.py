"""``POST /workers/{id}/replay``: `bulkhead replay` of a crashed session, run here, with what it says.

The command does it all: the room of its own, the confinement, the messages that are sent again.  What it says
goes to whoever asked, as it comes; who leaves ends it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from quart import Blueprint, Response

from runtime.front.http.contract import also, belongs, takes
from runtime.front.http.problems import problem
from runtime.front.openapi.shapes.sessions import ReplayRequest
from runtime.front.state import Front, caller
from runtime.process.program.running import Running, running
from runtime.session.redaction import Redactor, secrets_in
from runtime.settings import Settings, env_names, knobs

MAX_BYTES: Final = 256 << 10
"""Of what it says; one that says more is ended."""
NDJSON: Final = "application/x-ndjson"
_OVERTIME_S: Final = 45.0
"""For a room of its own, for leaving it, and for a program that takes long to import."""
_GRACE_S: Final = 6.0
_LINE_BYTES: Final = 16 << 10
_TOO_MUCH: Final = "It said more than is shown here, and was ended."
_CLOSING: Final = "The server is being stopped."
_BUSY: Final = "Another replay runs on this server; wait for its end."
_TOO_LONG: Final = "It did not stop when it was asked to, and was ended."
_HELD_BY: Final = ("confinement.", "supervisor.pass_env", "server.agents_env")
"""Settings that decide what a session gets and may reach: our flags are none of the command's."""


def routes(front: Front) -> Blueprint:
    """The one route."""
    paths = Blueprint("replay", __name__)
    belongs(paths, "sessions", to_operators=True)
    turn = asyncio.Lock()

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.post("/workers/<session_id>/replay")
    @takes(ReplayRequest, example=ReplayRequest())
    @also(200, 'Lines: `{"text"}` as it is said, at last `{"status"}`: 0 where it did not fail', NDJSON)
    async def replay(session_id: str, data: ReplayRequest) -> Response:
        """Run the call of a crashed session again, apart from all others, with the code as it is now"""
        if front.crashes is None or await front.crashes.report(session_id) is None:
            front.registry.record(session_id)  # or nobody knows it
            return problem("not_crashed", f"Session {session_id} left no report.", session=session_id)
        if turn.locked():
            return problem("not_replayed", _BUSY)
        answer = Response(_told(front, session_id, data.for_s, turn), content_type=NDJSON)
        answer.timeout = None
        return answer

    return paths


async def _told(front: Front, session_id: str, for_s: float, turn: asyncio.Lock) -> AsyncIterator[bytes]:
    if turn.locked():  # since it was asked, before anybody began to read
        yield _line(text=_BUSY)
        yield _line(status=None)
        return
    async with turn:
        folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="bulkhead-replay-")
        try:
            async with running(
                _argv(front, session_id, for_s), env=_environment(front, folder.name)
            ) as command:
                async for line in _lines(front, command, for_s):
                    yield line
        finally:
            await asyncio.shield(asyncio.to_thread(folder.cleanup))


async def _lines(front: Front, command: Running, for_s: float) -> AsyncIterator[bytes]:
    hidden, left, rest = Redactor(secrets_in(os.environ)), MAX_BYTES, b""
    deadline, why, has_left = front.clock.now() + for_s + _OVERTIME_S, "", False
    closing = asyncio.ensure_future(front.closing.wait())
    reading: asyncio.Future[bytes] | None = None
    try:
        while not why:
            reading = asyncio.ensure_future(command.read(_LINE_BYTES))
            await asyncio.wait(
                {reading, closing},
                timeout=max(0.0, deadline - front.clock.now()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not reading.done():
                why = _CLOSING if closing.done() else _TOO_LONG
                break
            if not (piece := reading.result()):
                has_left = True
                break
            left -= len(piece)
            why = _TOO_MUCH if left < 0 else ""
            *whole, rest = (rest + piece).split(b"\n")
            if len(rest) > _LINE_BYTES:
                whole, rest = [*whole, rest], b""
            for line in whole:
                yield _line(text=hidden.text(line.decode(errors="replace")))
        if rest:
            yield _line(text=hidden.text(rest.decode(errors="replace")))
    finally:
        closing.cancel()
        if reading is not None:
            reading.cancel()
        status = await asyncio.shield(_ended(command, has_left=has_left))
    if why:
        yield _line(text=why)
    yield _line(status=status)


async def _ended(command: Running, *, has_left: bool) -> int | None:
    """Ask it to end, twice, as somebody at a terminal would; what is left then is killed by `running`."""
    for is_to_be_asked in (not has_left, True, True):
        if is_to_be_asked:
            command.interrupt()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                return await command.status()
    return None


def _line(**fields: Any) -> bytes:
    return msgspec.json.encode(fields) + b"\n"


def _argv(front: Front, session_id: str, for_s: float) -> list[str]:
    safely = ["-P"] if sys.flags.safe_path else []
    argv = [sys.executable, *safely, "-m", "runtime", "replay", session_id, "--for", f"{for_s:g}"]
    if front.configuration.file is not None:
        argv += ["--config", str(front.configuration.file)]
    return [*argv, "--url", front.url, "--state-dir", str(Path(front.settings.state_dir).absolute())]


def _environment(front: Front, folder: str) -> dict[str, str]:
    more = {"TMPDIR": folder, "BULKHEAD_STATE_DIR": str(Path(front.settings.state_dir).absolute())}
    more |= {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **_from_flags(front.configuration), **more}


def _from_flags(settings: Settings) -> dict[str, str]:
    """What was set by a flag and the command has to know, as variables."""
    found = {}
    for key, item in knobs():
        if key.startswith(_HELD_BY) and settings.origins.get(key, "").startswith("flag"):
            part, name = key.split(".")
            value = getattr(getattr(settings, part), name)
            found[env_names(key, item)[0]] = " ".join(value) if isinstance(value, tuple) else str(value)
    return found
