"""One agent in one room, from its constructor to its last word.

Theory: bringing up (construct, join, start) is one task.  What can end the session are four events, each
with its own outcome: asked to stop, dismissed, the room closed, a background task of `start` failed.
Whichever comes first wins; then the agent's `stop` runs, and one message tells the front how it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

import structlog

from runtime.errors import ChannelClosed, RoomLost, RoomRefused, RoomUnreachable
from runtime.process.child import limit_file_size, limit_files
from runtime.sdk.meter import meter
from runtime.telemetry import names as at
from runtime.telemetry.tracer import tracer
from runtime.wire import by_pipe, control
from runtime.wire.looking.debug import Debug
from runtime.wire.spans import Value
from runtime.worker import joined
from runtime.worker.activity import Activity
from runtime.worker.bundle import LoadedBundle
from runtime.worker.by_pipe.model import PipedModel
from runtime.worker.by_pipe.relay import RelayTransport
from runtime.worker.chaos.fault import commit
from runtime.worker.failure import describe, fitting
from runtime.worker.program import debugger
from runtime.worker.refused import causes
from runtime.worker.tasks import tasks_now
from runtime.worker.telling import tracing
from runtime.worker.telling.report import Reporter

STOP_S = 5.0
"""Seconds that an agent's `stop` gets when nobody named a grace."""

_UNSEEN_S = 0.5

log = structlog.get_logger("worker")

Send = Callable[[Any], None]


class _Over(Exception):
    """The session ends for this reason."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class _StageFailed(Exception):
    """User code raised (`__cause__`), or the room could not be entered."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage)
        self.stage = stage


