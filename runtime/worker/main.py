"""A worker process from its first instruction to its last."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from socket import socket as Socket
from typing import Any, NoReturn

import setproctitle
import structlog

from runtime import logs
from runtime.compat import overlay
from runtime.confinement.policy import Policy
from runtime.errors import ChannelClosed, ProtocolError, lacking
from runtime.process import child
from runtime.process.channel import Channel
from runtime.process.child import Inherited
from runtime.process.confine.inner import Entry
from runtime.process.plumbing import Box, WorkerEnds
from runtime.wire import control
from runtime.wire.frames import encode_frame
from runtime.worker import bundle, failure, heartbeat, rehearsal
from runtime.worker.activity import Activity
from runtime.worker.bundle import LoadedBundle
from runtime.worker.program import leaving, pools
from runtime.worker.program.imported import Later
from runtime.worker.program.main_program import Program
from runtime.worker.program.outer_loop import OuterLoop
from runtime.worker.refused import causes
from runtime.worker.refused.teller import Teller
from runtime.worker.session import Session
from runtime.worker.tasks import OURS, answer_in

log = structlog.get_logger("worker")

_MAX_FRAME_BYTES = 8 << 20
_LAST_WORD_S = 1.0


class ExitCode(IntEnum):
    """Exit codes of our own; user code that exits by itself may use any."""

    OK = 0
    IMPORT_FAILED = 70
    FAILED = 71
    FRONT_LOST = control.PIPE_CUT_CODE
    SYSTEM_SHORT = control.SYSTEM_SHORT_CODE


def preload() -> None:
    """Import, once per zygote, what every session needs, so that no worker pays for it."""
    if overlay.is_sdk_installed():
        import runtime.worker.upstream

        return
    import websockets.asyncio.client  # noqa: F401

    import runtime.sdk.room.client
    import runtime.sdk.room.messaging
    import runtime.sdk.room.room_agents  # noqa: F401


def warm_up() -> None:
    """Do, once per zygote, what sessions would each do at their first answer of a model, or span.

    Our own adapter does it by itself; the SDK's takes a second and some thirty megabytes in each session.
    """
    if "opentelemetry.trace" in sys.modules:
        import runtime.telemetry.program.spans  # noqa: F401  # for sessions whose work is measured
    if overlay.is_active() and "openai" in sys.modules:
        importlib.import_module(f"{__package__.partition('.')[0]}.sdk.llm.warm_up").warm_up()


def rehearse(loaded: LoadedBundle, outer: OuterLoop) -> None:
    """Live through empty sessions, once per zygote; see `runtime.worker.rehearsal`."""
    child.own_streams()
    logs.configure_worker()  # for the sessions: a zygote itself has nothing to say
    title = setproctitle.getproctitle()
    try:
        if overlay.is_active():
            child.rehearse(rehearsal.ROUNDS)  # the rest would be the SDK's, which may start threads
        else:
            rehearsal.rehearse_whole(loaded, _rehearsed, outer)
    except Exception as error:  # noqa: BLE001 - whatever a bundle did to this process: it can be forked from
        log.warning("zygote.rehearsal_failed", error=repr(error))
    finally:
        setproctitle.setproctitle(title)


async def _rehearsed(ends: WorkerEnds, empty: LoadedBundle) -> int:
    worker = Worker(ends, empty)
    try:
        return await worker.run()
    finally:
        worker.forget_box()


def declarations(loaded: LoadedBundle) -> list[control.EndpointDecl]:
    """What to tell the front about a bundle's endpoints."""
    return [
        control.EndpointDecl(
            path=endpoint.path,
            identity=endpoint.identity,
            class_name=endpoint.cls.__name__,
            kind=endpoint.kind,
            title=endpoint.title or "",
            description=(endpoint.description or "")[:300],
            permissions=endpoint.permissions,
            limits=endpoint.limits.declared() if endpoint.limits is not None else {},
            restart=endpoint.restart or "",
            confinement=endpoint.confinement.plain() if endpoint.confinement is not None else {},
        )
        for endpoint in loaded.endpoints.values()
    ]


