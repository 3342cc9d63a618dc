"""The limit to compare with: a process that forks on request, and children that only start their event loop.

Run as ``python -m bench.bare_zygote FD``.  Each byte on the socket is one request: ``f`` forks a child that
answers from its loop and ends, ``k`` one that answers and stays, ``p`` parks one that waits in its loop,
``g`` has the parked one answer, ``x`` ends those that stayed.  The agent's imports are preloaded and frozen,
as in a real zygote; a child does what any child must: own group, default signals, closed descriptors, fresh
randomness, a scrubbed environment.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import random
import signal
import socket
import subprocess
import sys
import time


class BareZygote:
    """The caller's end."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        with theirs:
            argv = [sys.executable, "-m", "bench.bare_zygote", str(theirs.fileno())]
            self._process = subprocess.Popen(argv, pass_fds=[theirs.fileno()])
        assert ours.recv(1) == b"u"

    @property
    def pid(self) -> int:
        return self._process.pid

    def start_ms(self) -> float:
        """Fork one child; milliseconds until its event loop says hello."""
        return self._timed_ms(b"f")

    def parked_ms(self) -> float:
        """Wake a child that waits in its event loop; milliseconds until it answers."""
        self._socket.sendall(b"p")
        assert self._socket.recv(64).startswith(b"r")
        time.sleep(0.01)
        return self._timed_ms(b"g")

    def storm_s(self, count: int) -> float:
        """Fork children at once; seconds until the last one's loop said hello."""
        began = time.perf_counter()
        for _ in range(count):
            self._socket.send(b"k")
        for _ in range(count):
            assert self._socket.recv(64).startswith(b"r")
        took_s = time.perf_counter() - began
        self.end_kept()
        return took_s

    def keep(self, count: int) -> list[int]:
        """Fork children that stay; their pids."""
        pids = []
        for _ in range(count):
            self._socket.send(b"k")
            pids.append(int(self._socket.recv(64)[1:]))
        return pids

    def close(self) -> None:
        self.end_kept()
        self._socket.close()
        self._process.wait(10)

    def end_kept(self) -> None:
        """End the children that stayed."""
        self._socket.send(b"x")
        assert self._socket.recv(64) == b"x"

    def _timed_ms(self, request: bytes) -> float:
        began = time.perf_counter()
        self._socket.sendall(request)
        assert self._socket.recv(64).startswith(b"r")
        return (time.perf_counter() - began) * 1000


def _settle(front: socket.socket, keep: int) -> None:
    os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    low, high = sorted((front.fileno(), keep))
    os.closerange(3, low)
    os.closerange(low + 1, high)
    os.closerange(high + 1, 4096)
    random.seed()
    for name in [name for name in os.environ if name.startswith("BULKHEAD_")]:
        del os.environ[name]
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


async def _child(front: socket.socket, wake: socket.socket | None, *, stay: bool) -> None:
    loop = asyncio.get_running_loop()
    front.send(b"r%d" % os.getpid())
    if wake is not None:
        wake.setblocking(False)
        await loop.sock_recv(wake, 1)
        front.send(b"r")
    if stay:
        gc.collect()
        await asyncio.Event().wait()


def main(fd: int) -> None:
    for name in ("openai.resources", "opentelemetry.sdk.trace", "pydantic", "structlog"):
        importlib.import_module(name)
    importlib.import_module("runtime.sdk.room.client")
    importlib.import_module("runtime.worker.main")

    front = socket.socket(fileno=fd)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    asyncio.run(asyncio.sleep(0))
    gc.collect()
    gc.freeze()
    front.send(b"u")
    kept: list[int] = []
    parked: socket.socket | None = None
    while request := front.recv(1):
        if request == b"x":
            for pid in kept:
                os.kill(pid, signal.SIGKILL)
            kept.clear()
            front.send(b"x")
            continue
        if request == b"g":
            assert parked is not None
            parked.send(b"g")
            parked.close()
            continue
        mine, wake = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            mine.close()
            _settle(front, wake.fileno())
            asyncio.run(_child(front, wake if request == b"p" else None, stay=request == b"k"))
            os._exit(0)
        wake.close()
        if request == b"p":
            parked = mine
        else:
            mine.close()
            if request == b"k":
                kept.append(pid)


if __name__ == "__main__":
    main(int(sys.argv[1]))
