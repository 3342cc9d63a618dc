"""The door for SMTP: agents hand in what they send, and other servers what is for our addresses."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import suppress
from typing import Final

import structlog

from runtime.errors import ConfigError, RuntimeServiceError
from runtime.rooms.built_in.mail.post_office import PostOffice
from runtime.wire.internet.smtp import SmtpSession

log = structlog.get_logger("mail")

MAX_CONNECTIONS: Final = 50
"""From this machine, and as many from elsewhere: nobody outside keeps agents from sending."""
SILENT_S: Final = 120.0
LONGEST_S: Final = 900.0
_PIECE_BYTES: Final = 64 << 10


class MailListener:
    """One listening socket.

    Args:
        max_bytes: One message.
    """

    def __init__(self, office: PostOffice, *, max_bytes: int) -> None:
        self._office, self._max_bytes = office, max_bytes
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], bool] = {}
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; raises ConfigError."""
        try:
            self._server = await asyncio.start_server(self._accept, host, port, limit=_PIECE_BYTES)
        except OSError as error:
            raise ConfigError(
                f"mail cannot be taken at {host}:{port}: {error.strerror}",
                cure="Choose another port: BULKHEAD_MAIL_PORT.",
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]
        log.info("mail.listening", address=f"{host}:{self.port}")

    async def aclose(self) -> None:
        """Hang up; messages that are kept stay kept."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        is_local = _is_local(writer.get_extra_info("peername"))
        if sum(one is is_local for one in self._open.values()) >= MAX_CONNECTIONS:
            writer.write(b"421 4.3.2 too many connections\r\n")
            await _hang_up(writer)
            return
        self._open[task] = is_local
        try:
            async with asyncio.timeout(LONGEST_S):
                await self._talk(reader, writer, is_local=is_local)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # it went away, or had its time
        except Exception:
            log.exception("mail.connection_failed")
        finally:
            del self._open[task]
            await _hang_up(writer)

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_local: bool
    ) -> None:
        session = SmtpSession(
            self._office,
            host="bulkhead",
            max_bytes=self._max_bytes,
            # Without TLS a token is told to nobody who is not on this machine.
            offers_auth=is_local,
        )
        while True:
            writer.write(session.replies())
            await writer.drain()
            if session.is_over:
                return
            async with asyncio.timeout(SILENT_S):
                came = await reader.read(_PIECE_BYTES)
            if not came:
                return
            session.feed(came)
            while (mail := session.take()) is not None:
                try:
                    await self._office.take(mail)
                except RuntimeServiceError as error:
                    session.not_kept(error.message)
                except OSError as error:
                    log.warning("mail.not_kept", error=repr(error)[:200])
                    session.not_kept("it could not be written down")
                else:
                    session.kept()


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            await writer.wait_closed()


def _is_local(peer: object) -> bool:
    try:
        address = ipaddress.ip_address(str(peer[0]))  # type: ignore[index]
    except (TypeError, ValueError, IndexError):
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