class Once:
    """One worker in a fresh interpreter, for a bundle that cannot be forked from.

    The program's own event loop is the session's: what is bound to it works, and its tasks run.
    """

    def __init__(self, ends: WorkerEnds, program: Program) -> None:
        self._ends = ends
        self._program = program
        self._worker: Worker | None = None

    def live(self, loaded: LoadedBundle, outer: OuterLoop) -> int:
        return live(Worker(self._ends, loaded), outer)

    def live_within(self, loaded: LoadedBundle) -> Coroutine[Any, Any, int]:
        self._worker = Worker(self._ends, loaded)
        return self._worker.run()

    def failed(self, error: BaseException) -> NoReturn:
        outer = OuterLoop()
        with outer.aside():
            leaving.at_once(live(Worker(self._ends, error, self._program.folder), outer))

    def ended_by(self, error: BaseException) -> None:
        if self._worker is not None and not self._worker.has_ended:
            self._worker.tell_exit(error)


def settle(ends: WorkerEnds, inherited: Inherited, entry: Entry | None = None) -> None:
    """Be a process of its own; one for which the system has no more of something ends, and says so.

    Args:
        entry: What it has to put itself below, at once.
    """
    try:
        if entry is not None:
            entry.enter()
        child.settle(ends, inherited)
    except (OSError, MemoryError) as error:
        _ended_short(error)
        raise


def _ended_short(error: BaseException) -> None:
    """End the process if it could not begin because the system has no more of something."""
    if lacking(error):
        traceback.print_exception(error)
        leaving.at_once(ExitCode.SYSTEM_SHORT)


def run_once(ends: WorkerEnds, program: Program) -> int:
    """Be one worker in a fresh interpreter: settle first, import after."""
    settle(ends, Inherited())
    logs.configure_worker(sys.stderr)
    preload()
    pools.lead(program)
    role = Once(ends, program)
    try:
        return bundle.run(program, role)
    except BaseException as error:  # noqa: BLE001 - the edge of the bundle's program
        role.failed(error)


def live(worker: Worker, outer: OuterLoop) -> int:
    """Run its event loop; whatever ends that from below (exit, an interrupt) is told first."""

    def left(error: BaseException) -> None:
        if worker.was_called:
            code = error.code if isinstance(error, SystemExit) else 1
            leaving.bound(leaving.number(code))  # a task may take for ever about being cancelled

    try:
        code = outer.run(worker.run(), left)
    except BaseException as error:
        if not worker.was_called:
            _ended_short(error)
        worker.tell_exit(error)
        raise
    if not worker.was_called:
        leaving.at_once(code)  # it was parked: nothing has begun that the program could end
    return code


