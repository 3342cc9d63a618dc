"""Attacks over sockets: the operator's API, the server's own requests, the metadata, others' sockets."""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from runtime.confinement.level import Level
from runtime.confinement.refusal import FILES_READ, NETWORK_CONNECT, NETWORK_SOCKET
from runtime.worker.chaos import look
from runtime.worker.chaos.attack import Catalogue, NotHere, Refused, Targets
from runtime.worker.chaos.calls import in_child

_PROTO_MPTCP: Final = 262
_MSG_FASTOPEN: Final = 0x20000000
_ALG: Final = 38
_WAIT_S: Final = 3.0

doors = Catalogue("the front")
sockets = Catalogue(NETWORK_SOCKET)


def _ask(at: Targets, method: str, path: str, body: Any = None, key: str = "") -> str:
    """What the server answered; raises Refused with its status."""
    parts = urlsplit(at.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_WAIT_S)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    try:
        data = json.dumps(body).encode() if body is not None else None
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read()[:40].decode(errors="replace")
    finally:
        connection.close()
    if answer.status >= 400:
        raise Refused(str(answer.status))
    return f"{answer.status} {text}"


# ---- the front's own doors


@doors.add("operator-list", "list all sessions as an operator", level=Level.OFF)
def operator_list(at: Targets) -> str:
    return _ask(at, "GET", "/workers")


@doors.add("operator-stop", "stop a session as an operator", level=Level.OFF)
def operator_stop(at: Targets) -> str:
    return _ask(at, "DELETE", "/workers/s_nobody")


@doors.add("operator-token", "a person's token of another room", level=Level.OFF)
def operator_token(at: Targets) -> str:
    return _ask(at, "POST", "/rooms/private/token", {"name": "mallory"})


@doors.add("operator-call", "call another bundle's agent", level=Level.OFF)
def operator_call(at: Targets) -> str:
    return _ask(at, "POST", at.endpoint, {"event": "room.call", "data": {"room_name": "mallory"}})


@doors.add("operator-daemon", "be an operator from a child that left", level=Level.OFF)
def operator_daemon(at: Targets) -> str:
    def leave() -> None:
        os.setsid()
        in_child(ask)

    def ask() -> None:
        try:
            _ask(at, "GET", "/workers")
        except Refused as error:
            raise PermissionError(errno.EPERM, str(error)) from error

    try:
        in_child(leave)
    except PermissionError as error:
        raise Refused("403") from error
    return "200"


@doors.add("operator-with-key", "be an operator with the key of the state folder", rule=FILES_READ)
def operator_with_key(at: Targets) -> str:
    key = json.loads(Path(at.state_dir, "server.json").read_text())["key"]
    return _ask(at, "GET", "/workers", key=key)


@doors.add("share-port", "take connections at the server's own port", level=Level.OFF, rule="the kernel")
def share_port(at: Targets) -> str:
    with socket.socket(socket.AF_INET) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(("127.0.0.1", urlsplit(at.url).port or 80))
        made.listen()
    return "bound"


@doors.add(
    "front-posts-metadata",
    "have the server post to the machine's metadata",
    level=Level.OFF,
    seen=look.reached("metadata"),
)
async def front_posts_metadata(at: Targets) -> None:
    host, port = at.metadata
    await _called(at, f"http://{host}:{port}/latest/meta-data")


@doors.add("front-posts-itself", "have the server call its own operator's API", level=Level.OFF)
async def front_posts_itself(at: Targets) -> str:
    await _called(at, f"http://0.0.0.0:{urlsplit(at.url).port}/rooms/private/token")
    return "posted"


async def _called(at: Targets, url: str) -> None:
    if at.room is None or not hasattr(at.room, "agents"):
        raise NotHere("the session is in no room")
    try:
        await at.room.agents.make_call(name="mallory", url=url, arguments={})
    except OSError:
        raise
    except Exception as error:
        raise Refused(str(error)[:80]) from error


# ---- sockets; while the network is "all", the kernel lets these be


@sockets.add(
    "metadata",
    "connect to the machine's metadata",
    level=Level.STRICT,
    rule=NETWORK_CONNECT,
    seen=look.reached("metadata"),
)
def metadata(at: Targets) -> None:
    with socket.create_connection(at.metadata, timeout=_WAIT_S):
        pass


@sockets.add("metadata-multipath", "connect to it by MPTCP", seen=look.reached("metadata"))
def metadata_multipath(at: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, _PROTO_MPTCP) as made:
        made.settimeout(_WAIT_S)
        made.connect(at.metadata)


@sockets.add(
    "metadata-at-once", "connect to it with the first bytes", seen=look.reached("metadata"), silent=True
)
def metadata_at_once(at: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.settimeout(_WAIT_S)
        made.sendto(b"GET /", _MSG_FASTOPEN, at.metadata)


@sockets.add(
    "metadata-message", "connect to it by a message with its flag", seen=look.reached("metadata"), silent=True
)
def metadata_message(at: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.settimeout(_WAIT_S)
        made.sendmsg([b"GET /"], [], _MSG_FASTOPEN, at.metadata)


@sockets.add("datagram", "send it a datagram", level=Level.STRICT, seen=look.reached("datagram"))
def datagram(at: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.sendto(b"?", at.metadata)


@sockets.add("listen", "take connections at a port", level=Level.STRICT)
def listen(at: Targets) -> str:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return f"port {made.getsockname()[1]}"


@sockets.add(
    "abstract-socket", "connect to another's abstract socket", seen=look.reached("abstract"), silent=True
)
def abstract_socket(at: Targets) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.connect("\0" + at.abstract)


@sockets.add(
    "path-socket", "connect to another's socket in a folder", level=Level.STRICT, seen=look.reached("stream")
)
def path_socket(at: Targets) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(os.path.join(at.outside, "stream"))


@sockets.add(
    "pair-elsewhere",
    "turn a pair of sockets of our own to another's",
    level=Level.STRICT,
    seen=look.reached("message"),
)
def pair_elsewhere(at: Targets) -> None:
    ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, other:
        ours.connect(os.path.join(at.outside, "datagram"))
        ours.send(b"?")


@sockets.add("odd-socket", "a socket of a family that no agent needs")
def odd_socket(at: Targets) -> str:
    if not at.family:
        raise NotHere("this kernel has none of these families")
    with socket.socket(at.family, socket.SOCK_STREAM if at.family != _ALG else socket.SOCK_SEQPACKET):
        return "opened"
