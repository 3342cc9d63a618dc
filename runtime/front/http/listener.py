"""The listening socket, and Hypercorn serving the application on it."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit

from hypercorn.asyncio import serve
from hypercorn.config import Config, Sockets
from hypercorn.logging import Logger

from runtime.errors import ConfigError
from runtime.front.http import hypercorn_guard
from runtime.front.http.accepting import TELL_S, AcceptingSocket
from runtime.front.http.hypercorn_guard import Connections
from runtime.front.http.socket import MAX_PACKET_BYTES
from runtime.logs import get_logger

PING_S: Final = 30.0
PEER_SILENT_S: Final = 60
"""How long a peer may leave what was sent to it unacknowledged, or its window shut."""
KEEP_ALIVE_S: float = 30.0
"""How long a connection may ask nothing."""
CLOSE_S: Final = 0.3
BACKLOG: Final = 1024
_BY_IPV6: Final = (socket.AF_INET6, "::1")
_OTHER: Final = {"127.0.0.1": _BY_IPV6, "0.0.0.0": _BY_IPV6, "::1": (socket.AF_INET, "127.0.0.1")}
"""Where else ``localhost`` leads, of addresses that are not it; ``::`` has both."""
_log = get_logger("front")


class _HypercornLog(Logger):
    """Hypercorn's log in ours; it says little that we do not say ourselves."""

    def __init__(self, config: Config) -> None:
        self.access_logger = None
        self.error_logger = None

    async def access(self, request: Any, response: Any, request_time: float) -> None:
        return None

    async def warning(self, message: str, *args: Any, **kwargs: Any) -> None:
        _log.warning("front.server_warned", detail=message % args if args else message)

    async def error(self, message: str, *args: Any, **kwargs: Any) -> None:
        _log.error("front.server_failed", detail=message % args if args else message)

    async def exception(self, message: str, *args: Any, **kwargs: Any) -> None:
        _log.exception("front.server_failed", detail=message % args if args else message)


class Listener:
    """One bound socket and, once started, the server on it.

    Where ``localhost`` may lead past it there are two: that is 127.0.0.1 and ``::1``, on many machines the
    latter first, and a session that listened at the other would get what is meant for us, keys included.
    """

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self._other: socket.socket | None = None
        self._accepting: list[AcceptingSocket] = []
        self.host, self.port = bound.getsockname()[:2]
        self._shut = asyncio.Event()
        self._connections = Connections()
        self._serving: asyncio.Task[None] | None = None

    @classmethod
    def bind(cls, host: str, port: int) -> Listener:
        """Bind; port 0 takes a free one.

        Raises:
            ConfigError: The address is in use, not this machine's, or may not be bound.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except socket.gaierror as error:
            raise ConfigError(
                f"cannot listen on {host}: {error.strerror}", cure="Give an IP address."
            ) from error
        family, *_, address = found[0]
        try:
            made = cls(_listening(family, address))
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port}: {error.strerror}", cure=_cure(error, port)
            ) from error
        if made.host in _OTHER:
            made._hear_localhost(*_OTHER[made.host])
        return made

    def _hear_localhost(self, family: int, host: str) -> None:
        try:
            self._other = _listening(family, (host, self.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:  # else this machine has no such address
                _log.warning(
                    "front.localhost_is_others",
                    detail=f"another program listens at {host} port {self.port}, where localhost may lead",
                    cure=f"Stop it, or go by {self.url}.",
                )

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        host = self.host
        if ipaddress.ip_address(host).is_unspecified:
            host = "[::1]" if ":" in host else "127.0.0.1"
        elif ":" in host:
            host = f"[{host}]"
        return f"http://{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def start(self, app: Any) -> None:
        """Serve an ASGI application."""
        hypercorn_guard.install()
        sockets = [self._socket] if self._other is None else [self._socket, self._other]
        self._accepting = [AcceptingSocket(one.detach()) for one in sockets]
        config = _Bound(self._accepting, self._connections)
        config.logger_class = _HypercornLog
        config.backlog = BACKLOG
        config.graceful_timeout = CLOSE_S
        config.include_server_header = False
        config.websocket_ping_interval = PING_S
        config.websocket_max_message_size = MAX_PACKET_BYTES
        config.keep_alive_timeout = KEEP_ALIVE_S
        asyncio.get_running_loop().set_exception_handler(_Unhandled())
        self._serving = asyncio.create_task(
            serve(app, config, shutdown_trigger=self._shut.wait), name="hypercorn"
        )

    async def failed(self) -> None:
        """Return, or raise what it failed with, when the server ended by itself."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def aclose(self) -> None:
        """Stop listening and close every connection, politely for a moment."""
        self._shut.set()
        self._connections.end()
        if self._serving is None:
            self._socket.close()
            if self._other is not None:
                self._other.close()
            return
        # From Python 3.12 on asyncio's server waits for its connections without a bound of its own.
        done, _ = await asyncio.wait({self._serving}, timeout=CLOSE_S * 2)
        if not done:
            self._serving.cancel()
        await asyncio.gather(self._serving, return_exceptions=True)
        for one in self._accepting:  # Hypercorn closes the second when the first has no connection any more
            if one.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(one.fileno())
                one.close()


