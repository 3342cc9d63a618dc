"""Obey one worker's lifecycle: feed it what happens, do what it says, wait for its deadline."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence

from runtime.clock import Clock
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.errors import LocalProtocolError, ProtocolError, RuntimeServiceError
from runtime.process.procfs import peak_rss_bytes
from runtime.process.tree import describe
from runtime.process.worker_process import Owner, WorkerProcess
from runtime.session import events
from runtime.session.exit_reasons import ExitReason
from runtime.session.info import MessageSeen, ProcessInfo, RelayPort, RoomDoor, Vitals
from runtime.session.spec import SessionSpec
from runtime.session.use import Use
from runtime.settings import SupervisorSettings
from runtime.supervisor import lifecycle as lc
from runtime.supervisor.logbook import LogBook
from runtime.supervisor.model_calls import ModelCalls
from runtime.supervisor.pings import Pings
from runtime.supervisor.relay import Relay
from runtime.supervisor.reports.post_mortem import PostMortem
from runtime.supervisor.reports.refused import Refused
from runtime.supervisor.reports.stack_text import fatal_part, stacks_text
from runtime.supervisor.server_lines import Allowance
from runtime.supervisor.telling import Telling
from runtime.supervisor.watch.cgroups import Cgroups, SessionCgroup
from runtime.supervisor.watch.disks import Disks, SessionDisk
from runtime.supervisor.watch.guard import Alarm, Guard
from runtime.supervisor.watch.hang_detector import Phase
from runtime.supervisor.watch.instruments import Instruments
from runtime.supervisor.watch.sampler import Sampler
from runtime.wire import by_pipe, control

_INSIST_S = 0.01
_LAST = (lc.State.DUMPING, lc.State.KILLING)  # what breaks now breaks because it is being looked at
_SIGNALS = {lc.Force.TERM: signal.SIGTERM, lc.Force.KILL: signal.SIGKILL}

GetWorker = Callable[[], Awaitable[tuple[WorkerProcess, bool]]]
"""Has a worker made: the process, and whether it was parked."""


class Driver:
    """One session from its placement to its release.  Runs in: the front's event loop.

    Args:
        publish: Takes each event, in order; may not block.
        logbook, shown: What keeps its lines, and what all sessions may print to the server's own log.
        swept: Awaited after the process is gone; kills what it left behind.
        door: The way into its room where its process has no network; None where nobody offers one.
        secrets: Values that no report may show.
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
        relay: RelayPort | None = None,
        door: RoomDoor | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        self.spec = spec
        self.generation = generation
        self.released = asyncio.Event()
        self._settings = settings
        self._clock = clock
        self._swept = swept
        self._relay = Relay(relay) if relay is not None else None
        self._door = door
        self._model: ModelCalls | None = None
        self._lifecycle = lc.WorkerLifecycle(settings)
        self._timer: asyncio.TimerHandle | None = None
        self._pings = Pings(clock)
        self._worker: WorkerProcess | None = None
        self._sampler = sampler
        self._guard: Guard | None = None
        self._cgroups = cgroups
        self._disks = disks
        self._cgroup: SessionCgroup | None = None
        self._dumped = False
        self._instruments = Instruments(clock)
        self._refused = Refused(spec.identity, lambda text: self._post_mortem.redacted(text))
        self._post_mortem = PostMortem(spec, generation, secrets=secrets, refused=self._refused)
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
        """Be the session's keeper from now until it is released."""
        try:
            async with asyncio.timeout(self._settings.start_s):
                worker, parked = await get_worker()
        except TimeoutError:
            self._feed(lc.NoFork(f"its zygote did not fork within {self._settings.start_s:g} s"))
        except RuntimeServiceError as error:
            self._feed(lc.NoFork(str(error)))
        else:
            await self._keep(worker, parked)
        self._telling.released()
        self.released.set()

    def stop(self, reason: ExitReason, grace_s: float | None, finish_s: float | None = None) -> None:
        """Ask the session to end; see `Placement.stop`."""
        self._feed(lc.StopRequested(reason, grace_s, finish_s))

    @property
    def state(self) -> lc.State:
        return self._lifecycle.state

    @property
    def is_starting(self) -> bool:
        return self._lifecycle.state in (lc.State.FORKING, lc.State.STARTING)

    @property
    def pid(self) -> int | None:
        return self._worker.pid if self._worker is not None else None

    def vitals(self) -> Vitals | None:
        """Measure the process tree now; None when there is none."""
        if self._worker is None or (use := self._worker.measure()) is None:
            return None
        self._instruments.take(use, self._clock.now())
        return self.glance()

    def glance(self) -> Vitals | None:
        """What was measured last; None before the first look, or when there is no process."""
        return None if self._worker is None else self._instruments.vitals(self._worker.heartbeat())

    def use(self) -> Use:
        """What it used so far."""
        return self._instruments.meter.use()

    async def processes(self) -> list[ProcessInfo]:
        """Its process tree, described; empty when there is none."""
        return [] if self._worker is None else await asyncio.to_thread(describe, self._worker.pid)

    def messages(self) -> list[MessageSeen]:
        """The last messages of its room; empty when there is no process."""
        return [] if self._worker is None else self._worker.room_messages()

    async def stacks(self) -> str | None:
        """Its tasks and every thread's stack as text; None when there is no process."""
        return None if self._worker is None else stacks_text(*await self._worker.stacks())

    async def ping(self, timeout_s: float) -> float | None:
        """Seconds of one round trip to the session's event loop; None when it did not answer."""
        return None if self._worker is None else await self._pings.ping(self._worker.send, timeout_s)

    def inject(self, fault: control.Fault) -> bool:
        """Have the session commit a fault; False when it has no process."""
        return self._worker is not None and self._worker.send(fault)

    # ---- the process

    async def _keep(self, worker: WorkerProcess, parked: bool) -> None:
        self._worker = worker
        self._post_mortem.began(worker)
        self._feed(lc.Forked(worker.pid, parked))
        model = self._bring_the_room(worker)
        try:
            worker.send(self._start(worker.policy, model))
        except (LocalProtocolError, ValueError, OverflowError) as error:
            self._feed(lc.PipeBroken(f"the call cannot be written to it: {error}"))
        worker.adopt(Owner(self._heard, self._pipe_ended, self._telling.printed))
        if self._relay is not None:
            self._relay.connect(worker)
        name = f"{self.spec.session_id}.{self.generation}"
        self._cgroup = cgroup = self._cgroups.enclose(name, worker.pid, self.spec.limits)
        self._guard = self._guarding(worker, cgroup)
        self._sampler.watch(self._guard)
        status = await worker.exited()
        cgroup.kill()  # what it left behind
        self._instruments.meter.cpu(worker.process.cpu_s)
        self._sampler.forget(self._guard)
        self._guard.close()
        stack = fatal_part(worker.last_text(), was_asked=self._dumped)
        self._post_mortem.wrote(stack, worker.last_tasks() or [] if self._dumped else [])
        await self._swept()
        if self._relay is not None:
            await self._relay.close()
        if self._model is not None:
            await self._model.close()
        if told := cgroup.ended_by_kernel():
            self._feed(lc.LimitExceeded(ExitReason.MEMORY, told))
        self._feed(lc.Gone(status, _signal_name(status), stack))
        cgroup.leave()
        self._worker = None
        worker.close()

    def _guarding(self, worker: WorkerProcess, cgroup: SessionCgroup) -> Guard:
        most_bytes = self.spec.limits.plain().get("disk_bytes")
        disk = SessionDisk(
            lambda: worker.folder,
            None if most_bytes is None else int(most_bytes),
            disks=self._disks,
            now=self._clock.now(),
        )
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

    def _bring_the_room(self, worker: WorkerProcess) -> str:
        """Have its room and its model reach a process without a network over its pipe; who answers there."""
        if self._door is None or worker.policy.network == "all":
            return ""
        if self._relay is None:
            self._relay = Relay(self._door.room(self.spec.room_url, self.spec.token), waits=True)
        model = self._door.model("" if self.spec.relay else self.spec.room_url)
        self._model = ModelCalls(worker, model)
        return model.kind

    def _start(self, policy: Policy, model: str) -> control.Start:
        spec = self.spec
        return control.Start(
            session_id=spec.session_id,
            generation=self.generation,
            endpoint=spec.endpoint,
            identity=spec.identity,
            room=spec.room,
            room_url=spec.room_url,
            token=spec.token,
            relay=self._relay is not None,
            dial=self._relay is not None and not spec.relay,
            model=model,
            arguments=spec.arguments,
            limits=dict(spec.limits.plain()),
            env={
                "BULKHEAD_SESSION": spec.session_id,
                "MESHAGENT_ROOM": spec.room,
                "MESHAGENT_TOKEN": spec.token,
                "MESHAGENT_SESSION_ID": spec.session_id,
            },
            join_s=self._settings.join_s,
            heartbeat_s=self._settings.heartbeat_s,
            traceparent=spec.traceparent,
            record=self._settings.record,
            confinement={} if policy.level is Level.OFF else policy.plain(),
        )

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
            case control.Pong():
                self._pings.answered(message)
            case control.Refused():
                found = self._refused.take(message)
                self._telling.refused(found, self._refused.counts)
            case control.StatusNow():
                self._telling.status(message.values)
            case control.Packet():
                if self._relay is None:
                    self._feed(lc.PipeBroken("a packet for a room connection that it does not have"))
                else:
                    self._relay.from_worker(message.data)
            case control.RelayClosed():
                if self._relay is not None:
                    self._relay.from_worker(None)
            case by_pipe.Dial():
                if self._relay is not None:
                    self._relay.dial()
            case by_pipe.ModelAsk() | by_pipe.ModelTaken() | by_pipe.ModelGivenUp():
                if self._model is None:
                    self._feed(lc.PipeBroken("a question to a model that it does not have"))
                else:
                    self._model.heard(message)
            case control.Imported():
                if self._worker is not None:
                    self._worker.on_imported(control.paths_of(message.files))

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
                self._telling.exited(action.exit, worker=self._worker, relay=self._relay)
            case lc.SendStop():
                if self._worker is not None:
                    self._worker.send(control.Stop(action.reason.value, action.grace_s, action.finish_s))
            case lc.DumpStacks():
                self._dumped = True
                if (worker := self._worker) is not None:
                    worker.ask_for_stacks()
                    if self.state in _LAST:
                        asyncio.get_running_loop().call_later(_INSIST_S, worker.insist_on_tasks)
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


def _signal_name(status: int | None) -> str:
    if status is None or status >= 0:
        return ""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return ""
