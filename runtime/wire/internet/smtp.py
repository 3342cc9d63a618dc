"""One session of SMTP, seen from the server: bytes in, replies and whole messages out.  Pure.

Theory: the client speaks lines, and after DATA a message that ends with a line that is a point.  Whoever
drives this hands in what came and sends what `replies` gives.  Two things it cannot know are asked of a
`Judge`: who somebody is, and who may write to whom.  A message that came whole is handed out by `take`; the
client is answered only when the driver says that it is kept (`kept`) or not (`not_kept`), so an answer of 250
never means less than that.

    GREETED    → EHLO, HELO
    READY      → AUTH, MAIL; after MAIL: RCPT, DATA
    CHALLENGED → the next line of an AUTH
    DATA       → lines of the message
    HANDED     → nothing is read until it is kept, or not

Bounds: a line, the recipients, the size of a message, and how much nonsense is borne.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

MAX_LINE_BYTES: Final = 4096
"""Longer than RFC 5321 asks for: a participant token goes through AUTH in one line, doubled by its base64."""
MAX_AUTH_BYTES: Final = 48 << 10
MAX_RECIPIENTS: Final = 100
MAX_ERRORS: Final = 10
MAX_ADDRESS_CHARS: Final = 254


class Judge(Protocol):
    """What is decided outside.  Each gives the reason of a refusal, or an empty text."""

    def authenticates(self, name: str, password: str) -> str: ...

    def may_send(self, sender: str, *, as_whom: str) -> str: ...

    def may_reach(self, recipient: str, *, sender: str, as_whom: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Mail:
    """A message that came whole.

    Attributes:
        as_whom: Who sent it, as AUTH said; empty for somebody from outside.
        raw: As it is to be kept: lines end with CR LF.
    """

    sender: str
    recipients: tuple[str, ...]
    raw: bytes = field(repr=False)
    as_whom: str = field(default="", repr=False)


class _State(Enum):
    GREETED = "greeted"
    READY = "ready"
    CHALLENGED = "challenged"
    DATA = "data"
    HANDED = "handed"


class SmtpSession:
    """The server's side of one connection.

    Args:
        host: What it calls itself.
        max_bytes: One message.
        offers_auth: Whether names and passwords are taken on this connection.
    """

    def __init__(self, judge: Judge, *, host: str, max_bytes: int, offers_auth: bool) -> None:
        self._judge, self._host, self._max_bytes, self._offers_auth = judge, host, max_bytes, offers_auth
        self._state = _State.GREETED
        self._unread = bytearray()
        self._replies = bytearray(f"220 {host} ESMTP\r\n".encode())
        self._as_whom, self._name = "", ""
        self._mechanism = ""
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._body = bytearray()
        self._is_at_line = True  # what came last of a message ended with CRLF, or it begins
        self._is_within_line = False  # its beginning was kept already
        self._is_too_large = False
        self._errors = 0
        self._mail: Mail | None = None
        self.is_over = False
        """The connection is to be closed once `replies` are sent."""

    def feed(self, data: bytes) -> None:
        """What came from the client; whatever it is, this does not raise."""
        self._unread += data
        self._read()

    def replies(self) -> bytes:
        """What to send; nothing of it is given twice."""
        given, self._replies = bytes(self._replies), bytearray()
        return given

    def take(self) -> Mail | None:
        """A message that is to be kept now; `kept` or `not_kept` is to follow."""
        mail, self._mail = self._mail, None
        return mail

    def kept(self) -> None:
        """The message is safe."""
        self._after_mail("250 2.0.0 kept")

    def not_kept(self, why: str, *, for_now: bool = True) -> None:
        """It is not; the client may try again, or not."""
        self._after_mail(f"{'451 4.3.0' if for_now else '554 5.6.0'} {why}")

    # ---- reading

    def _read(self) -> None:
        while not self.is_over and self._state is not _State.HANDED:
            end = self._unread.find(b"\n")
            most = MAX_AUTH_BYTES if self._state in (_State.CHALLENGED, _State.READY) else MAX_LINE_BYTES
            if self._state is _State.DATA:
                if not self._read_data(end):
                    return
                continue
            if end < 0 and len(self._unread) <= most:
                return
            if end < 0 or end > most:
                self._say("500 5.5.2 the line is too long")
                self.is_over = True
                return
            line = bytes(self._unread[:end]).rstrip(b"\r")
            del self._unread[: end + 1]
            self._line(line.decode("utf-8", "replace"))

    def _read_data(self, end: int) -> bool:
        """One line of a message; False where more must come first."""
        if end < 0:
            if len(self._unread) > MAX_LINE_BYTES:  # a line may be long, what is kept of it is bounded below
                # A CR that is the last may be half of a CRLF.
                whole = len(self._unread) - self._unread.endswith(b"\r")
                self._keep(bytes(self._unread[:whole]))
                del self._unread[:whole]
                self._is_at_line, self._is_within_line = False, True
            return False
        line = bytes(self._unread[: end + 1])
        del self._unread[: end + 1]
        is_at_line, self._is_at_line = self._is_at_line, line.endswith(b"\r\n")
        is_within_line, self._is_within_line = self._is_within_line, False
        if is_at_line and line == b".\r\n":
            self._ended()
            return True
        if line in (b".\n", b".\r\n") and not is_within_line:
            # To who passed it on it is text, and what follows, too: here that would be another message.
            self._say("550 5.5.2 a message ends with a dot between CRLFs, and not with one beside a bare LF")
            self.is_over = True
            return True
        if is_at_line and line.startswith(b"."):
            line = line[1:]
        self._keep(line if line.endswith(b"\r\n") else line[:-1] + b"\r\n")
        return True

    def _keep(self, piece: bytes) -> None:
        if self._is_too_large or len(self._body) + len(piece) > self._max_bytes:
            self._is_too_large = True
            self._body.clear()
        else:
            self._body += piece

    def _ended(self) -> None:
        body, self._body = bytes(self._body), bytearray()
        if self._is_too_large:
            self._is_too_large = False
            self._after_mail(f"552 5.3.4 a message may have {self._max_bytes} bytes")
            return
        assert self._sender is not None
        self._mail = Mail(self._sender, tuple(self._recipients), body, self._as_whom)
        self._state = _State.HANDED

    def _after_mail(self, reply: str) -> None:
        self._reset()
        self._state = _State.READY
        self._say(reply)
        self._read()

    # ---- commands

    def _line(self, line: str) -> None:
        if self._state is _State.CHALLENGED:
            self._challenged(line)
            return
        verb, _, rest = line.partition(" ")
        match verb.upper():
            case "EHLO":
                self._hello()
            case "HELO":
                self._state = _State.READY
                self._reset()
                self._say(f"250 {self._host}")
            case "NOOP":
                self._say("250 2.0.0 ok")
            case "RSET":
                self._reset()
                self._say("250 2.0.0 ok")
            case "QUIT":
                self._say("221 2.0.0 bye")
                self.is_over = True
            case "VRFY":
                self._say("252 2.1.5 send it and see")
            case _ if self._state is _State.GREETED:
                self._wrong("503 5.5.1 say EHLO first")
            case "AUTH":
                self._auth(rest)
            case "MAIL":
                self._from(rest)
            case "RCPT":
                self._to(rest)
            case "DATA":
                self._begin_data()
            case _:
                self._wrong("502 5.5.1 no such command here")

    def _hello(self) -> None:
        self._state = _State.READY
        self._reset()
        lines = [self._host, f"SIZE {self._max_bytes}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
        if self._offers_auth:
            lines.append("AUTH PLAIN LOGIN")
        for line in lines[:-1]:
            self._say(f"250-{line}")
        self._say(f"250 {lines[-1]}")

    def _auth(self, rest: str) -> None:
        mechanism, _, given = rest.partition(" ")
        self._mechanism = mechanism.upper()
        if not self._offers_auth:
            self._wrong("502 5.5.1 names and passwords are taken from this machine alone")
        elif self._as_whom or self._sender is not None:
            self._wrong("503 5.5.1 not now")
        elif self._mechanism not in ("PLAIN", "LOGIN"):
            self._wrong("504 5.5.4 PLAIN or LOGIN")
        else:
            self._state, self._name = _State.CHALLENGED, ""
            if given:
                self._challenged("" if given == "=" else given)
            else:
                self._say("334 " if self._mechanism == "PLAIN" else "334 VXNlcm5hbWU6")

    def _challenged(self, line: str) -> None:
        try:
            text = base64.b64decode(line, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            self._state = _State.READY
            self._wrong("501 5.5.2 that is no base64")
            return
        if self._mechanism == "PLAIN":
            _, _, rest = text.partition("\0")
            name, _, password = rest.partition("\0")
        elif not self._name:
            self._name = text
            self._say("334 UGFzc3dvcmQ6")
            return
        else:
            name, password = self._name, text
        self._state = _State.READY
        why = self._judge.authenticates(name, password)
        if why:
            self._wrong(f"535 5.7.8 {why}")
        else:
            self._as_whom = password
            self._say("235 2.7.0 welcome")

    def _from(self, rest: str) -> None:
        sender = _path(rest, "FROM:")
        if self._sender is not None:
            self._wrong("503 5.5.1 one message after the other")
        elif sender is None:
            self._wrong("501 5.1.7 MAIL FROM:<address>")
        elif _size(rest) > self._max_bytes:
            self._wrong(f"552 5.3.4 a message may have {self._max_bytes} bytes")
        elif why := self._judge.may_send(sender, as_whom=self._as_whom):
            self._wrong(f"550 5.7.1 {why}")
        else:
            self._sender = sender
            self._say("250 2.1.0 ok")

    def _to(self, rest: str) -> None:
        recipient = _path(rest, "TO:")
        if self._sender is None:
            self._wrong("503 5.5.1 MAIL FROM comes first")
        elif not recipient:
            self._wrong("501 5.1.3 RCPT TO:<address>")
        elif len(self._recipients) >= MAX_RECIPIENTS:
            self._wrong(f"452 4.5.3 at most {MAX_RECIPIENTS} recipients")
        elif why := self._judge.may_reach(recipient, sender=self._sender, as_whom=self._as_whom):
            self._wrong(f"550 5.1.1 {why}")
        else:
            if recipient not in self._recipients:
                self._recipients.append(recipient)
            self._say("250 2.1.5 ok")

    def _begin_data(self) -> None:
        if not self._recipients:
            self._wrong("503 5.5.1 RCPT TO comes first")
        else:
            self._state = _State.DATA
            self._say("354 end with a point on a line of its own")

    def _reset(self) -> None:
        self._sender, self._recipients = None, []

    def _wrong(self, reply: str) -> None:
        self._errors += 1
        if self._errors > MAX_ERRORS:
            self._say("421 4.7.0 too many errors")
            self.is_over = True
        else:
            self._say(reply)

    def _say(self, reply: str) -> None:
        # A reason may have anything in it; a reply is one line.
        self._replies += " ".join(reply.split("\n")).replace("\r", " ")[:500].encode("utf-8", "replace")
        self._replies += b"\r\n"


def _path(rest: str, keyword: str) -> str | None:
    """``FROM:<a@b> SIZE=3`` -> ``a@b``; empty for the empty path; None where it is none."""
    if not rest.upper().startswith(keyword):
        return None
    path, found, _ = rest[len(keyword) :].strip().removeprefix("<").partition(">")
    if (
        not found
        or len(path) > MAX_ADDRESS_CHARS
        or not path.isprintable()
        or any(one in " <>" for one in path)
    ):
        return None  # it is to stand in a header: other separators than CRLF are line ends to some
    return path


def _size(rest: str) -> int:
    _, found, value = rest.upper().partition(" SIZE=")
    digits = value.split(" ")[0]
    return int(digits) if found and digits.isdigit() and len(digits) < 20 else 0
