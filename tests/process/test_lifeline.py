"""A front that is killed takes everything with it: workers hung in C, their children, and theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]

# A front in its own process; its one session holds the interpreter lock in C for ever, and has children.
FRONT = """
import asyncio, sys
from pathlib import Path
from runtime.clock import SystemClock
from runtime.placement.local import LocalPlacement
from runtime.session.spec import Limits, SessionSpec, new_session_id
from runtime.settings import SupervisorSettings

async def main():
    settings = SupervisorSettings(max_parked=1, immortal=False)
    placement = LocalPlacement(settings, limits=Limits(), clock=SystemClock())
    await placement.start([Path(sys.argv[1])], watch=False)
    await placement.loaded()
    spec = SessionSpec(session_id=new_session_id(), bundle="x", endpoint="/x", identity="x", room="r",
                       room_url="ws://127.0.0.1:9/", token="t")
    await placement.place(spec, 1)
    while True:
        for line in await placement.log_lines(spec.session_id):
            if line.text.startswith("family"):
                print(line.text, flush=True)
                await asyncio.sleep(1000)
        await asyncio.sleep(0.01)

asyncio.run(main())
"""

AGENT = """
import ctypes, os, subprocess, time
class X:
    def __init__(self):
        inner = subprocess.Popen(["sleep", "1000"])
        away = subprocess.Popen(["sleep", "1000"], start_new_session={away})
        print("family", os.getpid(), inner.pid, away.pid)
        ctypes.PyDLL(None).sleep(1000)  # PyDLL keeps the interpreter lock
    async def start(self, *, room): ...
    async def stop(self): ...
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tmp_path / "x.py"


def _gone_within(pids: list[int], seconds: float) -> list[int]:
    """Those of `pids` that still run after the time; waits on the kernel, not on a guess."""
    living = [process for pid in pids if (process := _process(pid)) is not None]
    _, alive = psutil.wait_procs(living, timeout=seconds)
    return [process.pid for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_killed_front_takes_a_hung_worker_and_its_child_with_it(
    bundle: Path, started: list[subprocess.Popen[str]]
) -> None:
    bundle.write_text(AGENT.format(away=False))
    front = subprocess.Popen(
        [sys.executable, "-c", FRONT, str(bundle)], stdout=subprocess.PIPE, text=True, env=_environment()
    )
    started.append(front)
    assert front.stdout is not None
    family = _family(front)
    below = [process.pid for process in psutil.Process(front.pid).children(recursive=True)]
    assert set(family) <= set(below)
    os.kill(front.pid, signal.SIGKILL)
    front.wait()
    assert _gone_within(below, 1.0) == []


def test_init_ends_what_left_the_group_and_starts_the_front_again(
    bundle: Path, started: list[subprocess.Popen[str]]
) -> None:
    bundle.write_text(AGENT.format(away=True))
    program = textwrap.dedent(
        f"""
        import sys
        from runtime.process.init.init import Init
        sys.exit(Init([sys.executable, "-c", {FRONT!r}, {str(bundle)!r}]).run())
        """
    )
    init = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_environment(),
    )
    started.append(init)
    first = _family(init)
    (front,) = psutil.Process(init.pid).children()
    old = [process.pid for process in front.children(recursive=True)]
    assert set(first) <= set(old)
    front.kill()
    second = _family(init)
    assert _gone_within([front.pid, *old], 1.0) == []
    assert not set(first) & set(second)
    everything = [process.pid for process in psutil.Process(init.pid).children(recursive=True)]
    init.send_signal(signal.SIGTERM)
    assert init.wait(10) == 128 + signal.SIGTERM
    assert _gone_within(everything, 1.0) == []


def test_init_gives_the_exit_code_of_a_front_that_ends_by_itself(
    started: list[subprocess.Popen[str]],
) -> None:
    program = (
        "import sys; from runtime.process.init.init import Init; "
        "sys.exit(Init([sys.executable, '-c', 'exit(5)']).run())"
    )
    init = subprocess.Popen([sys.executable, "-c", program], text=True, env=_environment())
    started.append(init)
    assert init.wait(20) == 5


def test_init_gives_up_on_a_front_that_dies_again_and_again(started: list[subprocess.Popen[str]]) -> None:
    program = (
        "import sys; from runtime.process.init.init import Init; "
        "sys.exit(Init([sys.executable, '-c', 'import os; os.kill(os.getpid(), 9)']).run())"
    )
    init = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, env=_environment()
    )
    started.append(init)
    _, errors = init.communicate(timeout=30)
    assert init.returncode == 128 + 9
    assert errors.count("starting it again") == 4
    assert "giving up" in errors


def test_init_reaps_orphans_of_the_front(started: list[subprocess.Popen[str]]) -> None:
    # The front leaves an orphan that exits; init must not keep it as a zombie.
    inner = (
        "import subprocess, time, sys\n"
        "p = subprocess.run(['sh', '-c', 'sleep 0.2 & echo $!'], capture_output=True, text=True)\n"
        "print('family', p.stdout.strip(), flush=True)\n"
        "time.sleep(1000)\n"
    )
    program = (
        "import sys; from runtime.process.init.init import Init; "
        f"sys.exit(Init([sys.executable, '-c', {inner!r}]).run())"
    )
    init = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=_environment()
    )
    started.append(init)
    (orphan,) = _family(init)
    deadline = time.monotonic() + 10
    while psutil.pid_exists(orphan) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(orphan)
    init.send_signal(signal.SIGTERM)
    assert init.wait(10) == 128 + signal.SIGTERM


def _family(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("family"):
            return [int(pid) for pid in line.split()[1:]]
    raise AssertionError("the program ended without a word")


def test_init_passes_on_a_signal_that_came_before_there_was_a_front(
    started: list[subprocess.Popen[str]],
) -> None:
    program = (
        "import os, signal, sys; from runtime.process.init.init import Init\n"
        "init = Init([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
        "init._signals.append(signal.SIGTERM)\n"
        "sys.exit(init.run())\n"
    )
    init = subprocess.Popen([sys.executable, "-c", program], text=True, env=_environment())
    started.append(init)
    assert init.wait(20) == 128 + signal.SIGTERM
