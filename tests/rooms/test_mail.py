"""Mail of rooms, between real sockets: a mail client, our door, a room, and another server."""

from __future__ import annotations

import asyncio
import base64
import email
import smtplib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.clock import SystemClock
from runtime.errors import ConfigError, RuntimeServiceError
from runtime.files import kept_file
from runtime.rooms.built_in.mail import listener as listeners
from runtime.rooms.built_in.mail import mailboxes as registers
from runtime.rooms.built_in.mail import post_office, spool
from runtime.rooms.built_in.mail.listener import MailListener
from runtime.rooms.built_in.mail.mailboxes import FILE, Mailbox, Mailboxes
from runtime.rooms.built_in.mail.post_office import PostOffice
from runtime.rooms.built_in.mail.relay import Relay
from runtime.rooms.built_in.mail.spool import FOLDER, Letter
from runtime.settings.mail import MailSettings
from runtime.wire.internet.smtp import MAX_ADDRESS_CHARS, Mail, SmtpSession
from tests.patience import PATIENCE
from tests.rooms.conftest import PATIENCE_S, House

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

BOX = Mailbox(address="Bot@Here.example", room="lab", queue="mail")
RAW = b"From: b@there.example\r\nTo: bot@here.example\r\nSubject: hi\r\n\r\nhello\r\n.dot\r\n"


class Post:
    """A post office with its door."""

    def __init__(self, office: PostOffice, listener: MailListener) -> None:
        self.office, self.port = office, listener.port

    async def send(self, message: EmailMessage, *, to: str = "", auth: tuple[str, str] | None = None) -> None:
        """As mail clients do; raises smtplib's errors."""

        def send() -> None:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=30 * PATIENCE) as client:
                if auth is not None:
                    client.login(*auth)
                client.send_message(message, to_addrs=to or None)

        await asyncio.to_thread(send)

    async def letters(self, place: str) -> list[Letter]:
        listed = await asyncio.to_thread(lambda: list(self.office.spool.listed(100)))
        return [one for one in listed if one.place == place]

    async def until(self, place: str, count: int) -> list[Letter]:
        async with asyncio.timeout(PATIENCE_S):
            while len(found := await self.letters(place)) != count:
                await asyncio.sleep(0.02)
        return found


Open = Callable[..., Awaitable[Post]]


@pytest_asyncio.fixture
async def post(house: House, tmp_path: Path) -> AsyncIterator[Open]:
    """Open post offices; each begins with `BOX`, unless its folder has some."""
    parts: list[Any] = []

    async def made(folder: str = "here", **settings: Any) -> Post:
        home = tmp_path / folder
        home.mkdir(exist_ok=True)
        given = MailSettings(**settings)
        office = PostOffice(given, home, house.hub, SystemClock())
        await office.start()
        if not len(office.mailboxes):
            await office.mailboxes.add(BOX)
        listener = MailListener(office, max_bytes=given.max_bytes)
        await listener.start("127.0.0.1", 0)
        parts.extend((listener, office))
        return Post(office, listener)

    yield made
    for part in parts:
        await part.aclose()


def written(
    sender: str = "b@there.example", to: str = "bot@here.example", text: str = "hello"
) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, "hi"
    message.set_content(text)
    return message


async def received(house: House, **how: Any) -> EmailMessage:
    agent = await house.join("agent")
    answer = await agent.json("queues.receive", {"name": "mail", "wait": True, **how})
    assert answer["address"] == BOX.address
    message = email.message_from_bytes(base64.b64decode(answer["base64"]), policy=default)
    assert isinstance(message, EmailMessage)
    return message


async def test_mail_waits_on_the_disk_for_its_agent(house: House, post: Open, tmp_path: Path) -> None:
    first = await post()
    await first.send(written(text="wörld\n.point"))
    (waiting,) = await first.letters("waiting")
    (file,) = (tmp_path / "here" / FOLDER / "waiting").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    # Another server with the same folder: nothing that was accepted is lost.
    await first.office.aclose()
    again = await post()
    message = await received(house)
    assert message.get_content().split() == ["wörld", ".point"]
    assert message["Delivered-To"] == BOX.address
    assert message["Return-Path"] == "<b@there.example>"
    assert waiting.id in message["Received"]
    assert await again.until("waiting", 0) == []


async def test_from_outside_only_our_addresses_are_reached(house: House, post: Open) -> None:
    office = await post()
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="no mailbox"):
        await office.send(written(to="else@there.example"))
    with pytest.raises(smtplib.SMTPAuthenticationError):
        await office.send(written(), auth=("ada", "nonsense"))
    token = house.hub.token("lab", "ada")
    with pytest.raises(smtplib.SMTPAuthenticationError, match="another participant"):
        await office.send(written(), auth=("bob", token))
    assert await office.letters("waiting") == []


