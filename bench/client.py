"""A small asynchronous HTTP client: one connection per request, which is what a webhook's sender does."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class Client:
    """Requests to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        return await self.request("POST", path, body, headers)

    async def delete(self, path: str, headers: dict[str, str]) -> tuple[int, Any]:
        return await self.request("DELETE", path, headers=headers)

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and decoded body of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(packet(method, path, body, {"connection": "close", **(headers or {})}))
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            raw = await reader.read()
        finally:
            writer.close()
        return int(head.split()[1]), json.loads(raw) if raw.startswith(b"{") else raw


def packet(method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A request as it goes over the wire."""
    given = {"host": "localhost", "content-length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body
