"""The way of mail to others: one server that takes it, asked by the standard library in a thread.

The thread is a daemon of its own, so a server that ends does not wait for one that is silent.
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

from runtime.errors import ConfigError

TIMEOUT_S = 60.0
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
_PORTS = {"smtp": 587, "smtps": 465}


class NotTaken(Exception):
    """The server did not take it.

    Attributes:
        refused: Recipients that it will never take it for, with its words; the others may be tried again.
    """

    def __init__(self, why: str, refused: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.refused = refused or {}


@dataclass(frozen=True, slots=True)
class Relay:
    """Where mail for others is handed in.

    Attributes:
        is_tls: From the first byte; else it is asked for where the server offers it, and demanded
            before a password is told.
    """

    host: str
    port: int
    is_tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, user: str, password: str) -> Relay | None:
        """From ``smtp://host:587`` or ``smtps://host``; None where there is none.  Raises ConfigError."""
        if not url:
            return None
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            parts, port = urlsplit(""), 0
        if not port or not parts.hostname or parts.username or parts.password:
            raise ConfigError(
                "mail.relay is no address of a mail server",
                cure="Like smtp://mail.example.com:587; user and password are settings of their own.",
            )
        return cls(parts.hostname, port, parts.scheme == "smtps", user, password)

    def send(
        self, sender: str, recipients: Sequence[str], raw: bytes
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Hand in one message; blocks.

        Returns:
            Recipients that it refused for good, and those that it refused for now, with its words.

        Raises:
            NotTaken: None of it was taken.
        """
        try:
            with self._connected() as server:
                extras = ["SMTPUTF8", "BODY=8BITMIME"] if _needs_utf8(sender, recipients) else []
                refused = server.sendmail(sender, list(recipients), raw, mail_options=extras)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
            final = {who: _words(reply) for who, reply in refused.items() if reply[0] >= 500}
            raise NotTaken("no recipient was taken", final) from None
        except (smtplib.SMTPException, OSError) as error:
            code = getattr(error, "smtp_code", 0)
            why = f"{type(error).__name__}: {str(error)[:200]}"
            is_final = isinstance(code, int) and 500 <= code < 600 and code not in (530, 535, 538)
            raise NotTaken(why, dict.fromkeys(recipients, why) if is_final else {}) from None
        final = {who: _words(reply) for who, reply in refused.items() if reply[0] >= 500}
        return final, {who: _words(reply) for who, reply in refused.items() if who not in final}

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.is_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
        try:
            server.ehlo_or_helo_if_needed()
            if not self.is_tls and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            elif not self.is_tls and self.user and self.host not in _THIS_MACHINE:
                raise smtplib.SMTPNotSupportedError("it offers no TLS, so it is not told a password")
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server


async def sent(
    relay: Relay, sender: str, recipients: Sequence[str], raw: bytes
) -> tuple[dict[str, str], dict[str, str]]:
    """See `Relay.send`; whoever gives up waiting does not hold anything up."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[dict[str, str], dict[str, str]]] = loop.create_future()

    def tell(told: Callable[[], None]) -> None:
        if not answer.done():
            told()

    def work() -> None:
        told: Callable[[], None]
        try:
            told = partial(answer.set_result, relay.send(sender, recipients, raw))
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            told = partial(answer.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, told)

    threading.Thread(target=work, name="mail-relay", daemon=True).start()
    return await answer


def _words(reply: tuple[int, bytes]) -> str:
    return f"{reply[0]} {reply[1].decode('utf-8', 'replace')[:200]}"


def _needs_utf8(sender: str, recipients: Sequence[str]) -> bool:
    return not all(one.isascii() for one in (sender, *recipients))
