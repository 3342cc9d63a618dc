"""SMTP from the server's side: what is answered, what is handed out, and how much is borne."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.wire.internet.smtp import MAX_ERRORS, MAX_LINE_BYTES, MAX_RECIPIENTS, Mail, SmtpSession

pytestmark = pytest.mark.unit

BODY = b"Subject: hi\r\n\r\nline\r\n..two points\r\n"
KEPT = b"Subject: hi\r\n\r\nline\r\n.two points\r\n"


class Rules:
    """Lets ada in with her token, write as a@here, and reach everybody but nobody@."""

    def authenticates(self, name: str, password: str) -> str:
        return "" if (name, password) == ("ada", "token") else "who are you\nreally"

    def may_send(self, sender: str, *, as_whom: str) -> str:
        return "" if not as_whom or sender == "a@here" else "not yours"

    def may_reach(self, recipient: str, *, sender: str, as_whom: str) -> str:
        return "no such mailbox" if recipient.startswith("nobody@") or sender == "evil@there" else ""


def opened(max_bytes: int = 10_000, *, offers_auth: bool = True) -> SmtpSession:
    session = SmtpSession(Rules(), host="here", max_bytes=max_bytes, offers_auth=offers_auth)
    assert session.replies() == b"220 here ESMTP\r\n"
    return session


def say(session: SmtpSession, *lines: bytes) -> list[bytes]:
    session.feed(b"".join(line + b"\r\n" for line in lines))
    return [reply[:3] for reply in session.replies().splitlines()]


def with_mail(session: SmtpSession) -> None:
    assert say(session, b"MAIL FROM:<b@there> SIZE=3", b"RCPT TO:<a@here>", b"DATA") == [
        b"250",
        b"250",
        b"354",
    ]


def test_a_message_is_handed_out_whole_and_answered_when_it_is_kept() -> None:
    session = opened()
    assert b"250-SIZE 10000" in (session.feed(b"EHLO there\r\n"), session.replies())[1].splitlines()
    with_mail(session)
    assert say(session, *BODY.split(b"\r\n")[:-1], b".", b"NOOP") == []  # nothing before it is kept
    assert session.take() == Mail("b@there", ("a@here",), KEPT)
    assert session.take() is None
    session.kept()
    assert [reply[:3] for reply in session.replies().splitlines()] == [b"250", b"250"]
    with_mail(session)
    say(session, b"x", b".")
    session.not_kept("the disk is full")
    assert session.replies().startswith(b"451 ")


@given(st.lists(st.integers(1, 40), max_size=60))
def test_it_is_the_same_message_however_its_bytes_come(cuts: list[int]) -> None:
    session = opened()
    stream = b"EHLO x\r\nMAIL FROM:<b@there>\r\nRCPT TO:<a@here>\r\nDATA\r\n" + BODY + b".\r\n"
    for cut in cuts:
        session.feed(stream[:cut])
        stream = stream[cut:]
    session.feed(stream)
    mail = session.take()
    assert mail is not None
    assert mail.raw == KEPT


@pytest.mark.parametrize("cut", range(MAX_LINE_BYTES, MAX_LINE_BYTES + 8))
def test_a_long_line_is_the_same_wherever_it_is_cut(cut: int) -> None:
    session, line = opened(), b"x" * MAX_LINE_BYTES + b"xx.\r\n"
    session.feed(b"EHLO x\r\nMAIL FROM:<b@there>\r\nRCPT TO:<a@here>\r\nDATA\r\n")
    stream = line + b".\r\n"
    session.feed(stream[:cut])
    session.feed(stream[cut:])
    mail = session.take()
    assert mail is not None
    assert mail.raw == line


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"x" * 20_000 + b".\r\n"])
def test_no_message_ends_where_who_passed_it_on_would_not_have_it_end(end: bytes) -> None:
    """What is behind it would be another message, of whomever its author wants it to be."""
    session = opened()
    session.feed(b"EHLO x\r\nMAIL FROM:<b@there>\r\nRCPT TO:<a@here>\r\nDATA\r\none" + end[:-3])
    session.feed(end[-3:])  # a long line comes in pieces
    session.feed(b"MAIL FROM:<boss@there>\r\nRCPT TO:<a@here>\r\nDATA\r\ntwo\r\n.\r\n")
    mail = session.take()
    assert mail is None or (mail.sender, b"two" in mail.raw) == ("b@there", True)
    assert session.take() is None
    assert mail is not None or session.is_over or b"552" in session.replies()


@pytest.mark.parametrize("odd", ["\r", "\0", "\x85", "\u2028", "\x1b", " ", "<"])
def test_an_address_has_nothing_that_ends_a_line(odd: str) -> None:
    session = opened()
    assert say(session, b"EHLO x", f"MAIL FROM:<a{odd}X: y@there>".encode())[-1] == b"501"
    assert say(session, "MAIL FROM:<grüße@there>".encode()) == [b"250"]


@given(st.binary(max_size=3000))
def test_nonsense_is_borne_and_ended(noise: bytes) -> None:
    session = opened()
    session.feed(b"EHLO x\r\n" + noise + b"\r\n" * 3)
    assert session.take() is None
    assert all(line[:3].isdigit() for line in session.replies().splitlines())


@pytest.mark.parametrize("mechanism", ["PLAIN", "PLAIN now", "LOGIN", "LOGIN now"])
def test_a_name_and_a_token_are_taken_in_both_ways(mechanism: str) -> None:
    session = opened()
    say(session, b"EHLO x")
    name, token = base64.b64encode(b"ada"), base64.b64encode(b"token")
    plain = base64.b64encode(b"\0ada\0token")
    said = {
        "PLAIN": (b"AUTH PLAIN", plain),
        "PLAIN now": (b"AUTH PLAIN " + plain,),
        "LOGIN": (b"AUTH LOGIN", name, token),
        "LOGIN now": (b"AUTH LOGIN " + name, token),
    }[mechanism]
    assert say(session, *said)[-1] == b"235"
    assert say(session, b"MAIL FROM:<b@there>", b"MAIL FROM:<a@here>") == [b"550", b"250"]
    assert say(session, b"RCPT TO:<b@there>", b"DATA", b"x", b".") == [b"250", b"354"]
    mail = session.take()
    assert mail is not None
    assert mail.as_whom == "token"
    assert "token" not in repr(mail)


def test_who_is_not_known_is_told_so_on_one_line() -> None:
    session = opened()
    say(session, b"EHLO x", b"AUTH PLAIN")
    session.feed(base64.b64encode(b"\0eve\0token") + b"\r\n")
    assert session.replies() == b"535 5.7.8 who are you really\r\n"
    elsewhere = opened(offers_auth=False)
    assert say(elsewhere, b"EHLO x", b"AUTH PLAIN " + base64.b64encode(b"\0ada\0token"))[-1] == b"502"


def test_commands_out_of_their_order_are_refused() -> None:
    session = opened()
    assert say(session, b"MAIL FROM:<b@there>", b"EHLO x") == [b"503", *[b"250"] * 6]
    assert say(session, b"RCPT TO:<a@here>", b"DATA", b"MAIL FROM:b@there", b"nonsense") == [
        b"503",
        b"503",
        b"501",
        b"502",
    ]
    assert say(session, b"MAIL FROM:<>", b"RCPT TO:<nobody@here>", b"RSET", b"QUIT") == [
        b"250",
        b"550",
        b"250",
        b"221",
    ]
    assert session.is_over


def test_everything_has_its_bound() -> None:
    session = opened(max_bytes=100)
    say(session, b"EHLO x")
    assert say(session, b"MAIL FROM:<b@there> SIZE=101") == [b"552"]
    with_mail(session)
    assert say(session, b"x" * 200, b"y", b".") == [b"552"]
    say(session, b"MAIL FROM:<b@there>")
    many = [b"RCPT TO:<%d@here>" % number for number in range(MAX_RECIPIENTS + 1)]
    assert say(session, *many)[-1] == b"452"
    with_long = opened()
    with_long.feed(b"x" * (MAX_LINE_BYTES + 1))
    assert with_long.is_over
    rude = opened()
    assert say(rude, *[b"nonsense"] * (MAX_ERRORS + 5))[-1] == b"421"
    assert rude.is_over
    # A line of a message may be long; the whole counts.
    session.feed(b"RSET\r\n")
    session.replies()
    with_mail(session)
    session.feed(b"z" * 50_000)
    assert say(session, b"", b".") == [b"552"]


def test_whom_a_sender_may_reach_is_asked_with_who_it_is() -> None:
    session = opened()
    assert say(session, b"HELO x", b"MAIL FROM:<evil@there>", b"RCPT TO:<a@here>") == [b"250", b"250", b"550"]
