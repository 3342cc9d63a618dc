"""A server in the foreground, against a stand-in for the front: the screen, Ctrl-C, and what goes wrong.

The command runs as a process of its own, as a shell would start it, on pipes and on a terminal.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from runtime.cli.api import Api
from runtime.cli.failure import CommandFailed
from runtime.cli.serve.agent_table import Row
from runtime.cli.serve.foreground import SETTLE_S, Foreground
from tests.patience import PATIENCE

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[3]
FAKE = Path(__file__).parents[1].joinpath("fake_front.py")
# The command as it is, but with another program in the place of the front.
PROGRAM = f"""
import sys, runtime.cli.server_process as server
real = server.front_argv
server.front_argv = lambda *given: [sys.executable, {str(FAKE)!r}, real(*given)[-1]]
from runtime.cli.main import main
main()
"""


def environment(**more: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120", "HOME": os.getcwd(), **more}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "main.py").write_text("")
    (tmp_path / "main.py").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pipe(*argv: str, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, *argv]
    out = subprocess.PIPE
    return subprocess.Popen(command, env=environment(**env), stdout=out, stderr=out, text=True)


def read_until(process: subprocess.Popen[str], pattern: str) -> list[str]:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if re.search(pattern, line):
            return lines
    assert process.stderr is not None
    pytest.fail(f"no {pattern!r} in {lines} {process.stderr.read()}")


def finish(process: subprocess.Popen[str], number: int | None = None) -> tuple[int, str, str]:
    if number is not None:
        process.send_signal(number)
    out, err = process.communicate(timeout=20 * PATIENCE)
    return process.returncode, out, err


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, *argv: str, size: tuple[int, int] = (40, 120), **env: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        env = {"COLUMNS": str(size[1]), "LINES": str(size[0]), **env}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *argv],
            env=environment(**env),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_for(self, pattern: str) -> None:
        deadline = time.monotonic() + 20 * PATIENCE
        while not re.search(pattern, self.seen):
            assert time.monotonic() < deadline, f"no {pattern!r} on the screen:\n{self.seen}"
            if select.select([self._master], [], [], 0.5)[0]:
                try:
                    self.seen += os.read(self._master, 65536).decode(errors="replace")
                except OSError:
                    pytest.fail(f"the command ended before {pattern!r}:\n{self.seen}")

    def finish(self) -> int:
        with contextlib.suppress(OSError):
            while os.read(self._master, 65536):
                pass
        os.close(self._master)
        return self.process.wait(20 * PATIENCE)


@pytest.fixture
def free_port() -> int:
    from runtime.cli.ports import any_free

    return any_free("0.0.0.0")


def test_on_a_pipe_the_demo_is_plain_lines_and_goes_on_until_told_to_stop(here: Path, free_port: int) -> None:
    process = pipe("demo", "--port", str(free_port))
    lines = read_until(process, "/adder")
    text = "\n".join(lines)
    assert re.search(r"bulkhead \S+  ·  Python \S+  ·  ready in \d+\.\d\d s", lines[0])
    assert f"Studio      http://127.0.0.1:{free_port}/studio/rooms/demo" in text
    assert f"POST http://127.0.0.1:{free_port}/chat" in text
    assert re.search(r"/chat +chatbot +SimpleChatbot +\d+ +● in room demo  \(joined 38 ms\)", text)
    assert "\x1b" not in text
    status, _, err = finish(process, signal.SIGTERM)
    assert status == 143
    assert "draining 2 sessions (second Ctrl-C to stop at once)" in err


def test_a_crash_is_a_line_on_a_pipe(here: Path, free_port: int) -> None:
    process = pipe("demo", "--port", str(free_port))
    lines = read_until(process, "/adder")
    pid = int(re.search(r"Adder +(\d+)", "\n".join(lines))[1])  # type: ignore[index]
    os.kill(pid, signal.SIGSEGV)
    assert process.stderr is not None
    for line in process.stderr:
        if "SIGSEGV" in line:
            break
    assert "✗ /adder adder · session s_2" in line
    assert finish(process, signal.SIGINT)[0] == 130


def test_service_run_prints_the_six_lines_and_nothing_between_them(here: Path, free_port: int) -> None:
    process = pipe("service", "run", "main.py", "--room=myroom", "--port", str(free_port), FAKE_FRONT="one")
    lines = read_until(process, "joined 38 ms")
    assert lines[:6] == [
        "Connecting to room...",
        f"Connecting port {free_port}...",
        "Connecting endpoint /chat as chatbot...",
        f"INFO:services:starting -> 0.0.0.0:{free_port}/chat -> SimpleChatbot",
        f"INFO:webhooks:received request http://localhost:{free_port}/chat POST",
        "INFO:services:chatbot answering call and joining room",
    ]
    assert lines[7] == f"  Studio      http://127.0.0.1:{free_port}/studio/rooms/myroom"
    assert lines[8].split("     ") == [
        "  Talk to it: bulkhead chat --room=myroom --to chatbot",
        "Watching main.py for changes",
        "Ctrl-C to stop",
    ]
    assert finish(process, signal.SIGINT)[0] == 130


def test_one_endpoint_that_fails_does_not_hold_up_the_other(here: Path, free_port: int) -> None:
    process = pipe("service", "run", "main.py", "--room=r", "--port", str(free_port), FAKE_FRONT="one_fails")
    lines = read_until(process, r"Adder +\d+")
    assert "INFO:services:adder answering call and joining room" in lines
    assert any("/chat" in line and "○ waits for a call" in line for line in lines)
    _, _, err = finish(process, signal.SIGTERM)
    assert "error: /chat: Too many sessions. Wait a little." in err


def test_a_program_that_cannot_be_imported_is_told_at_once_with_its_traceback(
    here: Path, free_port: int
) -> None:
    given = ("service", "run", "main.py", "--room=r", "--port", str(free_port), "--no-watch")
    status, out, err = finish(pipe(*given, FAKE_FRONT="import_error"))
    assert status == 1
    assert out == "Connecting to room...\n"
    assert "error: main.py cannot be imported\nTraceback" in err
    assert err.rstrip().endswith("Install nowhere.")


def test_where_saves_are_watched_one_is_waited_for(here: Path, free_port: int) -> None:
    given = ("service", "run", "main.py", "--room=r", "--port", str(free_port))
    process = pipe(*given, FAKE_FRONT="import_error")
    assert process.stderr is not None
    told = []
    while not told or "Waiting for main.py to be saved" not in told[-1]:
        told.append(process.stderr.readline())
    assert "error: main.py cannot be imported\nTraceback" in "".join(told)
    status, out, _ = finish(process, signal.SIGINT)
    assert (status, out) == (130, "Connecting to room...\n")


@pytest.mark.parametrize(
    "command", [("demo",), ("service", "run", "main.py", "--room=r"), ("service", "spec", "main.py")]
)
def test_a_server_that_cannot_start_is_told_with_what_it_said(here: Path, command: tuple[str, ...]) -> None:
    status, _, err = finish(pipe(*command, FAKE_FRONT="dies"))
    assert status == 1
    assert "error: the server ended (exit status 3)" in err
    assert err.count("the port is taken") == 1


def test_service_spec_asks_the_service_and_leaves_nothing_running(here: Path) -> None:
    status, out, err = finish(
        pipe("service", "spec", "main.py", "-o", "json", "--external", "https://a.example")
    )
    assert status == 0, err
    found = json.loads(out)
    assert found["external"] == {"url": "https://a.example"}
    assert "container" not in found
    assert not [one for one in psutil.process_iter() if str(FAKE) in " ".join(_cmdline(one))]


def test_a_port_that_is_taken_is_refused_when_named_and_avoided_when_not(here: Path) -> None:
    import socket

    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, err = finish(pipe("service", "run", "main.py", "--room=r", "--port", port))
    assert status == 1
    assert f"port {port} is taken" in err


def test_the_server_ends_with_a_command_that_is_killed(here: Path, free_port: int) -> None:
    process = pipe("demo", "--port", str(free_port))
    read_until(process, "/adder")
    server = psutil.Process(json.loads((here / ".bulkhead" / "server.json").read_text())["pid"])
    keeper = server.parent()
    assert keeper is not None
    process.kill()
    process.communicate()
    # Whoever adopts the keeper reaps it; here that may be this process.
    keeper.wait(10 * PATIENCE)
    assert not server.is_running()


def test_keys_on_a_terminal_crash_one_and_quit(here: Path, free_port: int) -> None:
    screen = Terminal("demo", "--port", str(free_port))
    screen.wait_for("Press c to chat here, k to crash one on purpose, q to quit")
    screen.wait_for(r"Adder.*● in room demo")
    screen.press("k")
    screen.wait_for(r"kill -SEGV \d+")
    screen.wait_for(r"signal 11 \(SIGSEGV\)")
    screen.press("q")
    screen.wait_for(r"draining 1 session \(Ctrl-C to stop at once\)")
    assert screen.finish() == 0


def test_a_server_whose_machines_are_not_there_yet_says_so_at_once(here: Path, free_port: int) -> None:
    began = time.monotonic()
    screen = Terminal("serve", "--nodes", "--port", str(free_port), FAKE_FRONT="no_nodes")
    screen.wait_for("none yet: `bulkhead nodes token`")
    screen.wait_for("Ctrl-C to stop")
    assert time.monotonic() - began < SETTLE_S
    screen.process.send_signal(signal.SIGTERM)
    assert screen.finish() == 143


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_server_answers_is_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    foreground, killed = Foreground({"server.state_dir": str(tmp_path)}, [], None), list[bool]()
    monkeypatch.setattr(foreground.server, "start", lambda: None)
    monkeypatch.setattr(foreground.server, "wait_listening", lambda: signal.raise_signal(number))
    monkeypatch.setattr(foreground.server, "kill", lambda: killed.append(True))
    kept = {one: signal.getsignal(one) for one in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}}
    try:
        with pytest.raises(SystemExit) as left:
            foreground.start()
    finally:
        for one, handler in kept.items():
            if signal.getsignal(one) is not handler:
                signal.signal(one, handler)
    assert (left.value.code, killed) == (128 + number, [True])


def test_a_key_pressed_before_there_is_a_table_is_not_lost(here: Path, free_port: int) -> None:
    screen = Terminal("demo", "--port", str(free_port))
    screen.press("q")
    screen.wait_for(r"draining 2 sessions \(Ctrl-C to stop at once\)")
    assert screen.finish() == 0


def test_a_terminal_that_gets_narrower_is_drawn_anew(here: Path, free_port: int) -> None:
    screen = Terminal("demo", "--port", str(free_port), COLUMNS="", LINES="")
    screen.wait_for(r"SimpleChatbot.*● in room demo")
    screen.seen = ""
    screen.resize(40, 50)
    screen.wait_for(r"endpoint(?:(?!class|identity).)*state ")
    screen.press("q")
    screen.wait_for("draining")
    assert screen.finish() == 0


def test_a_small_terminal_keeps_whole_headers_and_the_line_of_keys(here: Path, free_port: int) -> None:
    screen = Terminal("demo", "--port", str(free_port), size=(14, 60), FAKE_FRONT="many")
    screen.wait_for(r"… and \d+ more")
    screen.wait_for("Press c to chat here, k to crash one on purpose, q to")
    screen.press("q")
    screen.wait_for("draining 20 sessions")
    assert screen.finish() == 0
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.seen).splitlines()
    table = lines[next(n for n, line in enumerate(lines) if "endpoint" in line) :]
    assert re.search(r"^  endpoint +identity +process +state *$", table[0])
    assert re.search(r"^  /chat\w* +chatbot\w* +\d+ +● in room demo  \(joi\w* ?", table[1])
    assert table[9:13] == [
        "  … and 12 more",
        "",
        "  Press c to chat here, k to crash one on purpose, q to ",
        "quit.",
    ]


def test_without_a_terminal_the_table_comes_again_once_a_slow_start_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    foreground = Foreground({"server.state_dir": str(tmp_path)}, [], None)
    slow = Row("/chat", "chatbot", "Chat", "7", "starting", "◌ starting", "s_1")
    ready = replace(slow, state="ready", text="● in room r")
    looks = [[slow], [ready], [ready]]
    foreground.rows = looks[0]

    def look() -> list[Row]:
        foreground.rows = looks.pop(0)
        if not looks:
            foreground.quit()
        return foreground.rows

    monkeypatch.setattr(foreground, "look", look)
    foreground._watch_plain()
    told = capsys.readouterr()
    assert told.out.count("◌ starting") == 1
    assert told.out.count("● in room r") == 1, "the table, once more"
    assert "● /chat chatbot · session s_1 · pid 7 · in room r" in told.err


@pytest.mark.parametrize(("plain", "looks"), [(True, 4), (False, 2)])
def test_what_is_printed_once_waits_for_slow_loads_and_what_is_redrawn_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool, looks: int
) -> None:
    foreground = Foreground({"server.state_dir": str(tmp_path)}, [], None)
    foreground.plain = plain
    loading = Row("-", "chat", "-", "-", "loading", "◌ is being loaded")
    ready = Row("/chat", "chatbot", "Chat", "7", "waiting", "○ waits for a call")
    answers = [[loading], [loading], [ready], [ready]]
    asked = []

    def look() -> list[Row]:
        asked.append(1)
        return answers[len(asked) - 1]

    monkeypatch.setattr(foreground, "look", look)
    monkeypatch.setattr("runtime.cli.serve.foreground.LOADING_S", -1.0)
    foreground.settle(20.0, called=False)
    assert len(asked) == looks


def test_a_server_that_ended_just_now_is_not_told_as_one_that_was_never_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreground = Foreground({"server.state_dir": str(tmp_path)}, [], None)
    foreground.server.api = Api("http://127.0.0.1:1")
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    monkeypatch.setattr(foreground.server, "_process", ended)
    with pytest.raises(CommandFailed, match=r"the server ended \(exit status 3\)"):
        foreground.look()


def test_ctrl_c_drains_and_a_second_one_ends_at_once(here: Path, free_port: int) -> None:
    screen = Terminal("demo", "--port", str(free_port), FAKE_FRONT="drains_long")
    screen.wait_for(r"Adder.*● in room demo")
    screen.process.send_signal(signal.SIGINT)
    screen.wait_for("draining 2 sessions")
    assert screen.process.poll() is None
    screen.process.send_signal(signal.SIGINT)
    screen.wait_for("stopping at once")
    assert screen.finish() == 130


def _cmdline(process: Any) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []
