"""A real server on a real port, with sessions that exist as events alone, and a small HTTP client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runtime.front.server import Server
from runtime.settings import load_settings
from tests.fakes import FakePlacement
from tests.patience import PATIENCE

CALL = b'{"event":"room.call","data":{"room_name":"myroom"}}'
JSON = {"Content-Type": "application/json"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Site:
    """A running server and what is behind it."""

    server: Server
    placement: FakePlacement
    port: int = 0
    streams: list[asyncio.StreamWriter] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.streams.append(writer)
        return reader, writer

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """One request over a connection of its own."""
        reader, writer = await self.connect()
        writer.write(request(method, path, body, headers))
        try:
            return await read_answer(reader, has_body=method != "HEAD")
        finally:
            writer.close()

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    async def post(self, path: str, body: bytes = CALL, headers: dict[str, str] | None = None) -> Answer:
        return await self.ask("POST", path, body, {**JSON, **(headers or {})})


def request(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    given = {"Host": "localhost", "Connection": "close", **(headers or {})}
    if body or method == "POST":
        given.setdefault("Content-Length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), {name.lower(): value for name, value in pairs}


async def read_answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answer:
    async with asyncio.timeout(20 * PATIENCE):
        status, headers = await read_head(reader)
        if not has_body:
            body = b""
        elif "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            body = await read_chunks(reader)
        else:
            body = await reader.read()
    return Answer(status, headers, body)


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


Serving = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    """``async with serving(placement, **server settings, supervisor={…}, mail={…}) as site``."""

    @asynccontextmanager
    async def serve(placement: FakePlacement | None = None, **knobs: Any) -> AsyncIterator[Site]:
        knobs.setdefault("state_dir", tmp_path / "state")
        more = {
            f"{part}.{name}": value
            for part in ("supervisor", "mail", "rooms", "containers")
            for name, value in knobs.pop(part, {}).items()
        }
        flags = {"server.port": 0, "containers.engine": "process", **more}
        flags |= {f"server.{name}": value for name, value in knobs.items()}
        fake = placement or FakePlacement()
        # This process is the client as well, which is somebody else only where it is not the server's alone.
        server = Server(load_settings(flags=flags), [], placement=fake, owns_process=False)
        await server.start()
        site = Site(server, fake, server.front.port)
        try:
            yield site
        finally:
            for stream in site.streams:
                stream.close()
            await server.stop()

    return serve
