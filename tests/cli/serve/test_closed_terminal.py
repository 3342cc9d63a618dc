"""A terminal that goes away under a real server: its sessions end in order."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = float(os.environ.get("BULKHEAD_TEST_PATIENCE", "1"))
BUNDLE = """
import asyncio
from runtime.sdk import ServiceHost
service = ServiceHost()

@service.path("/quick", identity="quick")
class Quick:
    async def start(self, *, room): pass
    async def stop(self): pass

asyncio.run(service.run())
"""
BULKHEAD = f"{shlex.quote(sys.executable)} -m runtime"


def _in_a_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which is ignored by whoever runs us below nohup


class Window:
    """A terminal window with a command in it."""

    def __init__(self, folder: Path, command: str) -> None:
        self.folder = folder
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"] if "|" not in command else ["bash", "-c", command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder), "TERM": "xterm"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_in_a_terminal,
        )
        os.close(slave)
        self.seen = ""

    def until_ready(self) -> dict[str, Any]:
        """Return the session in the journal once it is ready."""
        deadline = time.monotonic() + 40 * PATIENCE
        while True:
            if select.select([self._master], [], [], 0.1)[0]:
                self.seen += os.read(self._master, 65536).decode(errors="replace")
            ready = [one for one in self.sessions() if one["ready_at"]]
            if ready:
                return ready[0]
            assert time.monotonic() < deadline, self.seen

    def sessions(self) -> list[dict[str, Any]]:
        for file in self.folder.glob(".bulkhead/journal.sqlite3*"):
            copy = self.folder / f"copy{file.name}"
            copy.write_bytes(file.read_bytes())  # the server has locked its own
        try:
            with sqlite3.connect(self.folder / "copyjournal.sqlite3") as db:
                rows = db.execute("SELECT record FROM sessions").fetchall()
        except sqlite3.Error:
            return []
        finally:
            db.close()
        return [json.loads(row[0]) for row in rows]

    def close(self) -> None:
        os.close(self._master)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "one.py").write_text(BUNDLE)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "demo --no-open --port {port}",
        "service run agents/one.py --room r --port {port}",
        "serve --room r --port {port} | cat",
    ],
)
def test_the_sessions_of_a_terminal_that_goes_away_end_in_order(folder: Path, command: str) -> None:
    from runtime.cli.ports import any_free

    window = Window(folder, f"{BULKHEAD} {command.format(port=any_free('0.0.0.0'))}")
    window.until_ready()
    family = psutil.Process(window.process.pid).children(recursive=True)
    window.close()
    window.process.wait(30 * PATIENCE)
    assert psutil.wait_procs(family, timeout=20 * PATIENCE)[1] == []
    (session,) = window.sessions()
    assert session["exit"]["reason"] == "drained", session["exit"]


def test_a_hangup_that_an_operator_sends_to_a_command_with_its_terminal_is_no_end(folder: Path) -> None:
    from runtime.cli.ports import any_free

    window = Window(folder, f"{BULKHEAD} demo --no-open --port {any_free('0.0.0.0')}")
    before = window.until_ready()
    (folder / "agents" / "more.py").write_text(BUNDLE.replace("quick", "later"))
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        window.process.send_signal(number)
    deadline = time.monotonic() + 30 * PATIENCE
    while "log.level_changed" not in window.seen or "front.stacks_written" not in window.seen:
        assert time.monotonic() < deadline, window.seen
        if select.select([window._master], [], [], 0.1)[0]:
            window.seen += os.read(window._master, 65536).decode(errors="replace")
    assert window.process.poll() is None
    same = next(one for one in window.sessions() if one["spec"]["session_id"] == before["spec"]["session_id"])
    assert (same["pid"], same["exit"]) == (before["pid"], None)
    family = psutil.Process(window.process.pid).children(recursive=True)
    window.close()
    window.process.wait(30 * PATIENCE)
    assert psutil.wait_procs(family, timeout=20 * PATIENCE)[1] == []
