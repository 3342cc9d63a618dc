"""One call again, in the foreground: no supervisor, no fork; the terminal is the program's own.

It is for the author of an agent that crashed.  The same steps as in a session (construct, join, start) run
in the process that `bulkhead replay` started, in a room that exists for this alone; where they fail, the
traceback is shown, and with a debugger one can look around.  Limits and watching are not in force.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import pdb
import shlex
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

import msgspec

from runtime import logs
from runtime.settings import LogSettings
from runtime.wire import control
from runtime.worker import bundle, failure
from runtime.worker.program import leaving
from runtime.worker.program.main_program import Program
from runtime.worker.program.outer_loop import OuterLoop
from runtime.worker.refused import causes
from runtime.worker.session import Session

CALL_VARIABLE: Final = "BULKHEAD_REPLAY"
"""Carries the call; in the environment, for the arguments of a process are there for everybody to read."""

FAILED: Final = 71
OTHERWISE: Final = 75
"""Its endpoint declares something else of what it may reach: that lies in its own folder (`DECLARES`)."""
DECLARES: Final = "declares.json"


class Call(msgspec.Struct, frozen=True):
    """What to run.

    Attributes:
        start: As a worker gets it.
        server: Address of the server that has its room.
        debug: Stop in the debugger where it fails.
        for_s: Seconds after which one that did not fail is stopped; 0 for as long as nobody stops it.
        declared: What its endpoint declares of what it may reach, as far as whoever holds it knows.
    """

    start: control.Start
    server: str
    debug: bool = False
    for_s: float = 0.0
    declared: dict[str, Any] = {}


def run(program: Program) -> int:
    """Run the call that stands in the environment; 0 when it did not fail, `FAILED` when it did."""
    call = msgspec.json.decode(os.environ.pop(CALL_VARIABLE), type=Call)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.enable()
    logs.configure(LogSettings(level="warning"), stream=sys.stderr)
    role = _Replay(call, program)
    try:
        return bundle.run(program, role)
    except BaseException as raised:  # noqa: BLE001 - the edge of the agent's program
        return role.told(raised)


class _Replay:
    """The call, from within the program that serves it."""

    def __init__(self, call: Call, program: Program) -> None:
        self._call, self._program = call, program
        self._session: _Kept | None = None
        self._was_asked = False

    def live(self, loaded: bundle.LoadedBundle, outer: OuterLoop) -> int:
        if self._is_held_otherwise(loaded):
            return OTHERWISE
        signal.signal(signal.SIGINT, self._interrupted)
        try:
            outer.run(self._run(loaded))
        except BaseException as raised:  # noqa: BLE001 - the edge of the agent
            return self.told(raised)
        assert self._session is not None
        return 0 if self._session.error is None else self.told(self._session.error)

    def live_within(self, loaded: bundle.LoadedBundle) -> None:
        return None

    def failed(self, error: BaseException) -> NoReturn:
        leaving.at_once(self.told(error))

    def ended_by(self, error: BaseException) -> None:
        pass

    def told(self, error: BaseException) -> int:
        """Show it, and stop there if that was asked for; returns the exit code."""
        _say(failure.describe(error, self._program.folder).traceback.rstrip())
        if (refused := causes.behind(error)) is not None:
            _say(f"refused {refused.rule} {refused.what}: its confinement does not allow that")
        if self._call.debug:
            _debug(error, self._program.folder)
        return FAILED

    def _is_held_otherwise(self, loaded: bundle.LoadedBundle) -> bool:
        """Tell what its endpoint declares, if it is held by something else."""
        endpoint = loaded.endpoints.get(self._call.start.endpoint)
        if endpoint is None:
            return False
        said = {} if endpoint.confinement is None else endpoint.confinement.plain()
        if said == self._call.declared:
            return False
        Path(os.environ["HOME"], DECLARES).write_text(json.dumps(said))
        return True

    async def _run(self, loaded: bundle.LoadedBundle) -> None:
        self._loop = asyncio.get_running_loop()
        endpoint = loaded.endpoints.get(self._call.start.endpoint)
        self._kind = "" if endpoint is None else endpoint.kind  # the session says that it is missing
        self._session = session = _Kept(self._call.start, loaded, self._told, _at_once)
        if self._call.for_s:
            self._loop.call_later(self._call.for_s, self._stop)
        await session.run()

    def _told(self, message: Any) -> None:
        match message:
            case control.ReadyNow():
                _say("ready: it is in its room and its start returned · Ctrl-C ends it")
                _say(f"from another terminal: {self._to_try()}")
            case control.Ended():
                _say(f"it ended: {message.message or message.reason}")
            case _:
                pass

    def _to_try(self) -> str:
        """The command with which somebody uses it, while it is there."""
        where = ["--url", self._call.server, "--room", self._call.start.room]
        assert self._session is not None
        match self._kind:
            case "chatbot":
                words = ["chat", *where, "--to", self._call.start.identity]
            case "task_runner":
                words = ["agents", "ask", *where, "--agent", self._session.agent_name, "--input", "{}"]
            case _:
                words = ["agents", "list", *where]
        return shlex.join(["bulkhead", *words])

    def _stop(self) -> None:
        if self._session is not None:
            self._session.receive(control.Stop("the replay is over", 2.0))

    def _interrupted(self, _: int, __: FrameType | None) -> None:
        # The first time it is asked to stop; one that hangs does not hear it, and is broken into then.
        if self._was_asked or self._session is None:
            raise KeyboardInterrupt
        self._was_asked = True
        _say("stopping · Ctrl-C once more breaks in where it stands")
        self._loop.call_soon_threadsafe(self._stop)


class _Kept(Session):
    """A session that keeps what it failed by."""

    error: BaseException | None = None

    @property
    def agent_name(self) -> str:
        """What it is asked by: its own name, which need not be the one that it joins as."""
        return str(getattr(self._agent, "name", None) or self._start.identity)

    def _failed(self, fault: Any) -> control.Failed:
        self.error = self.error or fault.__cause__ or fault
        return super()._failed(fault)


def _debug(error: BaseException, folder: Path) -> None:
    """The debugger where it was raised, or at the innermost line of the bundle above that."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [number for number, file in enumerate(files) if file.startswith(f"{folder}/")]
    theirs = [number for number, file in enumerate(files) if file != __file__]
    debugger = pdb.Pdb()
    debugger.reset()
    if files and (above := len(files) - 1 - (own or theirs or [0])[-1]):
        debugger.cmdqueue.append(f"up {above}")
    debugger.interaction(None, error.__traceback__)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def _at_once() -> None:
    pass