class _Bound(Config):
    """Hypercorn's settings for sockets that are there already."""

    def __init__(self, bound: Sequence[socket.socket], connections: Connections) -> None:
        super().__init__()
        self._bound, self.connections = bound, connections
        self._headers: list[tuple[bytes, bytes]] = []
        self._headers_of_s = 0

    def create_sockets(self) -> Sockets:
        return Sockets([], list(self._bound), [])

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """The date, which is written once a second."""
        if (now_s := int(time.time())) != self._headers_of_s:
            self._headers, self._headers_of_s = super().response_headers(protocol), now_s
        return self._headers


class _Unhandled:
    """What nobody caught, for the log: without what says nothing, and once what comes in thousands."""

    def __init__(self) -> None:
        self._told_at = -TELL_S

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # Python 3.11's streams report a connection that was cancelled at shutdown as a failed callback.
        if isinstance(error, asyncio.CancelledError):
            return
        if "accept() out of system resource" in str(context.get("message")):
            if loop.time() - self._told_at >= TELL_S:
                self._told_at = loop.time()
                _log.error("front.accept_failed", error=str(error), cure="Raise the limit of open files.")
            return
        loop.default_exception_handler(context)


def _listening(family: int, address: Any) -> socket.socket:
    """A socket that listens; raises OSError where it may not, or somebody does."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit these: a peer that is gone without a word is noticed by the kernel.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_SILENT_S * 1000)
        bound.bind(address)
        bound.listen(BACKLOG)  # from now on a client waits instead of being refused
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _cure(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Stop what uses port {port}, choose another with --port, or --port 0 for a free one."
    if error.errno == errno.EACCES:
        return "Choose a port above 1023."
    return "Choose an address of this machine with --host."


def reachable(host: str, url: str) -> str:
    """Where other machines reach a server that is bound to `host`, and is at `url` for this one.

    Bound to every address, it is that from which this machine would reach others.
    """
    try:
        if not ipaddress.ip_address(host).is_unspecified:
            return url
    except ValueError:  # a name
        return url
    family, somewhere = (socket.AF_INET6, "2001:db8::1") if ":" in host else (socket.AF_INET, "192.0.2.1")
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((somewhere, 9))  # sends nothing: the kernel chooses an address
            own = asked.getsockname()[0]
    except OSError:
        return url
    return f"http://{f'[{own}]' if ':' in own else own}:{url.rsplit(':', 1)[-1]}"


def reachable_host(host: str, port: int) -> str:
    """The host by which other machines reach what listens at an address of this one."""
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return reachable(host, url).removeprefix("http://").rsplit(":", 1)[0]


def room_url(base: str, room: str) -> str:
    """The websocket address of a room of the server at `base`."""
    scheme, _, rest = base.rstrip("/").partition("://")
    return f"{'wss' if scheme in ('https', 'wss') else 'ws'}://{rest}/rooms/{quote(room, safe='')}"


def host_of(url: str) -> str | None:
    """The host in an address; None where it has none."""
    return urlsplit(url).hostname
