"""A server as the child of a command: start it, know when it is ready, read what it says, end it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import runtime
from runtime.cli import project
from runtime.cli.api import Api, api_of, read_server_file
from runtime.cli.failure import CommandFailed, ExitCode

MAX_KEPT_LINES = 200
LineReader = Callable[[dict[str, Any]], None]


def front_argv(flags: Mapping[str, Any], sources: Sequence[Path], config: Path | None) -> list[str]:
    """The command line that starts the front."""
    work = {
        "flags": {key: str(value) if isinstance(value, Path) else value for key, value in flags.items()},
        # Not resolved: a release is swapped by the link that leads to it, which is followed anew each time.
        "sources": [str(source.absolute()) for source in sources],
        "config": str(config) if config else None,
    }
    return [*python("runtime.front"), json.dumps(work)]


def python(module: str) -> list[str]:
    """This interpreter, told to run a module.

    ``-P`` keeps files of the working folder (a user's ``calendar.py``) from shadowing packages; it must
    stay away when the package itself is found through the working folder.
    """
    in_place = Path(runtime.__file__).resolve().parents[1] == Path.cwd().resolve()
    return [sys.executable, *([] if in_place else ["-P"]), "-m", module]


class ServerProcess:
    """One server below this process.  Runs in: the command's process, with one thread that reads its output.

    Args:
        flags: Settings by key, as `load_settings` takes them; ``server.state_dir`` must be among them.
        on_line: Called from the reading thread with each line the server logs, as an object; a line that
            is no JSON object comes as ``{"event": line, "plain": True}``.  Without it, the last lines are
            part of the error when the server fails.
        env: Variables for it, over those of this process.
    """

    def __init__(
        self,
        flags: Mapping[str, Any],
        sources: Sequence[Path],
        config: Path | None,
        on_line: LineReader | None = None,
        *,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._state_dir = Path(flags["server.state_dir"])
        self._argv = front_argv(flags, sources, config)
        self._on_line = on_line
        self._env = dict(env or {})
        self._last: deque[str] = deque(maxlen=MAX_KEPT_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self.api: Api | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        with suppress(OSError):  # what an earlier server left must not be taken for this one's
            (self._state_dir / "server.json").unlink()
        env = {**project.with_key(os.environ), "BULKHEAD_LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1"}
        env |= self._env
        argv = [*python("runtime.cli.serve.keeper"), str(os.getpid()), *self._argv]
        # Its own session: Ctrl-C reaches this command alone, which then ends the server in order.
        self._process = subprocess.Popen(
            argv,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="server-output", daemon=True)
        self._reader.start()

    def wait_listening(self, timeout_s: float = 30.0) -> Api:
        """Wait until it answers.

        Raises:
            CommandFailed: It ended first (with its last lines), or took too long.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.check()
            about = read_server_file(self._state_dir)
            if about is not None:
                self.api = api_of(about)
                if self.api.is_alive():
                    return self.api
            time.sleep(0.01)
        raise CommandFailed(
            f"the server did not answer within {timeout_s:g} s",
            detail=self._untold(),
            cure="Is the machine very busy? Try again.",
            exit_code=ExitCode.NOT_READY,
        )

    def check(self) -> None:
        """Raise CommandFailed, with the last lines it wrote, when it has ended."""
        status = self.poll()
        if status is None:
            return
        if self._reader is not None:
            self._reader.join(2.0)
        raise CommandFailed(
            f"the server ended (exit status {status})",
            detail=self._untold(),
            cure="The lines above say why.",
        )

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""
        return self._process.poll() if self._process else None

    def stop(self) -> None:
        """Ask it to drain and end; a second time: to end at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def pass_on(self, number: int) -> None:
        """Hand it a signal that an operator sent to this command."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it now.  The front goes first: its keeper then cleans up what is left of its tree."""
        if self._process is None or self._process.poll() is not None:
            return
        about = read_server_file(self._state_dir)
        self._process.send_signal(signal.SIGTERM)
        if about is not None and isinstance(about.get("pid"), int):
            with suppress(OSError):
                os.kill(about["pid"], signal.SIGKILL)
        try:
            self._process.wait(3.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait(self, timeout_s: float) -> bool:
        """True when it has ended within this time."""
        if self._process is None:
            return True
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        if self._reader is not None:
            self._reader.join(1.0)
        return True

    def _untold(self) -> str:
        return "" if self._on_line is not None else "\n".join(list(self._last)[-30:])

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            for raw in stream:
                text = raw.decode(errors="replace").rstrip("\n")
                self._last.append(text)
                try:
                    line = json.loads(text)
                except ValueError:
                    line = None
                if not isinstance(line, dict):
                    line = {"event": text, "plain": True}
                with suppress(Exception):  # a line that cannot be shown must not end the reading
                    if self._on_line is not None:
                        self._on_line(line)