class Session:
    """Run one agent.  Runs in: the worker's event loop.

    Args:
        send: Hands a message to the front; raises ChannelClosed when the front is gone.
        drain: Waits while the front does not read.
        activity: Notes each message of the room.
    """

    def __init__(
        self,
        start: control.Start,
        loaded: LoadedBundle,
        send: Send,
        drain: Callable[[], Awaitable[None]],
        *,
        activity: Activity | None = None,
    ) -> None:
        self._start = start
        self._loaded = loaded
        self._send = send
        self._activity = activity or Activity()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._grace_s = STOP_S
        self._finish_s: float | None = None
        self._finishing: asyncio.Timeout | None = None
        self._agent: Any = None
        self._room: joined.Joined | None = None
        self._spans: tracing.SpanReporter | None = None
        self._relay = RelayTransport(send, drain) if start.relay else None
        self._model = PipedModel(start.model, send, drain, token=start.token) if start.model else None

    def receive(self, message: control.ToWorker) -> None:
        """Take a message of the front; called by the channel, never blocks."""
        match message:
            case control.Stop():
                self._grace_s, self._finish_s = message.grace_s, message.finish_s
                if self._over.done() and not message.finish_s:
                    self._finish_no_more()
                self._finish("stopped", f"asked to stop: {message.reason}")
            case control.Ping():
                with contextlib.suppress(ChannelClosed):
                    self._send(control.Pong(message.seq))
            case Debug():
                with contextlib.suppress(ChannelClosed):
                    self._send(debugger.listen(message))
            case control.Fault():
                commit(message, self._background_failed, self._room)
            case control.Packet():
                if self._relay is not None:
                    self._relay.arrived(message.data)
            case control.RelayClosed():
                if self._relay is not None:
                    self._relay.ended(message)
            case by_pipe.ModelHead() | by_pipe.ModelPiece() | by_pipe.ModelEnd():
                if self._model is not None:
                    self._model.receive(message)
            case control.Start():
                pass  # a worker is one session only; the front never sends a second

    async def rehearse(self, cls: type[Any]) -> None:
        """Take the first steps with an agent that does nothing; see `runtime.worker.rehearsal`."""
        self._prepare()

        async def construct() -> Any:  # made by its task, so one that is cancelled before it began is no loss
            return await _stage("construct", _construct(cls, {}))

        self._agent = await asyncio.create_task(construct())
        self._over.cancel()

    async def run(self) -> bool:
        """Be the session; True when it ended without a fault.  The front has been told how it ended."""
        self._spans = tracing.begin(self._start, self._send)
        self._prepare()
        if self._spans is not None:
            self._spans.introduce()
        else:
            self._spans = tracing.begin_steps(self._start, self._send)
        reporter = Reporter(meter, self._send)
        fault: control.Failed | None = None
        over = _Over("finished")
        work = asyncio.create_task(self._bring_up(), name="session:start")
        try:
            await asyncio.wait([work, self._over], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
                self._send(control.ReadyNow(self._room.participant_id if self._room else ""))
                await self._over
            self._over.result()
        except _Over as ended:
            over = ended
        except _StageFailed as failed:
            fault = self._failed(failed)  # now: what is taken down cannot be looked at
        late = await self._take_down(work)
        if late is not None and fault is None:
            fault = self._failed(late)
        reporter.close()
        if self._spans is not None:
            self._spans.close()
        try:
            self._send(fault or control.Ended(over.reason, over.message))
        except ChannelClosed:
            return False  # the front is gone, and with it whoever wanted to know
        return fault is None

    def _prepare(self) -> None:
        start = self._start
        os.environ.update(start.env)
        structlog.contextvars.bind_contextvars(room=start.room, identity=start.identity)
        if files := start.limits.get("files"):
            limit_files(int(files))
        if file_size := start.limits.get("file_size_bytes"):
            limit_file_size(int(file_size))
        if start.confinement:
            from runtime.process.confine import narrow  # nobody else needs it

            if narrow.to(start.endpoint):
                causes.narrow(start.endpoint)
            if start.confinement["network"] == "none":
                narrow.cut_off()
        joined.prepare(start)
        if self._model is not None:
            joined.use_model(start, self._model)

    async def _bring_up(self) -> None:
        """Construct, join, start; a failure of each has its own stage."""
        endpoint = self._loaded.endpoints.get(self._start.endpoint)
        if endpoint is None:
            raise _StageFailed("construct") from LookupError(
                f"the bundle has no endpoint {self._start.endpoint}"
            )
        making = _construct(endpoint.cls, self._start.arguments)
        self._agent = await self._step("construct", making, {at.CLASS: endpoint.cls.__name__})
        entering = joined.join(self._start, self._relay, self._activity)
        self._room = await self._step("join", entering, {at.ROOM: self._start.room})
        # Only now: a room that closes while we join is a failure to join.
        self._room.watch(self._dismissed, self._finish)
        tasks = _StartedTasks(self._background_failed)
        with tasks:
            await self._step("start", self._agent.start(room=self._room.client), {}, span="ready")

    async def _step(self, stage: str, work: Awaitable[Any], about: dict[str, str], *, span: str = "") -> Any:
        """Take a step of the start, and have it measured."""

        async def measured() -> Any:
            named: dict[str, Value] = {at.ATTEMPT: self._start.generation, **about}
            with tracer.span(f"session.{span or stage}", named, is_current=False):
                return await work

        return await _stage(stage, measured() if tracer.is_on else work)

    def _dismissed(self) -> None:
        self._finish("dismissed", "a dismiss message asked it to leave")

    def _background_failed(self, error: BaseException) -> None:
        if not self._over.done():
            failed = _StageFailed("run")
            failed.__cause__ = error
            self._over.set_exception(failed)

    def _finish(self, reason: str, message: str) -> None:
        if not self._over.done():
            self._over.set_exception(_Over(reason, message))

    async def _take_down(self, work: asyncio.Task[None]) -> _StageFailed | None:
        """Stop what runs, in the reverse order; a fault here counts unless there was an earlier one."""
        if not self._over.done():
            self._over.cancel()
        elif not self._over.cancelled():
            self._over.exception()  # seen, also where the start failed first
        if not work.done():
            work.cancel()
            await asyncio.wait([work], timeout=self._grace_s)
        fault: _StageFailed | None = None
        if self._finish_s is not None:
            fault = await self._finish_work(self._finish_s)
        stop = getattr(self._agent, "stop", None)
        if stop is not None:
            try:
                async with asyncio.timeout(self._grace_s):
                    await _stage("stop", stop())
            except TimeoutError:
                log.warning("agent.stop_timed_out", grace_s=self._grace_s)
            except _StageFailed as failed:
                fault = failed
        if self._room is not None:
            await self._room.close()
        await joined.flush()
        # A room that went away while the agent stopped makes many a `stop` raise; that is not its fault.
        is_excused = fault is not None and self._room is not None and self._room.excuses(fault.__cause__)
        return None if is_excused else fault

    async def _finish_work(self, within_s: float) -> _StageFailed | None:
        """The program was loaded again: an agent that works for others may finish that, and take no more."""
        loaded_again = getattr(self._agent, "loaded_again", None)
        if loaded_again is not None:
            try:
                async with asyncio.timeout(within_s + 1.0) as self._finishing:
                    await _stage("stop", loaded_again(within_s=within_s))
            except TimeoutError:
                if self._finish_s is not None:
                    log.warning("agent.finish_timed_out", finish_s=within_s)
            except _StageFailed as failed:
                return failed
        return None

    def _finish_no_more(self) -> None:
        """Somebody who waits less asked after the one who let it finish."""
        self._finish_s = None
        if self._finishing is not None and not self._finishing.expired():
            self._finishing.reschedule(asyncio.get_running_loop().time())

    def _failed(self, fault: _StageFailed) -> control.Failed:
        error = fault.__cause__ or fault
        told = describe(error, self._loaded.folder, tasks_now(self._loaded.folder))
        if fault.stage == "join" and isinstance(error, RoomUnreachable | RoomRefused | RoomLost):
            # No line of the agent had a part in it, so there is no line to show.
            reason = "room_lost" if isinstance(error, RoomLost) else "room_unreachable"
            return control.Failed(fault.stage, told.kind, told.message, reason=reason)
        return fitting(
            control.Failed(fault.stage, told.kind, told.message, told.where, told.traceback, trace=told.trace)
        )


async def _construct(cls: type[Any], arguments: dict[str, Any]) -> Any:
    agent: Any = joined.hosted(cls())
    if arguments:
        agent.arguments = arguments
    return agent


async def _stage(name: str, work: Awaitable[Any]) -> Any:
    try:
        return await work
    except (asyncio.CancelledError, SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _StageFailed(name) from error


class _StartedTasks:
    """Watch the tasks that an agent's `start` creates itself.

    Such a task is the agent's own background work: when it raises and nobody looks at the exception, the
    agent is broken although its process lives, so the session ends.  Tasks created elsewhere (by a handler of
    one message, say) are only logged by asyncio, and the session goes on.
    """

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._owner = asyncio.current_task()

    def __enter__(self) -> None:
        self._loop.set_task_factory(cast(Any, self._make))

    def __exit__(self, *_: object) -> None:
        self._loop.set_task_factory(None)

    def _make(
        self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **kwargs: Any
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=loop, **kwargs)
        if asyncio.current_task(loop) is self._owner:
            task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        # Give whoever awaits the task time to take its exception; asyncio notes that in this attribute.
        if not task.cancelled() and getattr(task, "_log_traceback", False):
            self._loop.call_later(_UNSEEN_S, self._still_unseen, task)

    def _still_unseen(self, task: asyncio.Task[Any]) -> None:
        if getattr(task, "_log_traceback", False):
            error = task.exception()
            if error is not None:
                self._failed(error)
