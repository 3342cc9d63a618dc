"""A server in the foreground: its table on the screen, its end with Ctrl-C.

`demo`, `service run` and, on a terminal, `serve` are this with different words around it.  Runs in: the
command's process.  Ctrl-C, SIGTERM or SIGQUIT once drains, twice ends at once; a terminal that goes away, or
a reader of what is printed, drains too.  Other signals of operators are passed on to the server.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from runtime.cli.api import Api
from runtime.cli.failure import CommandFailed, ExitCode
from runtime.cli.keys import Keys
from runtime.cli.serve.agent_table import Row, changes, rows
from runtime.cli.serve.agent_table_fit import fit
from runtime.cli.serve.live_table import LiveTable
from runtime.cli.serve.server_log import ServerLog
from runtime.cli.server_process import ServerProcess
from runtime.cli.terminal import is_plain, note, paint, say, table
from runtime.process.init.controlling_terminal import ControllingTerminal

SETTLE_S = 30.0
LOADING_S = 6.0  # one that takes longer to load does not keep the others off the screen
MAX_HELD_LINES = 1000
_LOOK_S = 0.25
_GONE_S = 1.0
"""Until a server has exited that has stopped listening."""
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)


class Key(msgspec.Struct, frozen=True):
    """What a key does.

    Attributes:
        takes_terminal: The table goes away while it runs, because it asks for lines itself.
    """

    run: Callable[[Foreground], None]
    takes_terminal: bool = False


class Foreground:
    """One server and what a person sees of it.

    Args:
        keys: What a key does, by character; used on a terminal only.
        footer: The line below the table.
        show_prints: Show what agents print.
        calls_into: The room into which the command itself calls what it wants: sessions of earlier runs are
            not started again.

    Attributes:
        after_look: Called with the server's answer each time the table was asked for.
        pressed: The keys; entered before the server starts, none that is pressed until the table stands
            is lost.
    """

    def __init__(
        self,
        flags: Mapping[str, Any],
        sources: Sequence[Path],
        config: Path | None,
        *,
        keys: Mapping[str, Key] | None = None,
        footer: str = "",
        show_prints: bool = True,
        calls_into: str = "",
    ) -> None:
        env = {"BULKHEAD_INTERNAL_FRESH": calls_into} if calls_into else {}
        self.server = ServerProcess(flags, sources, config, self._hear, env=env)
        self.rows: list[Row] = []
        self.server_log = ServerLog(show_prints=show_prints)
        self.after_look: Callable[[Mapping[str, Any]], None] = lambda _: None
        self.plain = is_plain(sys.stdout)
        self.pressed = Keys()
        self.drain_s = 30.0
        self._keys = dict(keys or {})
        self._footer = footer
        self._asked = 0
        self._status: int = ExitCode.OK
        self._joined_ms: dict[str, float] = {}
        self._live: LiveTable | None = None
        self._held: deque[tuple[str, str]] | None = None

    @property
    def api(self) -> Api:
        assert self.server.api is not None, "it is not listening yet"
        return self.server.api

    @property
    def is_ending(self) -> bool:
        """Somebody asked it to stop."""
        return self._asked > 0

    def start(self) -> Api:
        """Start the server and wait until it answers; from here on signals end it in order."""
        self._terminal = ControllingTerminal()
        for number in _ENDS:
            signal.signal(number, self._on_signal)
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, self._on_other_signal)
        self.server.start()
        try:
            api = self.server.wait_listening()
        except BaseException as error:
            self.release()
            self.server.kill()
            if isinstance(error, KeyboardInterrupt):
                raise SystemExit(self._status) from None
            raise
        threading.Thread(target=self._follow, name="events", daemon=True).start()
        return api

    def look(self) -> list[Row]:
        """Ask the server for the table as it is now.

        Raises:
            CommandFailed: It ended, or does not answer.
        """
        try:
            answer = self.api.get("/workers?all=1")
        except CommandFailed:
            if not self._asked and self.server.wait(_GONE_S):
                self.server.check()  # that it ended, and why, rather than that nobody answers
            raise
        self.rows = rows(answer, dict(self._joined_ms))
        self.after_look(answer)
        return self.rows

    def settle(self, timeout_s: float = SETTLE_S, *, called: bool = True) -> list[Row]:
        """Wait until each agent is in its room or failed (or, not `called`, until each is known)."""
        began = time.monotonic()
        # What is printed once waits for all of them: it cannot be redrawn.
        deadline, patient = began + timeout_s, began + (timeout_s if self.plain else LOADING_S)
        while not self._asked and time.monotonic() < deadline:
            self.server.check()
            found = self.look()
            if found and all(
                row.is_settled
                or (not called and row.state == "waiting")
                or (row.state == "loading" and time.monotonic() > patient)
                for row in found
            ):
                # The table shows how long joining took, which the event stream may say a moment later.
                if all(row.state != "ready" or row.session in self._joined_ms for row in found):
                    break
                deadline = min(deadline, time.monotonic() + 0.3)
            time.sleep(0.02)
        return self.look() if not self._asked else self.rows

    def watch(self) -> int:
        """Show the table and what changes in it until told to stop; returns the exit status."""
        try:
            if self.plain:
                self._watch_plain()
            else:
                self._watch_live()
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EPIPE):
                self.server.kill()
                raise
            self._nobody_looks()
        except BaseException:
            self.server.kill()
            raise
        return self.drain()

    def quit(self) -> None:
        """End as if asked politely, with exit status 0."""
        self._asked = max(self._asked, 1)

    def abandon(self) -> None:
        """End the server without ceremony: the command failed."""
        self.release()
        self.server.stop()
        if not self.server.wait(3.0):
            self.server.kill()

    def hold(self) -> None:
        """Keep lines back until `release`: nothing may come between those the command writes itself."""
        self._held = deque(maxlen=MAX_HELD_LINES)

    def release(self) -> None:
        """Show what was held back, and hold back no more."""
        held, self._held = self._held or (), None
        for text, color in held:
            self.tell(text, color)

    def tell(self, text: str, color: str = "") -> None:
        """A line above the table."""
        if self._held is not None:
            self._held.append((text, color))
        elif self._live is not None:
            self._live.tell(text, color)
        else:
            note(text, color)

    # ---- watching

    def _watch_plain(self) -> None:
        self._say_table()
        is_final = not self._is_moving
        while not self._asked:
            self.server.check()
            before = self.rows
            with suppress(CommandFailed):
                for line, _ in changes(before, self.look()):
                    note(line)
            if not is_final and not self._is_moving:
                is_final = True
                self._say_table()  # the first one was of agents that were still starting
            self._pause()

    @property
    def _is_moving(self) -> bool:
        return any(row.state in ("loading", "starting", "stopping") for row in self.rows)

    def _say_table(self) -> None:
        fitted = fit(self.rows)
        for line in table(fitted.header, [cells for cells, _ in fitted.rows], indent="  "):
            say(line)
        if fitted.more:
            say(f"  {fitted.more_text}")

    def _watch_live(self) -> None:
        with self.pressed as pressed:
            while not self._asked:
                key = self._show_until_taken(pressed)
                if key is not None:
                    with pressed.paused():
                        key.run(self)

    def _show_until_taken(self, pressed: Keys) -> Key | None:
        with LiveTable(self._footer) as live:
            self._live = live
            live.show(self.rows)
            try:
                while not self._asked:
                    self.server.check()
                    with suppress(CommandFailed):
                        self.look()
                    live.show(self.rows)
                    key = self._keys.get(pressed.wait(_LOOK_S))
                    if key is not None and key.takes_terminal:
                        return key
                    if key is not None:
                        key.run(self)
            finally:
                self._live = None
        return None

    def _pause(self) -> None:
        deadline = time.monotonic() + _LOOK_S
        while not self._asked and time.monotonic() < deadline:
            time.sleep(0.05)

    # ---- the end

    def _on_signal(self, number: int, _frame: object = None) -> None:
        self._asked += 1
        if self._asked == 1:
            self._status = 128 + number
            if self.server.api is None:  # still starting: there is nothing to drain
                raise KeyboardInterrupt

    def _on_other_signal(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP and self._terminal.is_gone():
            self._nobody_looks()
        else:
            self.server.pass_on(number)

    def _nobody_looks(self) -> None:
        """The terminal is gone, or the reader of a pipe: end in order, without a word."""
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)
        if not self._asked:  # the kernel and the shell both tell it, and a write fails as well
            self._on_signal(signal.SIGHUP)

    def drain(self) -> int:
        """End the server in order; returns the exit status."""
        count = sum(1 for row in self.rows if row.state in ("ready", "starting"))
        plural = "session" if count == 1 else "sessions"
        if count:
            once_more = "second Ctrl-C" if self._status else "Ctrl-C"
            note(f"draining {count} {plural} ({once_more} to stop at once)")
        self.server.stop()
        deadline = time.monotonic() + self.drain_s + 15.0
        while not self.server.wait(0.1):
            if self._asked > 1 or time.monotonic() > deadline:
                note("stopping at once")
                self.server.kill()
                break
        return self._status

    # ---- what the server says

    def _hear(self, line: dict[str, Any]) -> None:
        for text, color in self.server_log.tell(line):
            self.tell(text, color)

    def _follow(self) -> None:
        last = ""
        while self.server.poll() is None and not self._asked:
            with suppress(CommandFailed, OSError, ValueError):
                for event in self.api.events(last_id=last):
                    last = event.id
                    data = event.data if isinstance(event.data, dict) else {}
                    session, took = data.get("session_id") or data.get("session"), data.get("start_ms")
                    if isinstance(session, str) and isinstance(took, int | float):
                        if len(self._joined_ms) > 1000:
                            self._joined_ms.clear()
                        self._joined_ms[session] = float(took)
            time.sleep(0.5)


def heading(version: str, ready_s: float) -> str:
    """The first line: what this is and how long it took to get ready."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return paint(f"  bulkhead {version}  ·  Python {python}  ·  ready in {ready_s:.2f} s", "bold")


def since_start_s() -> float:
    """Seconds since this process was started, by the kernel's account (to 10 ms)."""
    try:
        started_ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        up_s = float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return time.process_time()
    return up_s - started_ticks / os.sysconf("SC_CLK_TCK")
