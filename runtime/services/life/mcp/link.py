"""A session with an MCP server, by whichever transport it speaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Hear = Callable[[dict[str, Any]], None]
"""Takes a request or notification of the server."""


class Link(Protocol):
    """What is raised is `Forgotten`, or what `McpHttp.told` makes an error of the room of."""

    async def ask(self, said: bytes, number: int, *, most_bytes: int) -> dict[str, Any]:
        """What a request is answered, result or error.

        Args:
            number: Of the request.
            most_bytes: Of the answer.
        """
        ...

    def agree(self, spoken: str) -> None:
        """From here on this release of the protocol is spoken."""
        ...

    async def tell(self, said: bytes) -> None:
        """What is not answered."""
        ...

    async def listen(self) -> bool:
        """Hear what the server says by itself, until it ends that; False when it says nothing so."""
        ...

    def drop(self) -> None:
        """End it without a word; again: nothing."""
        ...

    async def aclose(self) -> None:
        """Take leave, in seconds."""
        ...
