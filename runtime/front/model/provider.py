"""One model provider over HTTP/1.1, streaming: what it answers is passed on piece by piece, never gathered.

There is no HTTP client among the packages the front needs anyway; h11, which serves its own connections,
speaks both sides of the protocol, and asyncio does the rest.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Final
from urllib.parse import urlsplit

import h11

from runtime.errors import ConfigError, RuntimeServiceError

OPENAI_URL: Final = "https://api.openai.com/v1"
NO_KEY: Final = "none"
"""Sent where only a URL is set: local servers want a key to be there, not to be right."""

CONNECT_S: Final = 15.0
SILENCE_S: Final = 600.0
"""How long a provider may think without a byte; a plain answer comes only once all of it is written."""

READ_BYTES: Final = 65_536
MAX_HEAD_BYTES: Final = 65_536


class ProviderUnreachable(RuntimeServiceError):
    """The model provider could not be reached, or broke off."""

    code: ClassVar[str] = "provider_unreachable"


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """The head of an answer, and its body as it comes.

    Attributes:
        headers: Names in lower case.
        chunks: To be read once.  Raises `ProviderUnreachable` when the provider breaks off.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Provider:
    """A model provider.

    Args:
        url: Its base URL, up to ``/v1``.
        key: Sent as the bearer.

    Raises:
        ConfigError: `url` is no http or https URL.
    """

    def __init__(self, url: str, key: str) -> None:
        self.url, self._key = url.rstrip("/"), key or NO_KEY
        try:
            parts = urlsplit(self.url)
            self._host, port = parts.hostname or "", parts.port
        except ValueError:
            parts, self._host, port = urlsplit(""), "", None
        if parts.scheme not in ("http", "https") or not self._host:
            raise ConfigError(
                f"the model provider's URL {url[:200]!r} cannot be used",
                cure="Set OPENAI_BASE_URL to something like https://api.openai.com/v1.",
            )
        self._is_secure = parts.scheme == "https"
        self._port = port or (443 if self._is_secure else 80)
        self._authority = parts.netloc.rpartition("@")[2]
        self._path = parts.path

    @asynccontextmanager
    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[ProviderAnswer]:
        """Post JSON below the base URL; leaving the block closes the connection, finished or not.

        Args:
            headers: Sent besides those that every request needs.

        Raises:
            ProviderUnreachable: No connection, no answer in time, or not HTTP.
        """
        reader, writer = await self._connect()
        try:
            protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
            sent = {
                **headers,
                "host": self._authority,
                "authorization": f"Bearer {self._key}",
                "content-type": "application/json",
                "content-length": str(len(body)),
                "accept-encoding": "identity",  # compressed pieces could not be looked into
                "connection": "close",
            }
            head = h11.Request(method="POST", target=f"{self._path}{path}", headers=list(sent.items()))
            for event in (head, h11.Data(data=body), h11.EndOfMessage()):
                writer.write(protocol.send(event) or b"")
            # Not waited for: an answer may come before all of a long request is read.
            answered = await self._next(protocol, reader)
            while isinstance(answered, h11.InformationalResponse):
                answered = await self._next(protocol, reader)
            if not isinstance(answered, h11.Response):
                raise ProviderUnreachable(f"{self.url} broke off before it answered")
            told = {name.decode("latin-1"): value.decode("latin-1") for name, value in answered.headers}
            yield ProviderAnswer(answered.status_code, told, self._chunks(protocol, reader))
        except (OSError, h11.ProtocolError) as error:
            raise ProviderUnreachable(f"{self.url} broke off: {error}", cure="Try again.") from error
        finally:
            writer.close()
            with suppress(OSError, asyncio.TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_S):
                return await asyncio.open_connection(
                    self._host, self._port, ssl=_trust() if self._is_secure else None
                )
        except (OSError, TimeoutError) as error:
            raise ProviderUnreachable(
                f"the model provider at {self.url} cannot be reached: {error or type(error).__name__}",
                cure="Check OPENAI_BASE_URL and the network of the server.",
            ) from error

    async def _chunks(self, protocol: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        try:
            while isinstance(event := await self._next(protocol, reader), h11.Data):
                yield bytes(event.data)
        except (OSError, h11.ProtocolError) as error:
            raise ProviderUnreachable(f"{self.url} broke off: {error}", cure="Try again.") from error

    async def _next(self, protocol: h11.Connection, reader: asyncio.StreamReader) -> object:
        while (event := protocol.next_event()) is h11.NEED_DATA:
            try:
                async with asyncio.timeout(SILENCE_S):
                    data = await reader.read(READ_BYTES)
            except TimeoutError as error:
                raise ProviderUnreachable(f"{self.url} said nothing for {SILENCE_S:g} s") from error
            protocol.receive_data(data)
        return event


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()
