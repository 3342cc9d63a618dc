"""What an onlooker puts up for attackers to find: files, sockets, memory, and a stand-in for the metadata."""

from __future__ import annotations

import ctypes
import os
import pty
import secrets
import selectors
import shutil
import socket
import tempfile
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

METADATA: Final = ("169.254.169.254", 80)
_ODD: Final = (38, 40, 21, 30)
"""Families that no agent needs, and the kernel had holes in: AF_ALG, AF_VSOCK, AF_RDS, AF_TIPC."""

_IPC_PRIVATE, _IPC_RMID = 0, 0
_SEGMENT_BYTES: Final = 4096
_libc = ctypes.CDLL(None, use_errno=True)
_libc.shmat.restype = ctypes.c_void_p


class Stands:
    """Enter it before the first attack; leaving it removes everything.

    Attributes:
        targets: What `Targets` says of them.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._heard: Counter[str] = Counter()
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()
        self._held = ExitStack()
        self.targets: dict[str, Any] = {}

    def __enter__(self) -> Stands:
        try:
            self._put_up()
        except BaseException:
            self._held.close()
            raise
        thread = threading.Thread(target=self._listen, name="stands", daemon=True)
        thread.start()
        self._held.callback(thread.join)
        self._held.callback(self._over.set)
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def heard(self, name: str) -> int:
        """How often somebody came to the stand of this name."""
        return self._heard[name]

    def _put_up(self) -> None:
        token = secrets.token_hex(4)
        self._held.callback(self._selector.close)
        outside = Path(tempfile.mkdtemp(prefix="bulkhead-outside-"))
        self._held.callback(shutil.rmtree, outside, ignore_errors=True)
        (outside / "bait").write_text(f"a secret {token}\n")
        bait = self._state_dir / f"chaos-{token}"
        bait.touch(0o600)
        bait.write_text(f"a record {token}\n")
        self._held.callback(_remove, bait)
        metadata = self._metadata()
        self._take(_bound(socket.AF_INET, socket.SOCK_DGRAM, metadata), "datagram")
        self._take(_bound(socket.AF_UNIX, socket.SOCK_STREAM, f"\0bulkhead-{token}"), "abstract")
        self._take(_bound(socket.AF_UNIX, socket.SOCK_STREAM, str(outside / "stream")), "stream")
        self._take(_bound(socket.AF_UNIX, socket.SOCK_DGRAM, str(outside / "datagram")), "message")
        self.targets = {
            "outside": str(outside),
            "state_bait": str(bait),
            "state_dir": str(self._state_dir),
            "metadata": metadata,
            "abstract": f"bulkhead-{token}",
            "shm": self._shm(token),
            "shm_id": self._segment(),
            "queue": self._queue(token),
            "family": _odd_family(),
            "terminal": self._terminal(),
        }

    def _metadata(self) -> tuple[str, int]:
        """The real address where it is this machine's own, as in a test's namespace; else loopback."""
        try:
            taken = _bound(socket.AF_INET, socket.SOCK_STREAM, METADATA)
        except OSError:
            taken = _bound(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self._take(taken, "metadata")
        host, port = taken.getsockname()
        return str(host), int(port)

    def _shm(self, token: str) -> str:
        path = Path("/dev/shm", f"bulkhead-{token}")
        try:
            path.touch(0o600)
            path.write_text("shared")
        except OSError:
            return ""
        self._held.callback(_remove, path)
        return path.name

    def _segment(self) -> int:
        number = int(_libc.shmget(_IPC_PRIVATE, _SEGMENT_BYTES, 0o600))
        if number < 0:
            return -1
        self._held.callback(_libc.shmctl, number, _IPC_RMID, None)
        address = _libc.shmat(number, None, 0)
        ctypes.memmove(address, b"seen", 4)
        _libc.shmdt(ctypes.c_void_p(address))
        return number

    def _queue(self, token: str) -> str:
        name = f"/bulkhead-{token}"
        number = int(_libc.mq_open(name.encode(), os.O_CREAT | os.O_RDWR | os.O_EXCL, 0o600, None))
        if number < 0:
            return ""
        self._held.callback(_libc.mq_unlink, name.encode())
        self._held.callback(os.close, number)
        return name

    def _terminal(self) -> str:
        try:
            ours, theirs = pty.openpty()
        except OSError:
            return ""
        self._held.callback(os.close, ours)
        self._held.callback(os.close, theirs)
        self._selector.register(ours, selectors.EVENT_READ, "terminal")
        return os.ttyname(theirs)

    def _take(self, stand: socket.socket, name: str) -> None:
        self._held.enter_context(stand)
        stand.setblocking(False)
        self._selector.register(stand, selectors.EVENT_READ, name)

    def _listen(self) -> None:
        while not self._over.is_set():
            for key, _ in self._selector.select(0.1):
                stand = key.fileobj
                with suppress(OSError):
                    if not isinstance(stand, socket.socket):
                        os.read(key.fd, 100)
                    elif stand.type == socket.SOCK_STREAM:
                        stand.accept()[0].close()
                    else:
                        stand.recv(100)
                    self._heard[key.data] += 1


def _bound(family: int, kind: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind)
    try:
        if family == socket.AF_INET and kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        if kind == socket.SOCK_STREAM:
            made.listen()
    except OSError:
        made.close()
        raise
    return made


def _odd_family() -> int:
    for family in _ODD:
        for kind in (socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
            try:
                socket.socket(family, kind).close()
            except OSError:
                continue
            return family
    return 0


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