class Worker:
    """Wait for the session that this process will be, then be it.

    Attributes:
        was_called: There was a session to be.
        has_ended: It is over, and the front knows how it ended.
    """

    def __init__(
        self,
        ends: WorkerEnds,
        loaded: LoadedBundle | BaseException,
        folder: Path | None = None,
        *,
        parked: bool = False,
    ) -> None:
        self._ends = ends
        self._is_parked = parked
        self._pid = os.getpid()
        self.was_called = self.has_ended = False
        self._loaded = loaded
        self._folder = loaded.folder if isinstance(loaded, LoadedBundle) else (folder or Path())
        self._start: asyncio.Future[control.Start | None] | None = None
        self._session: Session | None = None
        self._box: Box | None = None
        # What came with the Start, in the one turn of the loop until there is a session to take it.
        self._early: list[control.ToWorker] = []
        self._channel: Channel[control.ToWorker] | None = None
        self._front_lost = asyncio.Event()
        self._closed = asyncio.Event()

    async def run(self) -> int:
        self._start = asyncio.get_running_loop().create_future()
        self._channel = channel = await Channel.open(
            Socket(fileno=self._ends.control_fd),
            control.to_worker,
            self._received,
            self._ended,
            max_frame_bytes=_MAX_FRAME_BYTES,
        )
        # What needs no session is done before there is one: parked, this costs nobody's time.
        self._box = box = Box(self._ends.box_fd)
        answer_in(box, self._folder)
        channel.send(control.Hello(os.getpid()))
        rehearsing: asyncio.Task[None] | None = None
        if self._is_parked and isinstance(self._loaded, LoadedBundle):
            setproctitle.setproctitle("bulkhead: parked")
            rehearsing = asyncio.create_task(rehearsal.rehearse(self._loaded))
        start = await self._start  # None: there will be none
        if rehearsing is not None:
            rehearsing.cancel()
        if start is None:
            return ExitCode.FRONT_LOST
        self.was_called = True
        # Any user of the machine may read it: neither who talks nor where.
        setproctitle.setproctitle(f"bulkhead: {start.session_id}")
        if isinstance(self._loaded, BaseException):
            told = failure.describe(self._loaded, self._folder)
            channel.send(
                failure.fitting(
                    control.Failed(
                        "import", told.kind, told.message, told.where, told.traceback, trace=told.trace
                    )
                )
            )
            code = ExitCode.FAILED
        else:
            later = Later()

            def tell_imported() -> None:
                if files := later.files():
                    with suppress(ChannelClosed):  # then there is nobody to tell
                        channel.send(control.Imported(files))

            end_beats = heartbeat.begin(box, start.heartbeat_s, tell_imported)
            code = await self._be(start, self._loaded, channel)
            end_beats()
        channel.close()
        await self._closed.wait()
        self.has_ended = True
        return code

    def forget_box(self) -> None:
        """Let go of its shared memory: after a rehearsal, whose process becomes many."""
        if self._box is not None:
            self._box.unmap()

    def tell_exit(self, error: BaseException) -> None:
        """Say where the program left its event loop.  The loop is closed: this writes to the pipe itself."""
        if os.getpid() != self._pid:
            return  # a child that the agent made by `os.fork` ends so; the session goes on
        if self._channel is None or self._channel.ended or self._channel.waiting_bytes:
            return  # nobody listens, or half a message is under way and nothing can follow it
        told = failure.describe(error, self._folder)
        message = control.Exiting(told.kind, told.message, told.where, told.traceback, told.trace)
        frame = encode_frame(control.encode(failure.fitting(message)), max_frame_bytes=_MAX_FRAME_BYTES)
        pipe = Socket(fileno=os.dup(self._ends.control_fd))
        try:
            pipe.settimeout(_LAST_WORD_S)
            pipe.sendall(frame)
        except OSError:
            pass  # the front is gone, or does not read; it sees the exit status anyway
        finally:
            pipe.close()

    async def _be(
        self, start: control.Start, loaded: LoadedBundle, channel: Channel[control.ToWorker]
    ) -> ExitCode:
        send = channel.send
        if (calls := causes.calls()) is not None:
            calls.policy = Policy.from_plain(start.confinement)
            send = Teller(calls.account, channel.send).send
        self._session = session = Session(
            start, loaded, send, channel.drain, activity=Activity(self._box, record=start.record)
        )
        while self._early:
            session.receive(self._early.pop(0))
        work = asyncio.create_task(session.run())
        lost = asyncio.create_task(self._front_lost.wait(), name=f"{OURS}front lost")
        waited: list[asyncio.Future[Any]] = [work, lost]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        lost.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait([work], timeout=1.0)
            return ExitCode.FRONT_LOST
        return ExitCode.OK if work.result() else ExitCode.FAILED

    def _received(self, message: control.ToWorker) -> None:
        assert self._start is not None
        if isinstance(message, control.Start):
            if not self._start.done():
                self._start.set_result(message)
        elif self._session is not None:
            self._session.receive(message)
        elif self._start.done():
            self._early.append(message)
        elif isinstance(message, control.Stop):
            self._lose_front()  # asked to end before there was anything to do

    def _ended(self, error: ProtocolError | None) -> None:
        self._lose_front()
        self._closed.set()

    def _lose_front(self) -> None:
        assert self._start is not None
        self._front_lost.set()
        if not self._start.done():
            self._start.set_result(None)
