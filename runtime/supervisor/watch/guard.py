"""Look at one session's process tree when it is time, and tell what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from runtime.clock import Clock
from runtime.process import procfs, tree
from runtime.process.brake import Brake, give_way
from runtime.process.procfs import Member
from runtime.process.tree import TreeUse
from runtime.process.worker_process import WorkerProcess
from runtime.session.cures.of_ends import COPIES, IN_ITS_START
from runtime.session.exit_reasons import ExitReason
from runtime.session.native import waits_in_python
from runtime.session.spec import Limits
from runtime.settings import SupervisorSettings
from runtime.supervisor import verdict
from runtime.supervisor.reports.stack_text import stacks_text
from runtime.supervisor.watch.budget import Budget, Excess, NearLimit, Pause
from runtime.supervisor.watch.cgroups import SessionCgroup
from runtime.supervisor.watch.disks import SessionDisk
from runtime.supervisor.watch.hang_detector import Awake, HangDetector, Hung, Late, Phase, Pulse, Silence
from runtime.supervisor.watch.instruments import Instruments
from runtime.supervisor.watch.memory_files import MemoryFiles
from runtime.supervisor.watch.rest import MOST_PROCESSES, PEEKS_S, Rest
from runtime.supervisor.watch.standstill import Holder, Standstill
from runtime.wire.trace import TaskTrace

_STACKS_S = 0.1
_TASKS_S = 1.0
_LINE_CHARS = 300


class Alarm(msgspec.Struct, frozen=True):
    """Who is told; all are called in the front's event loop and may not block.

    Attributes:
        warn: Kind, sentence, stacks (empty where there are none).
        exceed: The session passed a limit and is to end.
        hung: The session hangs and is to end.
        tasks: What its tasks are doing while it hangs; none any more when it does not.
    """

    warn: Callable[[str, str, str], None]
    exceed: Callable[[ExitReason, str], None]
    hung: Callable[[str], None]
    tasks: Callable[[list[TaskTrace]], None]


FROZEN = "is frozen by an operator: bulkhead thaw lets it go on"
_COPIED_SHARE = 0.4
"""Of a limit: above this, copies of inherited memory are told as the reason."""


class Guard:
    """The eyes on one worker: budget, pulse and meter share each look.

    Args:
        instruments: Get every reading.
        phase: What the session is about now.

    Attributes:
        is_debugged: A debugger may hold it: its silence is no hang.
    """

    def __init__(
        self,
        worker: WorkerProcess,
        cgroup: SessionCgroup,
        disk: SessionDisk,
        limits: Limits,
        settings: SupervisorSettings,
        *,
        clock: Clock,
        instruments: Instruments,
        phase: Callable[[], Phase],
        alarm: Alarm,
    ) -> None:
        now = clock.now()
        self._worker, self._cgroup, self._disk = worker, cgroup, disk
        self._instruments = instruments
        self._phase = phase
        self._alarm = alarm
        self._budget = Budget(limits, now)
        self._memory_files = MemoryFiles(clock.wall())
        self._memory_bytes = limits.plain().get("memory_bytes", 0)
        self._hang_detector = HangDetector(
            warn_s=settings.hang_warn_s,
            kill_s=settings.hang_kill_s,
            stopped_kill_s=settings.stopped_kill_s,
            now=now,
        )
        self._stopped_kill_s = settings.stopped_kill_s
        self._frozen_told = False
        self._standstill = Standstill(worker, cgroup)
        self.is_debugged = False
        self._weight: tuple[int, int] | None = None
        self._weighing: asyncio.Future[tuple[int, int]] | None = None
        self._flood_told = False
        self._clock = clock
        self._telling: Late | None = None
        self._late_at = now
        self._tasks: list[TaskTrace] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self._rest: Rest | None = None
        self._pids: tuple[int, ...] = (worker.pid,)

    @property
    def peek_s(self) -> float:
        """See `runtime.supervisor.watch.sampler.Watched`."""
        return PEEKS_S[0] if self._rest is None else self._rest.peek_s

    def moved(self) -> bool:
        """See `runtime.supervisor.watch.sampler.Watched`."""
        return self._rest is not None and self._rest.is_over()

    def look(self, now: float) -> float | None:
        """See `runtime.supervisor.watch.sampler.Watched`."""
        gone = self._worker.process.has_exited
        cpu_ns = {pid: procfs.cpu_ns(pid) for pid in self._pids}
        beat = self._worker.box.heartbeat()
        waits = beat is not None and beat.asleep_at is not None
        self._rest, self._instruments.rests = None, False
        held, brake = self.is_debugged or bool(self._standstill), self._brake()
        use = None if gone else tree.measure(self._worker.pid, with_pss=False, brake=brake)
        if use is None:
            return None
        self._pids = tuple(one.pid for one in use.members[:MOST_PROCESSES])
        if "memory.max" not in self._cgroup.kept and (more := self._memory_files.look(use.members)):
            use = replace(use, rss_bytes=use.rss_bytes + more)
        if self._budget.wants_pss(use):
            use = self._weighed(use)
        self._instruments.take(use, now)
        stays_stopped = self._kernel_ended_it()
        self._budget.cpu_is_kept = "cpu.max" in self._cgroup.kept
        if self.is_frozen and self._standstill.was_undone(use.members[0]):
            self.thaw()
        active_at = now if self.is_frozen else self._worker.box.active_at()
        found = self._budget.take(use, now, active_at=active_at)
        found += self._disk.look(use.members, now)
        self._instruments.keeps(self._disk.bytes)
        for finding in found:
            match finding:
                case NearLimit():
                    self._alarm.warn(finding.reason.value, self._told(finding), "")
                case Excess():
                    if finding.reason is ExitReason.PIDS:
                        stays_stopped = True
                        give_way(self._worker.pid, use.members)
                    self._alarm.exceed(finding.reason, self._told(finding))
                case Pause():
                    stays_stopped = True
                    self._pause(use.members, finding.for_s, freeze=brake is None or not brake.pulled)
        if brake is not None and brake.pulled and not stays_stopped:
            self._pause(use.members, _STACKS_S, freeze=False)
        if self._worker.floods and not self._flood_told:
            self._flood_told = True
            self._alarm.warn("logs", "writes more than is read of one session: its output waits", "")
        if held:
            self._hang_detector.held(now)
        else:
            self._listen(use.members[0], now)
        if waits and self._may_rest() and self._disk.is_settled:
            next_s = min(self._budget.next_s, self._hang_detector.next_s)
            self._rest = Rest.begun(use, cpu_ns, now, next_s=next_s, left_s=self._budget.rest_s)
            if self._rest is not None:
                self._instruments.rests = True
                return self._rest.next_s(now)
        return min(self._budget.next_s, self._disk.next_s, self._hang_detector.next_s)

    def _may_rest(self) -> bool:
        """Whether nothing but its own doing needs a look."""
        return (
            self._phase() is Phase.RUNNING
            and self._hang_detector.is_calm
            and not self._standstill
            and not self.is_debugged
            and self._telling is None
            and not self._cgroup.is_frozen()
        )

    def _told(self, finding: NearLimit | Excess) -> str:
        """What it says, and of memory whether most of it came from reading what the import had made."""
        if finding.reason is not ExitReason.MEMORY:
            return finding.message
        if in_files := self._memory_files.bytes:
            return (
                f"{finding.message}; {in_files >> 20} MiB of it in files in memory that it has open (memfd)"
            )
        copied_bytes = self._worker.copied_bytes()
        if copied_bytes < _COPIED_SHARE * self._memory_bytes:
            return finding.message
        return f"{finding.message}; {copied_bytes >> 20} MiB of it are {COPIES}"

    def _weighed(self, use: TreeUse) -> TreeUse:
        """With what belongs to it; of many processes that is had in a thread, and known at a later look.

        A process that forks cannot be asked for its share before it is done.  Among hundreds that took
        seconds, in which nobody was looked at, and nobody else was answered.
        """
        if len(use.members) <= tree.MOST_WEIGHED:
            self._weight = tree.owned(use.members)
        elif self._weight is None:
            if self._weighing is None:
                loop = asyncio.get_running_loop()
                self._weighing = loop.run_in_executor(None, tree.owned, use.members)
                self._weighing.add_done_callback(self._has_weighed)
            self._budget.do_not_weigh()
            return use
        (pss, uss), self._weight = self._weight, None
        more = self._memory_files.bytes
        return replace(use, pss_bytes=pss + more, uss_bytes=uss + more)

    def _has_weighed(self, done: asyncio.Future[tuple[int, int]]) -> None:
        self._weighing = None
        if not done.cancelled() and done.exception() is None:
            self._weight = done.result()

    def _kernel_ended_it(self) -> bool:
        """What the kernel refused, or ended, is the end of the session, as it is where we watch alone."""
        if told := self._cgroup.ended_by_kernel():
            self._alarm.exceed(ExitReason.MEMORY, told)
            return True
        if told := self._cgroup.refused_forks():
            self._alarm.exceed(ExitReason.PIDS, told)
            return True
        return False

    def front_slept(self, now: float) -> None:
        """See `runtime.supervisor.watch.sampler.Watched`."""
        self._hang_detector.front_slept(now)

    def close(self) -> None:
        """The process is gone."""
        self._disk.close()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # ---- the pulse

    def _listen(self, main: Member, now: float) -> None:
        beat = self._worker.box.heartbeat()
        beat_at = None if beat is None else beat.at
        asleep_at = None if beat is None else beat.asleep_at
        has_doubts = asleep_at is not None or self._hang_detector.is_silent(beat_at, now)
        if has_doubts and not self._standstill and self._cgroup.is_frozen():  # not by this look
            self._is_frozen(now)
            return
        self._frozen_told = False
        ran_s, waited_s = procfs.ran_s(main.pid) if has_doubts else (0.0, 0.0)
        pulse = Pulse(
            beat_at=beat_at,
            state=main.state,
            cpu_s=main.cpu_s,
            ran_s=ran_s,
            waited_s=waited_s,
            asleep_at=asleep_at,
        )
        for sign in self._hang_detector.look(pulse, now, self._phase()):
            match sign:
                case Late():
                    self._late(sign)
                case Hung():
                    self._tell_late(at_once=True)
                    self._alarm.hung(self._sentence(sign.kind, sign.silent_s, self._worker.last_text()))
                case Awake():
                    self._tell_late(at_once=True)
                    self._alarm.tasks([])
                    self._worker.forget_stacks()
                    self._alarm.warn("hang", f"answers again after {sign.silent_s:.1f} s", "")
        self._instruments.note = self._note() if self._hang_detector.is_stopped else ""

    def _note(self) -> str:
        """What people are told of a session that somebody else stopped."""
        note = f"a signal that the server did not send keeps it stopped (kill -CONT {self._worker.pid})"
        after = f"; it is ended after {self._stopped_kill_s:g} s" if self._stopped_kill_s else ""
        return f"{note}{after}"

    def _is_frozen(self, now: float) -> None:
        """An operator froze its cgroup, which is meant, and stays for as long as that."""
        self._hang_detector.held(now)
        self._instruments.note = "frozen by its cgroup"
        if not self._frozen_told:
            self._frozen_told = True
            self._alarm.warn("hang", "is frozen by its cgroup", "")

    def _late(self, sign: Late) -> None:
        if sign.kind is Silence.STOPPED:
            self._alarm.warn("hang", f"is {sign.kind.value}: {self._note()}", "")
            return
        self._worker.ask_for_stacks()
        self._late_at, self._telling = self._clock.now(), sign
        self._after(_STACKS_S, self._tell_late)

    def _tell_late(self, *, at_once: bool = False) -> None:
        """Tell what was asked for, as soon as it is there or is not to be expected any more."""
        sign, tasks = self._telling, self._worker.last_tasks()
        if sign is None:
            return
        if tasks is None and not at_once and self._clock.now() - self._late_at < _TASKS_S:
            self._worker.press_for_stacks(self._clock.now() - self._late_at)
            if waits_in_python(self._worker.last_text()):
                self._worker.insist_on_tasks()
            self._after(_STACKS_S, self._tell_late)
            return
        self._telling, self._tasks = None, tasks or []
        stack = self._worker.last_text()
        sentence = self._sentence(sign.kind, sign.silent_s, stack)
        self._alarm.warn("hang", f"is {sentence}", stacks_text(stack, tasks))
        self._alarm.tasks(self._tasks)

    def _sentence(self, kind: Silence, silent_s: float, stack: str) -> str:
        if kind is Silence.AWAITING:
            frames = next((one.frames for one in self._tasks if one.own), [])
            line = verdict.innermost_of(frames)
            at = f" at {line[:_LINE_CHARS]}" if line else ""
            return f"{kind.value}: its {self._phase().value} goes on for {silent_s:.1f} s{at}"
        at = verdict.innermost_line(stack)
        where = f" {IN_ITS_START}" if self._phase() is Phase.STARTING else ""
        return f"{kind.value} for {silent_s:.1f} s{where}{f' at {at}' if at else ''}"

    # ---- a share of processors

    def _brake(self) -> Brake | None:
        most = self._budget.crowd()
        return most and Brake(self._worker.pid, most_tasks=most[0], most_processes=most[1])

    def _pause(self, members: tuple[Member, ...], for_s: float, *, freeze: bool) -> None:
        self._standstill.hold(Holder.SHARE, members, freeze=freeze)
        self._after(for_s, self._go_on)

    def _go_on(self) -> None:
        self._standstill.let_go(Holder.SHARE)
        self._hang_detector.held(self._clock.now())

    # ---- frozen by an operator

    @property
    def is_frozen(self) -> bool:
        return self._standstill.is_held_by(Holder.OPERATOR)

    def freeze(self) -> bool:
        """Keep all of it from running until `thaw`; False when it has no process, or is not at work."""
        use = None if self._phase() is not Phase.RUNNING else self._worker.measure(with_pss=False)
        if use is None:
            return False
        if not self.is_frozen:
            self._rest, self._instruments.rests = None, False
            self._standstill.hold(Holder.OPERATOR, use.members)
            self._instruments.note, self._instruments.frozen = FROZEN, True
            self._alarm.warn("frozen", FROZEN, "")
        return True

    def thaw(self) -> bool:
        """Let it go on; nothing happens where it is not frozen."""
        if self.is_frozen:
            self._standstill.let_go(Holder.OPERATOR)
            self._hang_detector.held(self._clock.now())
            self._instruments.note, self._instruments.frozen = "", False
            self._alarm.warn("thawed", "goes on", "")
        return True

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            call()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)
