"""The limit to compare with: a process that forks on request, and a child that only starts its event loop.

Run as ``python -m bench.bare_zygote FD``; each byte on the socket is one fork, answered by the child itself
from inside its loop.  The agent's imports are preloaded and frozen, as in a real zygote.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import time


class BareZygote:
    """The caller's end."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        with theirs:
            argv = [sys.executable, "-m", "bench.bare_zygote", str(theirs.fileno())]
            self._process = subprocess.Popen(argv, pass_fds=[theirs.fileno()])
        assert ours.recv(1) == b"u"

    def start_ms(self) -> float:
        """Fork one child; milliseconds until its event loop says hello."""
        began = time.perf_counter()
        self._socket.sendall(b"f")
        assert self._socket.recv(1) == b"r"
        return (time.perf_counter() - began) * 1000

    def close(self) -> None:
        self._socket.close()
        self._process.wait(10)


async def _child(front: socket.socket) -> None:
    front.send(b"r")


def main(fd: int) -> None:
    import runtime.sdk.client
    import runtime.worker.main  # noqa: F401

    front = socket.socket(fileno=fd)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    asyncio.run(asyncio.sleep(0))
    gc.collect()
    gc.freeze()
    front.send(b"u")
    while front.recv(1):
        if os.fork() == 0:
            asyncio.run(_child(front))
            os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
