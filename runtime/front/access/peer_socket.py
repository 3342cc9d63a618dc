"""Asking the kernel about the other end of a connection of this machine: whose socket it is.

One question over netlink (``sock_diag``), 15 µs, which anybody may ask.  It is asked by both addresses, so it
finds that one connection; the cookie in the answer names the socket for ever, while an inode or a port is
used again.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec

Address = Sequence[Any]
"""As `socket.getsockname` gives it: host and port, perhaps more."""

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBBBI")
_ID: Final = struct.Struct("!HH16s16sI")  # both ports, both addresses, the interface; a cookie follows
_ANSWER: Final = struct.Struct("=B3x2s2s16s16s4x8s12xII")
_NO_COOKIE: Final = b"\xff" * 8
_ALL_STATES: Final = 0xFFFFFFFF
_ANSWER_S: Final = 0.2


class PeerSocket(msgspec.Struct, frozen=True):
    """A socket of this machine.

    Attributes:
        uid: The user that made it.
        inode: As it stands in ``/proc/*/fd``; 0 when no process holds it any more.
        cookie: Its name, never used again.
    """

    uid: int
    inode: int
    cookie: bytes


def peer_socket(peer: Address, own: Address) -> PeerSocket | None:
    """The socket at the far end of a connection, when it is in this network namespace.

    Args:
        peer: Where the connection comes from, as our end sees it.
        own: Where it was accepted.

    Returns:
        None when there is none (it is elsewhere, or gone), or when the kernel does not say.
    """
    try:
        theirs, ours = _packed(peer[0]), _packed(own[0])
        family = socket.AF_INET if len(theirs) == 4 else socket.AF_INET6
        asked = _ID.pack(peer[1], own[1], theirs, ours, 0) + _NO_COOKIE
        body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _ALL_STATES) + asked
        head = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(_ANSWER_S)
            kernel.sendto(head + body, (0, 0))
            answer = kernel.recv(4096)
    except (OSError, ValueError, struct.error):
        return None
    if len(answer) < _HEADER.size + _ANSWER.size or _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None
    kind, port, far_port, address, far_address, cookie, uid, inode = _ANSWER.unpack_from(answer, _HEADER.size)
    # Where there is no such connection the kernel looks on, for a socket that listens at that address.
    found = (port, far_port, _plain(address, kind), _plain(far_address, kind))
    return PeerSocket(uid, inode, cookie) if found == (asked[:2], asked[2:4], theirs, ours) else None


def is_answered() -> bool:
    """Whether the kernel answers such questions here: tried with a connection of this process to itself."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as listening,
            socket.create_connection(listening.getsockname(), timeout=_ANSWER_S) as near,
        ):
            found = peer_socket(near.getsockname(), near.getpeername())
            return found is not None and found.inode == os.fstat(near.fileno()).st_ino
    except OSError:
        return False


def _packed(host: str) -> bytes:
    address = ipaddress.ip_address(host.partition("%")[0])
    return (getattr(address, "ipv4_mapped", None) or address).packed


def _plain(address: bytes, family: int) -> bytes:
    return address[:4] if family == socket.AF_INET else _packed(str(ipaddress.IPv6Address(address)))
