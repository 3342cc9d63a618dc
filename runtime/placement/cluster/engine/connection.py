"""A connection to the engine that carries messages between machines.  The one home of `nats`.

Nothing here is a sign of life: the client buffers what is published while it is not connected, and says so of
a connection that is gone only after a while.  So what is published while it is known not to be connected is
dropped, which is what a link may do, and who lives is decided by what is heard.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import ConfigError, ProcessError, RemoteProtocolError
from runtime.logs import get_logger

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

MAX_MESSAGE_BYTES: Final = 8 << 20
RECONNECT_S: Final = 0.25
CONNECT_S: Final = 3.0
CLOSE_S: Final = 2.0
PATIENT_S: Final = 10.0
_AGAIN_S: Final = 0.05
_MAX_WAITING: Final = 50_000
_MAX_TOGETHER: Final = 64
_MAX_WAITING_BYTES: Final = 64 << 20
_INBOX: Final = "_INBOX_"
"""Answers go nowhere else: who asks names the subject, and might name one that it may not publish to."""
_NOBODY: Final = "503"
_TELL_S: Final = 1.0
_REMOVED: Final = "If it was removed, it joins again with another token: bulkhead nodes token."
_log = get_logger("engine")
# Of each connection with TLS that ends: a stream of asyncio's was made into one with TLS, as NATS wants it.
_NO_NEWS: Final = "returning true from eof_received() has no effect when using ssl"
logging.getLogger("asyncio").addFilter(lambda record: record.msg != _NO_NEWS)

Handler = Callable[[str, bytes], Awaitable[bytes | None]]
"""Takes the subject and what came; what it returns is the answer to whoever asked for one."""


class NobodyThere(ProcessError):
    """Nobody listens on a subject, or the engine is out of reach: what was asked was not done."""

    code = "nobody_there"


class TooLarge(NobodyThere):
    """What was asked is no message for an engine, and never will be."""

    code = "too_large"


class NotLetIn(ConfigError):
    """The engine does not know that user, or that password."""


class NoAnswer(ProcessError):
    """There was none in time.  Whether what was asked was done, nobody can say."""

    code = "no_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach an engine, and as whom.

    Attributes:
        url: Such as ``nats://10.0.0.1:4222``.
        ca: The certificate that the engine's must be signed with, or be, as PEM; empty without TLS.
    """

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)

    def context(self) -> ssl.SSLContext | None:
        """For TLS with this engine alone: whom it is made out to is no matter, only by whom."""
        if not self.ca:
            return None
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        made.load_verify_locations(cadata=self.ca)
        return made


