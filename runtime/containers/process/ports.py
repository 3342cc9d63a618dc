"""Ports of boxes: a free one inside for each that is asked for, and a way to it from the named one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from runtime.containers.errors import EngineFailed
from runtime.errors import Conflict

_PIECE_BYTES: Final = 1 << 16
_MAX_CONNECTIONS: Final = 256
_LAST_S: Final = 1.0
_TRIES: Final = 1000


_given: set[int] = set()
"""Those that boxes were told to listen at: nobody else is told so before they do."""


class Ports:
    """Those of one box.  A process listens where it is told to, so each port of its own gets a free one.

    Attributes:
        inner: Where the box is to listen, by the port that it was asked for.
        outer: Where this machine reaches it.
    """

    def __init__(self) -> None:
        self.inner: dict[int, int] = {}
        self.outer: dict[int, int] = {}
        self._servers: list[asyncio.Server] = []
        self._passing: set[asyncio.Task[None]] = set()

    async def open(self, wanted: Mapping[int, int], address: str) -> None:
        """Listen for each.

        Raises:
            Conflict: A port is in use.
        """
        for port, outer in wanted.items():
            inner = self.inner[port] = _free_port()
            _given.add(inner)
            if not outer:
                self.outer[port] = inner
                continue

            async def passed(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inner: int = inner
            ) -> None:
                await self._pass(reader, writer, inner)

            try:
                server = await asyncio.start_server(passed, address, outer)
            except OSError as error:
                await self.close()
                raise Conflict(
                    f"port {outer} of {address} cannot be had: {error.strerror or error}",
                    cure="Name another; 0 takes a free one.",
                ) from error
            self._servers.append(server)
            self.outer[port] = outer

    async def close(self) -> None:
        """Let go of all of them."""
        _given.difference_update(self.inner.values())
        for server in self._servers:
            server.close()
        if self._passing:  # what the box said last is still on its way
            await asyncio.wait(set(self._passing), timeout=_LAST_S)
        for task in list(self._passing):
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, inner: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._passing) >= _MAX_CONNECTIONS:
            writer.close()
            return
        self._passing.add(task)
        further: asyncio.StreamWriter | None = None
        try:
            back, further = await asyncio.open_connection("127.0.0.1", inner)
            forward = asyncio.create_task(_copy(reader, further))
            try:
                await _copy(back, writer)  # when the box says no more, it is over
            finally:
                forward.cancel()
                await asyncio.gather(forward, return_exceptions=True)
        except OSError:
            pass  # either of them is gone
        finally:
            self._passing.discard(task)
            for one in (writer, further):
                if one is not None:
                    one.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE_BYTES):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()


def _free_port() -> int:
    try:
        for _ in range(_TRIES):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in _given:
                return port
        raise EngineFailed("no port is free: all were given to containers", cure="Stop some.")
    except OSError as error:
        raise EngineFailed(f"no port is free: {error.strerror}") from error
