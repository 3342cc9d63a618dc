"""The small process above the front: PID 1 in a container, and the one that cleans up when the front dies.

It starts the front, passes signals on, reaps whatever becomes its child, and starts the front again when a
signal killed it, after killing what is left of its tree.  A front that stands still is found by its silence
(`runtime.process.init.front_watch`), told, killed and started again like one that died.  A front that ends by
itself is not started again: it was told to end, or it has said why it cannot run.

    TERM, INT, QUIT   drain and end; a second one ends at once
    HUP               open log files anew, load changed bundles; where the terminal is gone: drain and end
    USR1, USR2        write the front's stacks; debug level on or off
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence

from runtime.process import procfs
from runtime.process.child import become_subreaper
from runtime.process.confine import privileges
from runtime.process.init.controlling_terminal import ControllingTerminal
from runtime.process.init.front_watch import TICK_S, FrontWatch, Sight, Verdict
from runtime.process.init.output_files import OutputFiles
from runtime.process.init.pulse import PULSE_VARIABLE, PulseReader
from runtime.process.orphans import sweep
from runtime.process.plumbing import LAST_STACKS_SIGNAL

_STACKS_S = 0.2
_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_ASKS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
PARENT_VARIABLE = "BULKHEAD_INTERNAL_INIT"
"""Tells the front who its init is, so that it ends when that one does."""
LAST_END_VARIABLE = "BULKHEAD_INTERNAL_LAST_END"
"""Tells a front that is started again how the one before it ended."""
_MAX_CRASHES = 5
_WITHIN_S = 60.0


class Init:
    """Run a program, and be its init.  Runs in: a process of its own, single-threaded, without a loop.

    Args:
        argv: The program to run.
        env: Its environment; this process's own when None.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._argv = list(argv)
        self._env = {**(os.environ if env is None else env), PARENT_VARIABLE: str(os.getpid())}
        self._asked_to_end = False
        self.asked_by: int | None = None
        """The first signal that asked it to end; None when nothing did."""
        self._crashes: deque[float] = deque()
        self._terminal = ControllingTerminal()
        self._output = OutputFiles()
        self._signals: deque[int] = deque(maxlen=100)
        self._early: set[int] = set()  # asked of a front that does not handle signals yet
        self._front: subprocess.Popen[bytes] | None = None
        self._watch = FrontWatch(now=time.monotonic())
        self._stood_still = ""

    def run(self) -> int:
        """Return the program's exit code: its own, or 128 + the signal that ended it for good."""
        become_subreaper()
        privileges.keep_out_others()
        self._woken_fd, wake_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # its byte in the pipe is what is wanted
        for number in (*_ENDS, *_ASKS):
            signal.signal(number, lambda number, _: self._signals.append(number))
        try:
            return self._run()
        finally:
            signal.set_wakeup_fd(-1)
            os.close(self._woken_fd)
            os.close(wake_fd)

    def _run(self) -> int:
        while True:
            status = self._run_once()
            self._front = None
            self._clean_up()
            self._take_signals()
            if status >= 0 or self._asked_to_end:
                return status if status >= 0 else 128 - status
            why = self._stood_still or f"was killed by signal {-status}"
            if not self._may_start_again():
                _say(f"the server {why}, {_MAX_CRASHES} times within {_WITHIN_S:.0f} s; giving up")
                return 128 - status
            _say(f"the server {why}; starting it again")
            self._env[LAST_END_VARIABLE] = why

    def _run_once(self) -> int:
        pulse = PulseReader()
        self._watch, self._stood_still = FrontWatch(now=time.monotonic()), ""
        try:
            # Its own group: a signal for the group of the terminal reaches us, and through us the front once.
            self._front = front = subprocess.Popen(
                self._argv,
                env={**self._env, PULSE_VARIABLE: ",".join(map(str, pulse.inherited))},
                process_group=0,
                pass_fds=pulse.inherited,
            )
            pulse.started()
            if self._asked_to_end:  # while there was nobody yet to pass it on to
                self._send(signal.SIGTERM)
                self._watch.ending()
            return self._be_with(front, pulse)
        finally:
            pulse.close()

    def _be_with(self, front: subprocess.Popen[bytes], pulse: PulseReader) -> int:
        poll = select.poll()
        poll.register(self._woken_fd, select.POLLIN)
        poll.register(pulse.fd, select.POLLIN)
        look_at = time.monotonic() + TICK_S
        while (status := self._reaped(front)) is None:
            self._take_signals()
            ready = poll.poll(max(0.0, look_at - time.monotonic()) * 1000)
            if any(fd == self._woken_fd for fd, _ in ready):
                os.read(self._woken_fd, 4096)
            if any(fd == pulse.fd for fd, _ in ready) and not self._listen(pulse):
                poll.unregister(pulse.fd)
            if (now := time.monotonic()) >= look_at:
                look_at = now + TICK_S
                self._look(front.pid, pulse, now)
        return status

    def _reaped(self, front: subprocess.Popen[bytes]) -> int | None:
        """The front's exit code once it has ended.  Any child is reaped: one whose parent died is ours."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return front.wait()
            if pid == front.pid:
                front.returncode = os.waitstatus_to_exitcode(status)
                return front.returncode
            if pid == 0:
                return None

    # ---- signals

    def _take_signals(self) -> None:
        while self._signals:
            number = self._signals.popleft()
            if number == signal.SIGHUP and self._terminal.is_gone():
                if not self._asked_to_end:  # the kernel and the shell both tell it
                    self._end(number)
            elif number in _ENDS:
                self._end(number)
            else:
                if number == signal.SIGHUP:
                    for problem in self._output.reopen():
                        _say(problem)
                if self._watch.listens:
                    self._send(number)
                else:
                    self._early.add(number)

    def _end(self, number: int) -> None:
        self._asked_to_end = True
        self.asked_by = self.asked_by or number
        self._watch.ending()
        # Until it listens, only these two end it without leaving a core.
        known = number if self._watch.listens or number == signal.SIGINT else signal.SIGTERM
        self._send(signal.SIGTERM if number == signal.SIGHUP else known)
        self._send(signal.SIGCONT)  # one that somebody stopped is to end in order all the same

    def _send(self, number: int) -> None:
        if self._front is not None and self._front.returncode is None:
            try:
                self._front.send_signal(number)
            except ProcessLookupError:
                pass

    # ---- a front that stands still

    def _listen(self, pulse: PulseReader) -> bool:
        heard = pulse.read()
        if heard is None:
            return False
        told, beats = heard
        silent_s = self._watch.silent_s
        if beats and self._watch.beat():
            _say(f"the server answers again after {silent_s:.0f} s")
        if "hang" in told and "drain" in told:
            self._watch.introduced(hang_s=told["hang"], drain_s=told["drain"])
        if beats:
            for number in self._early:
                self._send(number)
            self._early.clear()
        return True

    def _look(self, pid: int, pulse: PulseReader, now: float) -> None:
        verdict = self._watch.look(_sight(pid), now)
        if verdict is None:
            return
        if verdict is Verdict.OVERDUE:
            self._kill(f"had not ended {self._watch.deadline_s:g} s after it was asked to")
            return
        how = "a signal stopped it" if self._watch.stopped else "its event loop is blocked"
        if verdict is Verdict.LATE:
            if self._watch.listens:
                pulse.forget_stacks()
                self._send(signal.SIGUSR1)
            _say(f"the server has not answered for {self._watch.silent_s:.0f} s: {how}")
            return
        if self._watch.listens and not self._watch.stopped and not pulse.stacks():
            self._send(LAST_STACKS_SIGNAL)
            time.sleep(_STACKS_S)
        if stacks := pulse.stacks():
            _say(f"where the server stands still:\n{stacks}")
        self._kill(f"stood still for {self._watch.silent_s:.0f} s ({how}) and was killed")

    def _kill(self, why: str) -> None:
        if not self._stood_still:
            self._stood_still = why
            if self._asked_to_end:
                _say(f"the server {why}")
        self._send(signal.SIGKILL)

    # ---- after it

    def _clean_up(self) -> None:
        """The front is gone: nothing of its tree may stay.  Workers are dying by their lifelines already."""
        while sweep(()):
            time.sleep(0.005)

    def _may_start_again(self) -> bool:
        now = time.monotonic()
        self._crashes.append(now)
        while self._crashes and now - self._crashes[0] > _WITHIN_S:
            self._crashes.popleft()
        return len(self._crashes) < _MAX_CRASHES


def _sight(pid: int) -> Sight:
    main = procfs.member(pid)
    ran_s, waited_s = procfs.ran_s(pid)
    traced = any(
        line.startswith(b"TracerPid:") and line.split()[1] != b"0"
        for line in procfs.read(f"/proc/{pid}/status").splitlines()
    )
    return Sight(
        state="?" if main is None else main.state,
        ran_s=ran_s,
        waited_s=waited_s,
        traced=traced,
        log_full=not _is_read(1) or not _is_read(2),
    )


def _is_read(fd: int) -> bool:
    """Whether something can be written there; the front writes to the same streams."""
    poll = select.poll()
    try:
        poll.register(fd, select.POLLOUT)
        return bool(poll.poll(0))
    except OSError:
        return True


def _say(text: str) -> None:
    try:
        print(f"bulkhead: {text}", file=sys.stderr, flush=True)
    except OSError:
        pass  # the terminal is gone, or nobody reads