class Engine:
    """One connection.

    Attributes:
        came_back: Called, in order, each time the connection is made anew.
    """

    def __init__(self, access: Access, *, name: str) -> None:
        self._access, self._name = access, name
        self._client: Client | None = None
        self._is_refused = False
        self._inbox, self._asked = "", dict[str, asyncio.Future[bytes]]()
        self.came_back: list[Callable[[], None]] = []

    @property
    def is_connected(self) -> bool:
        """As far as the client knows."""
        return self._client is not None and self._client.is_connected

    async def connect(self) -> None:
        """Connect; from here on it does so again by itself.

        Raises:
            ConfigError: There is no client, or the engine cannot be reached or lets nobody in by that name.
        """
        try:
            made = _nats()
            from nats.errors import Error
        except ImportError as error:
            raise ConfigError(
                "several machines need the package nats-py", cure="pip install 'bulkhead-runtime[cluster]'"
            ) from error
        client, more, said = made(), dict[str, Any](), deque[str](maxlen=20)
        limit = asyncio.timeout(CONNECT_S)

        async def failed(error: Exception) -> None:
            said.append(str(error))
            _log.debug("engine.failed", error=repr(error))
            if not _is_refusal(str(error)):
                return
            if self._client is not None:
                self._refused()
            elif (when := limit.when()) is not None and when > (now := asyncio.get_running_loop().time()):
                with suppress(RuntimeError):  # it is over already
                    limit.reschedule(now)  # another try would end like this one

        if (context := self._access.context()) is not None:
            more |= {"tls": context, "tls_hostname": "bulkhead"}
        if self._access.user:
            more |= {"user": self._access.user, "password": self._access.password}
        inbox = f"{_INBOX}{self._access.user or self._name}.{secrets.token_hex(8)}"
        try:
            async with limit:  # the client itself tries for ever, whatever it is told
                await client.connect(
                    servers=[self._access.url],
                    name=self._name,
                    error_cb=failed,
                    disconnected_cb=self._lost,
                    reconnected_cb=self._back,
                    connect_timeout=2,
                    reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type]  # it is slept, whatever it is
                    max_reconnect_attempts=-1,
                    ping_interval=1,
                    max_outstanding_pings=2,
                    **more,
                )
                await client.subscribe(
                    f"{inbox}.*",
                    cb=self._answered,
                    pending_msgs_limit=_MAX_WAITING,
                    pending_bytes_limit=_MAX_WAITING_BYTES,
                )
        except (Error, OSError, TimeoutError, ssl.SSLError) as error:
            await _closed(client)
            why = said[-1] if said else str(error) or "nobody answers"
            where = bare(self._access.url)
            if any(map(_is_refusal, said)):
                raise NotLetIn(
                    f"the engine at {where} does not let {self._access.user or 'nobody'} in",
                    cure="Ask its server for another join token: bulkhead nodes token.",
                ) from error
            raise ConfigError(
                f"the engine at {where} cannot be reached: {why}",
                cure="Check the address, that `bulkhead serve --nodes` runs there, and the network between.",
            ) from error
        except BaseException:  # above all, who waited for it does not any more
            await _closed(client)
            raise
        self._client, self._inbox = client, inbox

    async def publish(self, subject: str, data: bytes) -> None:
        """Send, if it can be; nobody is told that it came."""
        client = self._client
        if client is None or not client.is_connected:
            return
        from nats.errors import Error

        try:
            await client.publish(subject, data)
        except (Error, OSError) as error:
            _log.debug("engine.publish_failed", subject=subject, error=str(error))

    async def ask(self, subject: str, data: bytes, timeout_s: float) -> bytes:
        """Send, and wait for the answer.

        Raises:
            NobodyThere: It was not done; `TooLarge` where it cannot be.
            NoAnswer: It may have been.
        """
        from nats.errors import Error, MaxPayloadError

        client = self._client
        if client is None or not client.is_connected:
            raise NobodyThere("the engine is out of reach")
        mark = secrets.token_hex(8)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[mark] = answer
        try:
            await client.publish(subject, data, reply=f"{self._inbox}.{mark}")
            async with asyncio.timeout(timeout_s):
                return await answer
        except MaxPayloadError as error:
            most = f"between machines a message has {MAX_MESSAGE_BYTES >> 20} MiB at most"
            raise TooLarge(
                f"{len(data)} bytes are too much for {subject}", cure=f"Send less: {most}."
            ) from error
        except (TimeoutError, Error, OSError) as error:
            raise NoAnswer(f"{subject} did not answer within {timeout_s:g} s") from error
        finally:
            del self._asked[mark]

    async def _answered(self, message: Msg) -> None:
        answer = self._asked.get(message.subject.rpartition(".")[2])
        if answer is None or answer.done():
            return
        if not message.data and (message.headers or {}).get("Status") == _NOBODY:
            answer.set_exception(NobodyThere("nobody listens there"))
        else:
            answer.set_result(message.data)

    async def listen(
        self, subject: str, handler: Handler, *, in_order: bool = True
    ) -> Callable[[], Awaitable[None]]:
        """Call a handler with each message; what it raises is logged, of what cannot be read once a second.

        Args:
            in_order: One after the other; else at most `_MAX_TOGETHER` at once.

        Returns:
            What ends that; a message that waits is not handled any more.
        """
        assert self._client is not None
        turns, running = asyncio.Semaphore(_MAX_TOGETHER), set[asyncio.Task[None]]()
        told_at = -_TELL_S

        def refused(subject: str, error: RemoteProtocolError) -> None:
            nonlocal told_at
            now = asyncio.get_running_loop().time()
            if now - told_at >= _TELL_S:  # whoever may speak here could fill the log
                told_at = now
                _log.warning("engine.message_refused", subject=subject, error=error.message[:500])

        async def together(message: Msg) -> None:
            await turns.acquire()
            task = asyncio.create_task(take(message), name=f"answer {message.subject}")
            running.add(task)
            task.add_done_callback(running.discard)
            task.add_done_callback(lambda _: turns.release())

        async def take(message: Msg) -> None:
            try:
                answer = await handler(message.subject, message.data)
                if answer is not None and message.reply.startswith(_INBOX):
                    await self.publish(message.reply, answer)
            except RemoteProtocolError as error:
                refused(message.subject, error)
            except Exception:  # noqa: BLE001 - one message must not end all listening
                _log.exception("engine.message_failed", subject=message.subject)

        made = await self._client.subscribe(
            subject,
            cb=take if in_order else together,
            pending_msgs_limit=_MAX_WAITING,
            pending_bytes_limit=_MAX_WAITING_BYTES,
        )

        async def stop() -> None:
            from nats.errors import Error

            with suppress(Error):  # the connection is closed, which ends it as well
                await made.unsubscribe()

        return stop

    async def settled(self, patience_s: float) -> bool:
        """Whether the engine took all that was said here, and sent all that it had, within that time."""
        client = self._client
        if client is None or not client.is_connected:
            return False
        from nats.errors import Error

        try:
            await client.flush(timeout=patience_s)  # type: ignore[arg-type]  # its answer comes after all of it
        except (Error, OSError, TimeoutError):
            return False
        return True

    async def shed(self, patience_s: float) -> None:
        """Connect anew if what the engine still has for this connection takes longer than that to come."""
        client = self._client
        if client is None or await self.settled(patience_s) or not client.is_connected:
            return
        _log.warning("engine.shed", url=bare(self._access.url))
        if hasattr(client, "force_reconnect"):  # an older client is given up by the engine in the end
            await client.force_reconnect()

    async def aclose(self) -> None:
        """End the connection; what was published before is sent."""
        client, self._client = self._client, None
        if client is None:
            return
        from nats.errors import Error

        try:
            if client.is_connected:
                await client.flush(timeout=1)
        except (Error, OSError, TimeoutError):
            pass
        await _closed(client)

    async def _lost(self) -> None:
        for answer in self._asked.values():  # none comes any more: answers are not kept
            if not answer.done():
                answer.set_exception(NoAnswer("the engine was lost before there was an answer"))
        if self._client is None:
            return  # it is being closed
        _log.warning("engine.lost", url=bare(self._access.url))

    def _refused(self) -> None:
        if not self._is_refused:
            self._is_refused = True
            _log.error(
                "engine.lets_not_in", url=bare(self._access.url), user=self._access.user, cure=_REMOVED
            )

    async def _back(self) -> None:
        self._is_refused = False
        _log.info("engine.back", url=bare(self._access.url))
        for listener in self.came_back:
            listener()


