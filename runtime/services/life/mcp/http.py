"""Requests to one MCP server, and what is said of those that fail.

Where it is the operator said, so any address will do; but it may not send us elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from runtime.errors import RemoteProtocolError, RoomError, RuntimeServiceError
from runtime.wire.internet.mcp import Event, Events, read

if TYPE_CHECKING:
    import httpx

    Answer: TypeAlias = httpx.Response

EVENTS: Final = "text/event-stream"
MAX_SAID_CHARS: Final = 300
NOT_STREAMABLE: Final = (400, 404, 405)
"""What a server answers that is posted to and speaks the older transport alone."""
_READ_AT_ONCE_BYTES: Final = 64 << 10


class Forgotten(RuntimeServiceError):
    """The server does not know our session any more; it did nothing of what it was asked."""

    code = "mcp_session_over"

    def __init__(self) -> None:
        super().__init__("the session is over")


class Refused(RoomError):
    """It answered with a status that says no."""

    def __init__(self, text: str, *, status: int, cure: str) -> None:
        super().__init__(text, cure=cure)
        self.status = status


class MakeClient(Protocol):
    """Makes a client that follows no redirects and has no memory; waits, so it is called in a thread."""

    def __call__(self, *, is_near: bool) -> httpx.AsyncClient:
        """For what is on this machine, or anywhere."""
        ...


class McpHttp:
    """Runs in: the front's event loop.

    Args:
        headers: Of every request.
        client: Ended by `aclose`.
    """

    def __init__(self, url: str, headers: Mapping[str, str], client: httpx.AsyncClient) -> None:
        self.url, self._headers, self._client = url, dict(headers), client

    @property
    def named(self) -> str:
        return f"the MCP server at {self.url.partition('?')[0][:200]}"

    async def send(
        self, method: str, more: Mapping[str, str], *, url: str = "", body: bytes | None = None
    ) -> Answer:
        """Its answer, of which nothing is read yet.

        Args:
            more: Headers.
            url: Another than its own.
        """
        # What unpacks is bounded by no length.
        sent = {**self._headers, **more, "accept-encoding": "identity"}
        request = self._client.build_request(method, url or self.url, content=body, headers=sent)
        return await self._client.send(request, stream=True)

    def refusal(self, answer: Answer) -> Refused:
        status = answer.status_code
        cure = "See its log."
        if status in (401, 403):
            cure = "Give what proves who asks among the endpoint's mcp.headers."
        elif 300 <= status < 400:
            cure = f"Write the address it names: {answer.headers.get('location', 'none')[:MAX_SAID_CHARS]}"
        elif status in (*NOT_STREAMABLE, 406):
            cure = "Look at the path; neither streamable HTTP is spoken there nor the older HTTP with events."
        return Refused(f"{self.named} answered {status}", status=status, cure=cure)

    @asynccontextmanager
    async def told(self, within_s: float | None = None) -> AsyncIterator[None]:
        """Around what it is asked.

        Raises:
            RoomError: In the place of whatever it failed with.
        """
        import httpx

        try:
            async with asyncio.timeout(within_s):
                yield
        except TimeoutError:
            length = "" if within_s is None else f" within {within_s:g} s"
            raise RoomError(
                f"{self.named} did not answer{length}", cure="Try again, or see its log."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            told = str(error) or type(error).__name__
            raise RoomError(f"{self.named} cannot be reached: {told}", cure="See whether it runs.") from error
        except RemoteProtocolError as error:
            raise RoomError(
                f"{self.named} cannot be understood: {error.message}", cure="See its log."
            ) from error

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def is_stream(answer: Answer) -> bool:
    """Whether it is answered with events."""
    return bool(answer.headers.get("content-type", "").lower().startswith(EVENTS))


async def events_of(answer: Answer, *, most_bytes: int) -> AsyncGenerator[Event]:
    """The events of an answer, as they come.

    Args:
        most_bytes: Of one event.

    Raises:
        RemoteProtocolError: One is larger.
    """
    events = Events()
    async for piece in answer.aiter_raw():
        ended = events.take(piece)
        if events.held_bytes > most_bytes:
            raise too_large(most_bytes)
        for event in ended:
            yield event


def too_large(most_bytes: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"its answer has more than {most_bytes >> 20} MiB")


async def read_message(data: bytes) -> dict[str, Any]:
    """One message; a large one is read in a thread.

    Raises:
        RemoteProtocolError: It is none.
    """
    return await asyncio.to_thread(read, data) if len(data) > _READ_AT_ONCE_BYTES else read(data)
