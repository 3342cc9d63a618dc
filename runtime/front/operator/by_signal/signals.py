"""Signals of people who operate, in the process that serves: none of them ends a session unasked.

TERM, INT, QUIT   drain and end; a second one ends at once
HUP               open log files anew, load changed bundles; where the terminal is gone: drain and end
USR1, USR2        write the stacks of this process to the log; debug level on or off
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import FrameType
from typing import Any, Final

from runtime.front.operator.by_signal.stacks import Stacks
from runtime.logs import configure, get_logger
from runtime.process.init.controlling_terminal import ControllingTerminal
from runtime.process.init.output_files import OutputFiles
from runtime.process.init.pulse import MAX_STACK_BYTES
from runtime.process.plumbing import LAST_STACKS_SIGNAL
from runtime.settings import LogSettings

ENDS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_log = get_logger("server")


class Signals:
    """While entered, signals do what the page above says.  Only in the main thread, within a running loop.

    Args:
        ends: Those that end the server; in somebody's own program the others may be his.
        asked: Called with each signal that asks the server to end.
        reload: Loads bundles that changed.
        log: The settings that a level goes back to.
        minds_terminal: End when our terminal is gone; whoever is below an init leaves that to it.
        only_free: Leave a signal alone for which the program has a handler of its own.
        stacks_fd: A file that gets the bare stacks too; from `LAST_STACKS_SIGNAL`, which is for a process
            that is to end anyway, also while the interpreter is stuck.  None for none.
    """

    def __init__(
        self,
        *,
        ends: tuple[signal.Signals, ...] = ENDS,
        asked: Callable[[signal.Signals], None],
        reload: Callable[[], Awaitable[None]],
        log: LogSettings,
        minds_terminal: bool = True,
        only_free: bool = False,
        stacks_fd: int | None = None,
    ) -> None:
        self._ends, self._asked, self._reload = ends, asked, reload
        self._settings, self._only_free, self._stacks_fd = log, only_free, stacks_fd
        self._is_debugging = False
        self._is_asked = self._wants_reload = False
        self._terminal = ControllingTerminal() if minds_terminal else None
        self._output = OutputFiles()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._reloading: asyncio.Task[None] | None = None

    def __enter__(self) -> Signals:
        self._loop = loop = asyncio.get_running_loop()
        handlers: dict[signal.Signals, Callable[[], None]] = {
            **{number: lambda number=number: self._ended(number) for number in self._ends},  # type: ignore[misc]
            signal.SIGHUP: self._hung_up,
            signal.SIGUSR2: self._toggle_debug,
        }
        for number, handler in handlers.items():
            if self._may_take(number):
                loop.add_signal_handler(number, handler)
        if self._may_take(signal.SIGUSR1):
            # Not by the loop, which may be what is asked after.
            signal.signal(signal.SIGUSR1, self._tell_stacks)
            if self._stacks_fd is not None:
                faulthandler.register(LAST_STACKS_SIGNAL, file=self._stacks_fd, all_threads=True, chain=False)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        for number, before in self._before.items():
            if number is signal.SIGUSR1:
                faulthandler.unregister(LAST_STACKS_SIGNAL)
            else:
                self._loop.remove_signal_handler(number)
            signal.signal(number, before)
        if self._reloading is not None:
            self._reloading.cancel()

    def _may_take(self, number: signal.Signals) -> bool:
        if threading.current_thread() is not threading.main_thread():
            return False
        before = signal.getsignal(number)
        if self._only_free and before not in (signal.SIG_DFL, signal.SIG_IGN):
            return False
        self._before[number] = signal.SIG_DFL if before is None else before
        return True

    def _ended(self, number: signal.Signals) -> None:
        self._is_asked = True
        self._asked(number)

    def _hung_up(self) -> None:
        if self._terminal is not None and self._terminal.is_gone():
            if not self._is_asked:  # the kernel and the shell both tell it
                self._ended(signal.SIGHUP)
            return
        for problem in self._output.reopen():
            _log.warning("log.not_reopened", detail=problem)
        _log.info("server.reloading", signal="SIGHUP")
        self._wants_reload = True
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._load(), name="reload")

    async def _load(self) -> None:
        while self._wants_reload:
            self._wants_reload = False
            try:
                await self._reload()
            except Exception:  # noqa: BLE001 - whatever it was, the bundles that are loaded go on
                _log.exception("bundle.reload_failed")

    def _tell_stacks(self, _: int, frame: FrameType | None) -> None:
        # What is raised here is raised wherever the front stands, which may be within a write to the log.
        assert self._loop is not None
        try:
            stacks = Stacks(self._loop, frame)
            if self._stacks_fd is not None:
                os.write(self._stacks_fd, stacks.text().encode("utf-8", "replace")[:MAX_STACK_BYTES])
        except Exception:  # noqa: BLE001
            return
        threading.Thread(target=stacks.tell, name="stacks", daemon=True).start()

    def _toggle_debug(self) -> None:
        self._is_debugging = not self._is_debugging
        configure(replace(self._settings, level="debug") if self._is_debugging else self._settings)
        level = "debug" if self._is_debugging else self._settings.level
        _log.warning("log.level_changed", level_now=level)
