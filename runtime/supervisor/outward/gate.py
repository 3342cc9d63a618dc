"""Answer the connects of sessions that may reach a list of hosts: the front makes them and hands them over.

Theory: the session's call waits while we decide by the address that was read once.  What it gets is a socket
of ours in the place of its own, so nothing that it changes meanwhile matters.  One that does not want to wait
gets it while it is being connected, as from the kernel; one that waits gets it connected.  A nameserver is
never reached: whoever asks one is answered by us, for names of the list.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import msgspec

from runtime.confinement.addresses import Address
from runtime.confinement.outward import Outward
from runtime.confinement.policy import Policy
from runtime.errors import RemoteProtocolError
from runtime.logs import get_logger
from runtime.process.confine.notices import Listener
from runtime.process.confine.watch import Asked
from runtime.supervisor.outward.names import KEPT_S, Names
from runtime.tasks import Tasks
from runtime.wire.internet import dns

_log = get_logger("supervisor")
DIAL_S: Final = 60.0
MAX_PENDING: Final = 64
"""Connections of one session that are being made at once; and its questions for names."""

NAMESERVER_PORT: Final = 53
ASK_S: Final = 30.0
"""How long a connection for questions is kept without one."""

_OPTIONS: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.SOL_SOCKET, socket.SO_OOBINLINE),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
)
_TIMES: Final = (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO, socket.SO_LINGER)
_SYN_SENT: Final = 2

Told = Callable[[str], None]
"""Takes what was refused: a host with its port, or a name."""


class Leaves(msgspec.Struct):
    """What one session may reach, and who hears of what it may not.

    Attributes:
        refused: Called with ``host:port`` or a name.
        pending: Connections that are being made for it.
    """

    outward: Outward
    refused: Told = lambda _: None
    pending: int = 0

    @classmethod
    def of(cls, policy: Policy, refused: Told = lambda _: None) -> Leaves:
        """What a policy lets out; nothing, where it lets out all: that is asked of nobody."""
        return cls(Outward(() if isinstance(policy.network, str) else policy.network), refused)


class Gate:
    """For all sessions of a server.  Runs in: the front's event loop.

    Args:
        is_ours: Whether an address and a port are this server's own, which no session reaches.
    """

    def __init__(self, names: Names, *, is_ours: Callable[[Address, int], bool]) -> None:
        self._names = names
        self._is_ours = is_ours
        self._tasks = Tasks(_log, "outward.failed")

    def connect(self, listener: Listener, asked: Asked, leaves: Leaves) -> None:
        """Answer one connect, now or later."""
        self._tasks.spawn(self._connect(listener, asked, leaves), "outward:connect")

    async def aclose(self) -> None:
        """Give up what is under way."""
        await self._tasks.aclose()

    async def _connect(self, listener: Listener, asked: Asked, leaves: Leaves) -> None:
        if leaves.pending >= MAX_PENDING:
            listener.refuse(asked.notice, errno.EAGAIN)
            if asked.like is not None:
                asked.like.close()
            return
        leaves.pending += 1
        try:
            error = await self._answered(listener, asked, leaves)
        except OSError as failed:
            error = failed.errno or errno.EIO
        except BaseException:
            listener.refuse(asked.notice, errno.ECONNABORTED)
            raise
        finally:
            leaves.pending -= 1
            if asked.like is not None:
                asked.like.close()
        if error:
            listener.refuse(asked.notice, error)
        else:
            listener.succeed(asked.notice)

    async def _answered(self, listener: Listener, asked: Asked, leaves: Leaves) -> int:
        """The error number of the call, 0 when it is connected."""
        where = _where(asked.address)
        if where is None:
            return errno.EAFNOSUPPORT
        if asked.like is not None and (error := _stands(asked.like)):
            return error
        address, port, sockaddr, family = where
        if not await self._allows(leaves.outward, address, port):
            if port == NAMESERVER_PORT:
                return self._answer_names(listener, asked, leaves)
            leaves.refused(f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}")
            return errno.EACCES
        with socket.socket(family, socket.SOCK_STREAM) as made:
            made.setblocking(False)
            if asked.like is not None:
                _copy_options(asked.like, made)
            error = made.connect_ex(sockaddr)
            if error not in (0, errno.EINPROGRESS):
                return error
            waits = not asked.flags & os.O_NONBLOCK
            if waits and error:
                error = await _until_connected(made)
                if error:
                    return error
            if waits:
                made.setblocking(True)
            _place(listener, asked, made)
        return error

    async def _allows(self, outward: Outward, address: Address, port: int) -> bool:
        if self._is_ours(address, port):
            return False
        if outward.allows(address, port, self._names.of(address)):
            return True
        # It may know what a name means from elsewhere, or have been told a while ago.
        found = await asyncio.gather(*(self._names.look_up(name) for name in outward.names))
        meant = [name for name, addresses in zip(outward.names, found, strict=True) if address in addresses]
        return outward.allows(address, port, meant)

    # ---- names

    def _answer_names(self, listener: Listener, asked: Asked, leaves: Leaves) -> int:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(not asked.flags & os.O_NONBLOCK)
            try:
                _place(listener, asked, theirs)
            except OSError:
                ours.close()
                raise
        self._tasks.spawn(self._serve_names(ours, leaves), "outward:names")
        return 0

    async def _serve_names(self, ours: socket.socket, leaves: Leaves) -> None:
        try:
            reader, writer = await asyncio.open_connection(sock=ours)
        except OSError:
            ours.close()
            return
        try:
            while True:
                async with asyncio.timeout(ASK_S):
                    (count,) = struct.unpack(">H", await reader.readexactly(2))
                    if count > dns.MAX_BYTES:
                        return
                    message = await reader.readexactly(count)
                said = await self._named(dns.parse(message), leaves)
                writer.write(struct.pack(">H", len(said)) + said)
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, OSError, RemoteProtocolError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _named(self, question: dns.Question, leaves: Leaves) -> bytes:
        name, outward = question.name, leaves.outward
        if not outward.lists(name):
            # With a search list, a program asks for what it was given with some domain behind it first.
            if not any(name.startswith(f"{listed}.") for listed in outward.names):
                leaves.refused(name)
            return dns.refusal(question, dns.NO_SUCH_NAME)
        found = await self._names.look_up(name)
        if not found:
            return dns.refusal(question, dns.NO_SUCH_NAME)
        return dns.answer(question, found, ttl_s=int(KEPT_S))


def _where(raw: bytes) -> tuple[Address, int, tuple[str, int] | tuple[str, int, int, int], int] | None:
    """What a connect's address says: to be judged, and to be dialled; None for one of another family."""
    if len(raw) < 2:
        return None
    (family,) = struct.unpack_from("=H", raw)
    if family == socket.AF_INET and len(raw) >= 8:
        port, packed = struct.unpack_from(">H4s", raw, 2)
        four = IPv4Address(packed)
        return four, port, (str(four), port), family
    if family == socket.AF_INET6 and len(raw) >= 24:
        port, _, packed = struct.unpack_from(">HI16s", raw, 2)
        (scope,) = struct.unpack_from("=I", raw, 24) if len(raw) >= 28 else (0,)
        six = IPv6Address(packed)
        return six.ipv4_mapped or six, port, (str(six), port, 0, scope), family
    return None


