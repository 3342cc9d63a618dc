"""Obey one worker's lifecycle: feed it what happens, do what it says, wait for its deadline."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from runtime.clock import Clock
from runtime.errors import LocalProtocolError, ProtocolError
from runtime.process.handle import signal_name
from runtime.process.procfs import peak_rss_bytes
from runtime.process.worker_process import PRESS_S, Owner, WorkerProcess
from runtime.session import events
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import RelayPort, RoomDoor, Vitals
from runtime.session.record import Exit
from runtime.session.spec import SessionSpec
from runtime.session.use import Use
from runtime.settings import SupervisorSettings
from runtime.supervisor import lifecycle as lc
from runtime.supervisor.carried.carriage import Carriage
from runtime.supervisor.logbook import LogBook
from runtime.supervisor.outward.outlet import Outlet
from runtime.supervisor.pings import Pings
from runtime.supervisor.reports.post_mortem import PostMortem
from runtime.supervisor.reports.refused import Refused
from runtime.supervisor.reports.stack_text import fatal_part, stacks_text
from runtime.supervisor.server_lines import Allowance
from runtime.supervisor.start_message import start_message
from runtime.supervisor.telling import Telling
from runtime.supervisor.watch.cgroups import Cgroups, SessionCgroup
from runtime.supervisor.watch.disks import Disks, SessionDisk
from runtime.supervisor.watch.guard import Alarm, Guard
from runtime.supervisor.watch.hang_detector import Phase
from runtime.supervisor.watch.instruments import Instruments
from runtime.supervisor.watch.sampler import Sampler
from runtime.wire import control
from runtime.wire.looking.debug import Debug, Debugging

log = structlog.get_logger("supervisor")

_INSIST_S = 0.01
_LAST = (lc.State.DUMPING, lc.State.KILLING)  # what breaks now breaks because it is being looked at
_SIGNALS = {lc.Force.TERM: signal.SIGTERM, lc.Force.KILL: signal.SIGKILL}

GetWorker = Callable[[], Awaitable[tuple[WorkerProcess, bool]]]
"""Has a worker made: the process, and whether it was parked."""


class Driver:
    """One session from its placement to its release.  Runs in: the front's event loop.

    Args:
        publish, measured: Called with each event, in order, and after each reading; may not block.
        logbook, shown: What keeps its lines, and what all sessions may print to the server's own log.
        swept: Awaited after the process is gone; kills what it left behind.
        door: The front's way into its room; None where nobody offers one.
        secrets: Tells the values that no report may show.
    """

    def __init__(
        self,
        spec: SessionSpec,
        generation: int,
        settings: SupervisorSettings,
        *,
        clock: Clock,
        publish: Callable[[events.SessionEvent], None],
        swept: Callable[[], Awaitable[None]],
        sampler: Sampler,
        cgroups: Cgroups,
        disks: Disks,
        logbook: LogBook,
        shown: Allowance,
        measured: Callable[[], None],
        relay: RelayPort | None = None,
        door: RoomDoor | None = None,
        secrets: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self.spec = spec
        self.generation = generation
        self.released = asyncio.Event()
        self._settings = settings
        self._clock = clock
        self._swept = swept
        self._carriage = Carriage(spec, relay, door)
        self._lifecycle = lc.WorkerLifecycle(settings)
        self._timer: asyncio.TimerHandle | None = None
        self._pings = Pings(clock)
        self._worker: WorkerProcess | None = None
        self._sampler = sampler
        self._guard: Guard | None = None
        self._cgroups = cgroups
        self._disks = disks
        self._cgroup: SessionCgroup | None = None
        self._dumped = self._was_called = False
        self._having: asyncio.Future[tuple[WorkerProcess, bool]] | None = None
        self._instruments = Instruments(clock, measured)
        self._refused = Refused(spec.identity, lambda text: self._post_mortem.redacted(text))
        self._post_mortem = PostMortem(spec, generation, secrets=secrets, refused=self._refused)
        self.outlet = Outlet(self._was_refused, self._hostile)
        self._telling = Telling(
            spec,
            clock=clock,
            publish=publish,
            post_mortem=self._post_mortem,
            instruments=self._instruments,
            logbook=logbook,
            settings=settings,
            shown=shown,
        )

    # ---- for the supervisor

    async def run(self, get_worker: GetWorker) -> None:
        """Be the session's keeper from now until it is released.

        Whatever is raised on the way, the session has an end, its process too, and is released.
        """
        try:
            if (had := await self._had(get_worker)) is not None:
                await self._keep(*had)
        finally:
            if self.state is not lc.State.EXITED:
                failed = Exit(reason=ExitReason.NOT_STARTED, message="the server failed at keeping it")
                self._telling.exited(failed, worker=self._worker, relay=self._carriage.relay)
            self._telling.released()
            self.released.set()

    def stop(self, reason: ExitReason, grace_s: float | None, finish_s: float | None = None) -> None:
        """Ask the session to end; see `Placement.stop`."""
        self._feed(lc.StopRequested(reason, grace_s, finish_s))
        if self._having is not None:
            self._having.cancel()  # nothing of it has begun: no process need come only to be asked to go

    @property
    def state(self) -> lc.State:
        return self._lifecycle.state

    @property
    def is_starting(self) -> bool:
        return self._lifecycle.state in (lc.State.FORKING, lc.State.STARTING)

    @property
    def worker(self) -> WorkerProcess | None:
        """Its process; None when there is none."""
        return self._worker

    def vitals(self) -> Vitals | None:
        """Measure the process tree now; None when there is none."""
        if self._worker is None or (use := self._worker.measure()) is None:
            return None
        self._instruments.take(use, self._clock.now())
        return self.glance()

    def glance(self) -> Vitals | None:
        """What was measured last; None before the first look, or when there is no process."""
        return None if self._worker is None else self._instruments.vitals(self._worker.box.heartbeat())

    def use(self) -> Use:
        """What it used so far."""
        return self._instruments.meter.use()

    async def stacks(self) -> str | None:
        """Its tasks and every thread's stack as text; None when there is no process."""
        return None if self._worker is None else stacks_text(*await self._worker.stacks())

    async def ping(self, timeout_s: float) -> float | None:
        """Seconds of one round trip to the session's event loop; None when it did not answer."""
        return None if self._worker is None else await self._pings.ping(self._worker.send, timeout_s)

    def freeze(self, frozen: bool) -> bool:
        """Keep the session from running, or let it go on; False when it has no process at work."""
        return self._guard is not None and (self._guard.freeze() if frozen else self._guard.thaw())

    async def debug(self, port: int | None, within_s: float) -> Debugging | None:
        """Have a debugger listen in it, from when on no silence counts, or (None) the silence count again."""
        if self._worker is None or self._guard is None:
            return None
        self._guard.is_debugged = port is not None
        asked = partial(Debug, port=port or 0)
        found = None if port is None else await self._pings.ask(self._worker.send, asked, within_s)
        return found if isinstance(found, Debugging) else None

    def inject(self, fault: control.Fault) -> bool:
        """Have the session commit a fault; False when it has no process."""
        return self._worker is not None and self._worker.send(fault)

    # ---- the process

    async def _had(self, get_worker: GetWorker) -> tuple[WorkerProcess, bool] | None:
        """Its process; None when there is none, which was told then."""
        self._having = having = asyncio.ensure_future(get_worker())
        try:
            return await having
        except asyncio.CancelledError:
            self._feed(lc.NoFork("it was stopped before it had a process"))
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
        except Exception as error:  # noqa: BLE001 - whatever it was: the session has an end
            self._feed(lc.NoFork(str(error) or repr(error)))
        finally:
            self._having = None
        return None

    async def _keep(self, worker: WorkerProcess, parked: bool) -> None:
        """Hand the call over, wait for the end of the process, and clear away all that there was of it."""
        self._worker = worker
        status, stack = None, ""
        try:
            self._watch(worker)
            self._call(worker, parked)
            status = await worker.exited()
        except Exception as error:
            log.exception("worker.not_kept", session_id=self.spec.session_id, pid=worker.pid)
            worker.signal_tree(signal.SIGKILL)
            await worker.process.wait()
            if self.state is lc.State.FORKING or not self._was_called:
                self._feed(lc.NoFork(f"the server could not keep its process: {error!r}"))
        with self._safely("watch"):
            self._unwatch(worker)
        with self._safely("stacks"):
            stack = fatal_part(worker.last_text(), was_asked=self._dumped)
            self._post_mortem.wrote(stack, worker.last_tasks() or [] if self._dumped else [])
        with self._safely("sweep"):
            await self._swept()
        with self._safely("relay"):
            await self._carriage.close()
        with self._safely("end"):
            if self._cgroup is not None and (told := self._cgroup.ended_by_kernel()):
                self._feed(lc.LimitExceeded(ExitReason.MEMORY, told))
        if self.state is not lc.State.EXITED:
            self._feed(lc.Gone(status, signal_name(status), stack))
        if self._cgroup is not None:
            self._cgroup.leave()
        self._worker = None
        worker.close()

    def _watch(self, worker: WorkerProcess) -> None:
        """All that may fail for want of something comes before its call is handed over."""
        name = f"{self.spec.session_id}.{self.generation}"
        self._cgroup = self._cgroups.enclose(name, worker.pid, self.spec.limits)
        self._guard = self._guarding(worker, self._cgroup)
        self._sampler.watch(self._guard)

    def _unwatch(self, worker: WorkerProcess) -> None:
        if self._cgroup is not None:
            self._cgroup.kill()  # what it left behind
        self._instruments.meter.cpu(worker.process.cpu_s)
        if self._guard is not None:
            self._sampler.forget(self._guard)
            self._guard.close()

    def _call(self, worker: WorkerProcess, parked: bool) -> None:
        self._post_mortem.began(worker)
        self._feed(lc.Forked(worker.pid, parked))
        carried = self._carriage.bring(worker)
        self.outlet.began(worker)
        self._was_called = True
        try:
            worker.send(start_message(self.spec, self.generation, self._settings, worker.policy, carried))
        except (LocalProtocolError, ValueError, OverflowError) as error:
            self._feed(lc.PipeBroken(f"the call cannot be written to it: {error}"))
        worker.adopt(Owner(self._heard, self._pipe_ended, self._telling.printed))
        self._carriage.connect(worker)

    @contextmanager
    def _safely(self, what: str) -> Iterator[None]:
        """Whatever fails within is logged: what comes after it is done all the same."""
        try:
            yield
        except Exception:
            log.exception("worker.step_failed", step=what, session_id=self.spec.session_id)

    def _guarding(self, worker: WorkerProcess, cgroup: SessionCgroup) -> Guard:
        most = self.spec.limits.plain().get("disk_bytes")
        most_bytes, now = None if most is None else int(most), self._clock.now()
        disk = SessionDisk(lambda: worker.folder, most_bytes, disks=self._disks, now=now)
        return Guard(
            worker,
            cgroup,
            disk,
            self.spec.limits,
            self._settings,
            clock=self._clock,
            instruments=self._instruments,
            phase=self._phase,
            alarm=Alarm(
                warn=self._telling.warned,
                exceed=lambda reason, message: self._feed(lc.LimitExceeded(reason, message)),
                hung=lambda message: self._feed(lc.Hung(message)),
                tasks=self._post_mortem.saw_tasks,
            ),
        )

    def _phase(self) -> Phase:
        if self._lifecycle.state is lc.State.READY or self._clock.now() < self._lifecycle.finishes_until:
            return Phase.RUNNING
        return Phase.STARTING if self.is_starting else Phase.ENDING

    def _heard(self, message: control.FromWorker) -> None:
        match message:
            case control.ReadyNow():
                self._feed(lc.ReadySaid(message.participant_id))
            case control.Ended() | control.Failed():
                if self._worker is not None:
                    self._instruments.meter.peak_rss(peak_rss_bytes(self._worker.pid))
                if isinstance(message, control.Failed) and self.state not in _LAST:
                    self._post_mortem.said(message)
                    if self._cgroup is not None and (told := self._cgroup.refused_forks()):
                        self._feed(lc.LimitExceeded(ExitReason.PIDS, told))
                self._feed(lc.LastWord(message))
            case control.Exiting():
                self._post_mortem.said(message)
            case control.Pong() | Debugging():
                self._pings.answered(message)
            case control.Refused():
                self._was_refused(message)
            case control.StatusNow() | control.Spans():
                self._telling.said(message)
            case control.Imported():
                if self._worker is not None:
                    self._worker.on_imported(control.paths_of(message.files))
            case _:
                if wrong := self._carriage.heard(message):
                    self._feed(lc.PipeBroken(wrong))

    def _was_refused(self, message: control.Refused) -> None:
        self._telling.refused(self._refused.take(message), self._refused.counts)

    def _hostile(self, message: str) -> None:
        if self.state not in _LAST:
            self._feed(lc.LimitExceeded(ExitReason.HOSTILE, message))

    def _pipe_ended(self, error: ProtocolError | None) -> None:
        self._feed(lc.PipeClosed() if error is None else lc.PipeBroken(error.message))

    # ---- the lifecycle

    def _feed(self, event: lc.Input) -> None:
        self._perform(self._lifecycle.handle(event, self._clock.now()))

    def _tick(self) -> None:
        self._timer = None
        if self._worker is not None and self._worker.process.has_exited:
            return  # `Gone` comes next, with what it said last; a loop that was late must not judge it before
        self._perform(self._lifecycle.tick(self._clock.now()))

    def _perform(self, actions: list[lc.Action]) -> None:
        for action in actions:
            with self._safely(type(action).__name__):  # the deadline of the next step is set in any case
                self._act(action)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (deadline := self._lifecycle.deadline) is not None:
            delay_s = max(0.0, deadline - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _act(self, action: lc.Action) -> None:
        match action:
            case lc.PublishStarted():
                self._telling.started(action.pid, parked=action.parked, worker=self._worker)
            case lc.PublishReady():
                self._telling.ready(action.participant_id)
            case lc.PublishStopping():
                self._telling.stopping(action.reason)
            case lc.PublishExited():
                self._telling.exited(action.exit, worker=self._worker, relay=self._carriage.relay)
            case lc.SendStop():
                self.freeze(False)
                if self._worker is not None:
                    self._worker.send(control.Stop(action.reason.value, action.grace_s, action.finish_s))
            case lc.DumpStacks():
                self._dumped = True
                if (worker := self._worker) is not None:
                    at_last = self.state in _LAST
                    worker.ask_for_stacks(at_last=at_last)
                    if at_last:
                        asyncio.get_running_loop().call_later(_INSIST_S, worker.insist_on_tasks)
                    for wait_s in () if at_last else PRESS_S:
                        asyncio.get_running_loop().call_later(wait_s, worker.press_for_stacks, wait_s)
            case lc.SendSignal():
                if self._worker is not None:
                    if action.force is lc.Force.KILL:
                        # First: a tree that forks as fast as it can leaves no processor to look with.
                        self._worker.signal_tree(signal.SIGSTOP)
                    self._post_mortem.look()
                    self._worker.signal_tree(_SIGNALS[action.force])
                    if action.force is lc.Force.KILL and self._cgroup is not None:
                        self._cgroup.kill()
                    self._telling.killed(_SIGNALS[action.force])
