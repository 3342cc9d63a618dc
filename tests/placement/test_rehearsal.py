"""What a zygote does before its first fork leaves its sessions as they would be without."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

pytestmark = pytest.mark.process

REHEARSE = """
import ctypes, dis, faulthandler, os, sys, threading
from pathlib import Path
import setproctitle
from runtime.worker import bundle, main
from runtime.worker.program.main_program import Program
from runtime.worker.session import Session

def state():
    rest = setproctitle.getproctitle(), threading.active_count(), faulthandler.is_enabled()
    takes_orphans = ctypes.c_int()
    ctypes.CDLL(None).prctl(37, ctypes.byref(takes_orphans), 0, 0, 0)
    return dict(os.environ), signals(), score(), rest, takes_orphans.value

def signals():
    text = Path("/proc/self/status").read_text()
    return [line for line in text.splitlines() if line.startswith(("SigIgn", "SigCgt", "SigBlk", "Threads"))]

def score():
    return Path("/proc/self/oom_score_adj").read_text()

class Role:
    def live_within(self, loaded): return None
    def live(self, loaded, outer):
        before, fds = state(), set(os.listdir("/proc/self/fd"))
        main.rehearse(loaded, outer)
        assert state() == before, (before, state())
        maps = Path("/proc/self/maps").read_text()
        assert "bulkhead-box" not in maps, "its sessions would share it"
        import gc; gc.collect()
        assert set(os.listdir("/proc/self/fd")) <= fds
        names = {each.opname for each in dis.get_instructions(Session.run, adaptive=True)}
        assert "LOAD_ATTR_INSTANCE_VALUE" in names, names
        os._exit(0)

faulthandler.enable()
main.preload()
bundle.run(Program(Path(sys.argv[1])), Role())
"""
AGENT = """
import asyncio
from runtime.sdk import ServiceHost
service = ServiceHost()

@service.path("/one", identity="one")
class One:
    async def start(self, *, room): raise SystemExit("the bundle's own code was run")
    async def stop(self): ...

asyncio.run(service.run())
"""


def test_a_rehearsal_runs_whole_and_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(AGENT)
    ran = subprocess.run(
        [sys.executable, "-c", REHEARSE, str(tmp_path / "one.py")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "MESHAGENT_ROOM": "the bundle's own"},
        process_group=0,  # as a zygote is started
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", ""), ran.stdout + ran.stderr


@pytest.mark.asyncio
async def test_a_session_begins_like_a_process_of_its_own(node: Any) -> None:
    node.write(
        "state.py",
        """
        import multiprocess

        @service.path("/state", identity="state")
        class State(Base):
            async def start(self, *, room):
                print("handled", [n.name for n in signal.Signals if callable(signal.getsignal(n))])
                ignored = [n.name for n in signal.Signals if signal.getsignal(n) is signal.SIG_IGN]
                print("ignored", sorted(ignored), signal.pthread_sigmask(signal.SIG_BLOCK, []))
                print("children", multiprocess.active_children(), threading.active_count())
                child = multiprocess.get_context("fork").Process(target=sys.exit, args=(5,))
                child.start()
                child.join()
                print("exitcode", child.exitcode)
                print("parent", os.getppid())
        """,
    )
    await node.start()
    sessions = [await node.ready("/state") for _ in range(3)]
    zygote = (await node.printed(sessions[-1], "parent")).split()[1]
    async with asyncio.timeout(20 * PATIENCE):  # it may be forking another one just now
        while any("pipe:" in link or "anon_inode" in link for link in _links(zygote)):
            await asyncio.sleep(0.01)
    told = {line.split()[0]: line for line in node.lines(sessions[-1])}
    assert told["handled"] == "handled ['SIGURG', 'SIGWINCH']", "by which it is asked for its tasks"
    assert told["ignored"] == "ignored ['SIGPIPE', 'SIGXFSZ'] set()"
    assert told["children"] == "children [] 1"
    assert told["exitcode"] == "exitcode 5"


def _links(pid: str) -> list[str]:
    """What a process has open beside its standard streams."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        if int(fd) > 2:
            try:
                link = os.readlink(f"/proc/{pid}/fd/{fd}")
            except FileNotFoundError:
                continue
            if "landlock" not in link:  # what the next session is held by, ready before it is forked
                found.append(link)
    return found