def _stands(like: socket.socket) -> int:
    """The error number of a connect that the kernel would not begin: it is connected, or about to be."""
    if like.family not in (socket.AF_INET, socket.AF_INET6) or like.type != socket.SOCK_STREAM:
        return errno.EISCONN  # a pair, which is all there is besides
    if like.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _SYN_SENT:
        return errno.EALREADY
    try:
        like.getpeername()
    except OSError:
        return 0
    return errno.EISCONN


def _copy_options(like: socket.socket, made: socket.socket) -> None:
    """What a program sets before it connects."""
    for level, option in _OPTIONS:
        with contextlib.suppress(OSError):
            made.setsockopt(level, option, like.getsockopt(level, option))
    for option in _TIMES:
        with contextlib.suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, option, like.getsockopt(socket.SOL_SOCKET, option, 16))


def _place(listener: Listener, asked: Asked, made: socket.socket) -> None:
    is_closed = bool(asked.flags & os.O_CLOEXEC)
    listener.place(asked.notice, made.fileno(), asked.fd, is_closed_on_exec=is_closed)


async def _until_connected(made: socket.socket) -> int:
    """Wait until it is; the error number if it does not come to that."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def is_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_writer(made.fileno(), is_ready)
    try:
        async with asyncio.timeout(DIAL_S):
            await ready
    except TimeoutError:
        return errno.ETIMEDOUT
    finally:
        loop.remove_writer(made.fileno())
    return made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