async def test_a_mailbox_that_is_not_public_takes_mail_of_members_and_of_participants(
    house: House, post: Open
) -> None:
    office = await post(members=("Ann@there.example", "*@team.example"))
    await office.office.mailboxes.add(Mailbox(address="all@here.example", room="lab", queue="q", public=True))
    for sender in ("b@there.example", "ann@there.example.evil", "x@sub.team.example"):
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="not public"):
            await office.send(written(sender))
        await office.send(written(sender, "all@here.example"))
    for sender in ("ann@There.example", "anybody@team.example"):
        await office.send(written(sender))
    own = written("bot@here.example", "bot@here.example")
    await office.send(own, auth=("agent", house.hub.token("lab", "agent")))
    assert len(await office.letters("waiting")) == 6
    assert office.office.may_reach("bot@here.example", sender="", as_whom="")
    for wrong in ("ann", "*ann@there.example", "ann@*", "@there.example"):
        with pytest.raises(ConfigError, match=r"mail.members has .*\*@example.com"):
            await post("wrong", members=(wrong,))


async def test_a_participant_sends_under_an_address_of_its_room_and_no_other(
    house: House, post: Open
) -> None:
    office = await post()
    out = written("bot@here.example", "b@there.example", "answer")
    await office.send(out, auth=("agent", house.hub.token("lab", "agent")))
    (sent,) = await office.until("sent", 1)  # no relay is set: this is as far as it goes
    assert sent.recipients == ["b@there.example"]
    assert b"answer" in office.office.spool.raw(sent.id)
    may_not = {"queues": {"receive": ["other"]}}
    for auth, why in (
        (("agent", house.hub.token("other", "agent")), "another room"),
        (("agent", house.hub.token("lab", "agent", scope=may_not)), "does not allow"),
    ):
        with pytest.raises(smtplib.SMTPSenderRefused, match=why):
            await office.send(out, auth=auth)
    with pytest.raises(smtplib.SMTPSenderRefused, match="make a mailbox"):
        await office.send(written("else@here.example"), auth=("agent", house.hub.token("lab", "agent")))


async def test_one_agent_writes_to_another_and_to_somebody_elsewhere(house: House, post: Open) -> None:
    office = await post()
    await office.office.mailboxes.add(Mailbox(address="two@here.example", room="lab", queue="two"))
    out = written("two@here.example", "bot@here.example, b@there.example", "both")
    await office.send(out, auth=("agent", house.hub.token("lab", "agent")))
    assert (await received(house)).get_content().strip() == "both"
    (sent,) = await office.until("sent", 1)
    assert sent.recipients == ["b@there.example"]


async def test_what_is_for_others_goes_to_the_relay_and_is_tried_again(
    house: House, post: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_office, "FIRST_RETRY_S", 0.05)
    there = await post("there")
    await there.office.mailboxes.add(Mailbox(address="b@there.example", room="lab", queue="b"))
    here = await post(relay=f"smtp://127.0.0.1:{there.port}")
    token = house.hub.token("lab", "agent")
    out = written("bot@here.example", "b@there.example, nobody@there.example", "over")
    await here.send(out, auth=("agent", token))
    (failed,) = await here.until("failed", 1)  # the server there does not know one of them
    assert failed.recipients == ["nobody@there.example"]
    assert "no mailbox" in failed.why
    (arrived,) = await there.letters("waiting")
    assert arrived.recipients == ["b@there.example"]
    # A server that is away for a moment is tried again.
    refused: list[int] = []
    send = Relay.send

    def away_at_first(self: Relay, *what: Any) -> dict[str, str]:
        if not refused:
            refused.append(1)
            return send(Relay("127.0.0.1", 1), *what)
        return send(self, *what)

    monkeypatch.setattr(Relay, "send", away_at_first)
    await here.send(written("bot@here.example", "b@there.example"), auth=("agent", token))
    await there.until("waiting", 2)
    await here.until("waiting", 0)
    assert refused