async def connected(engine: Engine, timeout_s: float = PATIENT_S) -> None:
    """Connect to an engine that may not listen yet, or has not yet heard of a new user.

    Raises:
        ConfigError: It did not let anybody in for so long.
    """
    until = asyncio.get_running_loop().time() + timeout_s
    said, wait_s = "", _AGAIN_S
    while True:
        try:
            await engine.connect()
        except ConfigError as error:
            if asyncio.get_running_loop().time() >= until:
                raise
            if timeout_s > PATIENT_S and error.message != said:  # nobody sees otherwise what is waited for
                said = error.message
                _log.warning("engine.awaited", error=said, cure=error.cure)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, CONNECT_S)
        else:
            return


async def _closed(client: Client) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):  # an engine that stands still agrees to no end of TLS
            await client.close()
    except TimeoutError:
        _log.debug("engine.not_closed")


def _nats() -> type[Client]:
    # Without what it takes along to speak by websockets: a quarter of a node's way to its first beat.
    is_there = "aiohttp" in sys.modules
    if not is_there:
        sys.modules["aiohttp"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        from nats.aio.client import Client
    finally:
        if not is_there:
            del sys.modules["aiohttp"]
    return Client


def _is_refusal(said: str) -> bool:
    return "authorization" in said.lower()


def bare(url: str) -> str:
    """An address without its user and scheme."""
    return url.rsplit("@", 1)[-1].removeprefix("nats://").removeprefix("tls://")
