"""A request and its answer, which we can end from our side as if the client had gone.

An answer that nobody takes cannot be ended by cancelling what sends it: Quart 0.23 goes on waiting for the
client's word that it left, and the connection would stay open for as long as the client likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Request
from quart.asgi import ASGIHTTPConnection

_CUT: Final = "bulkhead.cut"
_END: Final = "bulkhead.end"


class Exchange(ASGIHTTPConnection):
    """What an app uses as its `asgi_http_class`."""

    _listener: asyncio.Task[Any] | None = None
    _is_cut = False

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.scope[_CUT] = self._cut  # type: ignore[typeddict-unknown-key]

        async def listen() -> Any:
            self._listener = asyncio.current_task()
            try:
                return await receive()
            except asyncio.CancelledError:
                if not self._is_cut or self._listener is None:
                    raise
                self._listener.uncancel()
                return {"type": "http.disconnect"}

        async with AsyncExitStack() as end:
            self.scope[_END] = end  # type: ignore[typeddict-unknown-key]
            await super().__call__(listen, send)

    def _cut(self) -> None:
        self._is_cut = True
        if self._listener is not None:
            self._listener.cancel()


def cut_of(request: Request) -> Callable[[], None]:
    """What ends a request's answer where it stands, and its connection."""
    cut: Callable[[], None] = request.scope[_CUT]  # type: ignore[typeddict-item]
    return cut


def at_end_of(request: Request, close: Callable[[], Awaitable[None]]) -> None:
    """Call this once a request is over, answered or not; what may be over before must bear it twice."""
    end: AsyncExitStack = request.scope[_END]  # type: ignore[typeddict-item]
    end.push_async_callback(close)