async def test_a_relay_that_is_silent_holds_up_no_end(
    house: House, post: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, over = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def silent(self: Relay, *what: Any) -> tuple[dict[str, str], dict[str, str]]:
        loop.call_soon_threadsafe(begun.set)
        over.wait(300)
        return {}, {}

    monkeypatch.setattr(Relay, "send", silent)
    here = await post(relay="smtp://127.0.0.1:1")
    out = written("bot@here.example", "b@there.example")
    await here.send(out, auth=("agent", house.hub.token("lab", "agent")))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await begun.wait()
            await here.office.aclose()
        # No thread is left that an interpreter waits for at its end.
        (thread,) = [one for one in threading.enumerate() if one.name == "mail-relay"]
        assert thread.daemon
        assert [one.recipients for one in await here.letters("waiting")] == [["b@there.example"]]
    finally:
        over.set()


async def test_who_may_be_reached_later_is_tried_again_and_who_never_is_told_of_at_once(
    house: House, post: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_office, "FIRST_RETRY_S", 0.05)
    there = await post("there")
    for name in ("b", "busy"):
        box = Mailbox(address=f"{name}@there.example", room="lab", queue=name)
        await there.office.mailboxes.add(box)
    seen: list[str] = []
    reached = SmtpSession._to

    def busy_at_first(self: SmtpSession, rest: str) -> None:
        seen.append(rest)
        if "busy@" in rest and len([one for one in seen if "busy@" in one]) == 1:
            self._say("450 4.2.1 later")
        else:
            reached(self, rest)

    here = await post(relay=f"smtp://127.0.0.1:{there.port}")
    token = house.hub.token("lab", "agent")
    out = written("bot@here.example", "b@there.example, busy@there.example, nobody@there.example", "over")
    raw = out.as_bytes().replace(b"\n", b"\r\n")
    to = tuple(str(out["To"]).split(", "))
    monkeypatch.setattr(SmtpSession, "_to", busy_at_first)
    await here.office.take(Mail("bot@here.example", to, raw, token))
    arrived = await there.until("waiting", 2)
    assert sorted(one.recipients[0] for one in arrived) == ["b@there.example", "busy@there.example"]
    (failed,) = await here.until("failed", 1)
    assert failed.recipients == ["nobody@there.example"]
    assert await here.until("waiting", 0) == []


async def test_mail_from_outside_whose_address_is_deleted_goes_nowhere_else(post: Open) -> None:
    there = await post("there")
    here = await post(relay=f"smtp://127.0.0.1:{there.port}")
    await here.office.take(Mail("b@there.example", (BOX.address,), RAW))
    await here.office.mailboxes.delete(BOX.address)
    (failed,) = await here.until("failed", 1)
    assert (failed.recipients, failed.why) == ([BOX.address], "its address was deleted")
    assert await there.letters("waiting") == []


async def test_who_goes_away_while_a_letter_is_written_leaves_it_to_its_agent(
    house: House, post: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = await post()
    writes, go_on = asyncio.Event(), threading.Event()
    loop, add = asyncio.get_running_loop(), office.office.spool.add

    def slow(*what: Any, **more: Any) -> Letter:
        loop.call_soon_threadsafe(writes.set)
        assert go_on.wait(PATIENCE_S)
        return add(*what, **more)

    monkeypatch.setattr(office.office.spool, "add", slow)
    taking = asyncio.create_task(office.office.take(Mail("b@there.example", (BOX.address,), RAW)))
    await writes.wait()
    taking.cancel()
    loop.call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert "hello" in (await received(house)).get_content()
    assert await office.until("waiting", 0) == []


async def test_a_letter_that_cannot_be_read_is_not_asked_for_again_at_once(
    house: House, post: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = await post()
    asked: list[str] = []

    def unreadable(id: str) -> bytes:
        asked.append(id)
        raise OSError(5, "Input/output error")

    await office.office.take(Mail("b@there.example", (BOX.address,), RAW))
    monkeypatch.setattr(office.office.spool, "raw", unreadable)
    agent = await house.join("agent")
    await agent.start("queues.receive", {"name": "mail", "wait": True})
    async with asyncio.timeout(PATIENCE_S):
        while not asked:
            await asyncio.sleep(0.02)
    monkeypatch.setattr(post_office, "LOOK_S", 0.0)
    for _ in range(20):
        await office.office._deliver()
    assert len(asked) == 1


async def test_what_nobody_receives_is_given_up_and_kept_among_the_failed(post: Open) -> None:
    office = await post(wait_s=1)
    await office.send(written())
    (failed,) = await office.until("failed", 1)
    assert "no agent received it within 1 s" in failed.why


async def test_everything_has_its_bound(post: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    office = await post(max_waiting_bytes=1 << 20, max_bytes=900 << 10, keep_count=2, wait_s=1)
    await office.send(written(text="x" * 600_000))
    with pytest.raises(smtplib.SMTPDataError, match="wait for their agents"):
        await office.send(written(text="x" * 600_000))
    with pytest.raises(smtplib.SMTPResponseException, match="may have"):
        await office.send(written(text="x" * 1_000_000))
    circling = Mail("b@there.example", ("bot@here.example",), b"Received: x\r\n" * 31 + b"\r\nx")
    with pytest.raises(RuntimeServiceError, match="circles"):
        await office.office.take(circling)
    monkeypatch.setattr(spool, "MAX_WAITING", 1)
    with pytest.raises(RuntimeServiceError, match="wait for their agents"):
        await office.office.take(Mail("b@there.example", ("bot@here.example",), RAW))
    monkeypatch.undo()
    await office.until("failed", 1)
    for _ in range(3):
        await office.office.take(Mail("b@there.example", ("bot@here.example",), RAW))
    await office.until("waiting", 0)
    assert len(await office.until("failed", 2)) == 2


async def test_as_many_mailboxes_as_may_be_are_read_again(tmp_path: Path) -> None:
    held = Mailboxes(tmp_path)
    await held.load()
    wide = "\U0001f4ee"
    address = wide * (MAX_ADDRESS_CHARS - 5) + "@here"
    notes = {"x": "y" * (registers.MAX_NOTES_BYTES - 10)}
    queue = wide * registers.MAX_QUEUE_CHARS
    await held.add(Mailbox(address=address, room="r" * 63, queue=queue, annotations=notes))
    assert (tmp_path / FILE).stat().st_size * registers.MAX_MAILBOXES <= registers.MOST_BYTES


async def test_a_mailbox_that_was_written_is_there_though_its_asker_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Mailboxes(tmp_path)
    await held.load()
    loop, writes, write = asyncio.get_running_loop(), asyncio.Event(), kept_file.write

    def slow(*what: Any) -> None:
        loop.call_soon_threadsafe(writes.set)
        write(*what)

    monkeypatch.setattr(kept_file, "write", slow)
    adding = asyncio.create_task(held.add(BOX))
    await writes.wait()
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert held.find(BOX.address) == BOX


async def test_mailboxes_are_kept_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Mailboxes(tmp_path)
    await held.load()
    await held.add(BOX)
    again = Mailboxes(tmp_path)
    await again.load()
    assert again.find("bot@HERE.example") == BOX
    with pytest.raises(RuntimeServiceError, match="already"):
        await again.add(BOX)
    fine: dict[str, Any] = {"address": "x@here", "room": "lab", "queue": "q"}
    for wrong in (
        {"address": "none"},
        {"room": "no/room"},
        {"queue": ""},
        {"annotations": {"x": "y" * 9999}},
    ):
        with pytest.raises(RuntimeServiceError):
            await again.add(Mailbox(**{**fine, **wrong}))
    monkeypatch.setattr(registers, "MAX_MAILBOXES", 1)
    with pytest.raises(RuntimeServiceError, match="has 1 mailboxes"):
        await again.add(Mailbox(address="more@here", room="lab", queue="q"))
    await again.delete("BOT@here.example")
    with pytest.raises(RuntimeServiceError, match="no mailbox"):
        await again.delete(BOX.address)
    (tmp_path / FILE).write_text("nonsense")
    with pytest.raises(ConfigError, match="backup"):
        await again.load()


@pytest.mark.parametrize(
    "url", ["mail.example.com", "http://mail.example.com", "smtp://u:p@mail.example.com", "smtp://:x"]
)
async def test_an_address_that_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no address of a mail server"):
        Relay.of(url, "", "")


async def test_a_password_is_told_to_no_server_without_tls(
    monkeypatch: pytest.MonkeyPatch, post: Open
) -> None:
    office = await post()
    relay = Relay("127.0.0.1", office.port, user="ada", password="hunter2")
    assert "hunter2" not in repr(relay)
    monkeypatch.setattr("runtime.rooms.built_in.mail.relay._THIS_MACHINE", ())
    with pytest.raises(Exception, match="offers no TLS"):
        await asyncio.to_thread(relay.send, "a@b", ["c@d"], RAW)


async def test_connections_are_bounded(post: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "MAX_CONNECTIONS", 1)
    office = await post()
    reader, writer = await asyncio.open_connection("127.0.0.1", office.port)
    async with asyncio.timeout(PATIENCE_S):
        assert (await reader.readline()).startswith(b"220 ")
        with pytest.raises(smtplib.SMTPConnectError, match="too many"):
            await office.send(written())
        # Who comes from elsewhere takes no place from here, and is told of no passwords.
        monkeypatch.setattr(listeners, "_is_local", lambda _: False)
        await office.send(written())
        with pytest.raises(smtplib.SMTPNotSupportedError):
            await office.send(written(), auth=("ada", "token"))
    writer.close()
    await writer.wait_closed()
