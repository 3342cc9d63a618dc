"""Takes mail, and sees to it that it comes to its agents, or to the server of who is elsewhere.

Mail for an address of ours waits on the disk until somebody receives from the queue of its room: an agent
that is not there yet, or was restarted, misses nothing.  Mail for others goes to the relay, which is tried
again with growing delays; without a relay it is kept in `sent`, where whoever develops an agent reads it.
Only the room's own participants send to others, and only under an address of their room.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from runtime.clock import Clock
from runtime.errors import RoomFull, RuntimeServiceError
from runtime.rooms.built_in.mail.mailboxes import Mailboxes
from runtime.rooms.built_in.mail.members import Members
from runtime.rooms.built_in.mail.relay import NotTaken, Relay, sent
from runtime.rooms.built_in.mail.spool import FOLDER, Letter, Spool
from runtime.rooms.files import on_disk, whole_on_disk
from runtime.rooms.token import Claims
from runtime.settings.mail import MailSettings
from runtime.wire.internet.smtp import MAX_ADDRESS_CHARS, Mail

log = structlog.get_logger("mail")

LOOK_S: Final = 0.25
"""How often it is looked whether somebody waits for what is here for him."""
FIRST_RETRY_S: Final = 30.0
LONGEST_RETRY_S: Final = 3600.0
MOST_HOPS: Final = 30
_MAKE: Final = "make a mailbox of that address first"


class Queues(Protocol):
    """The rooms, as the post office uses them."""

    def claims(self, token: str, *, room: str | None = None) -> Claims: ...

    def waits(self, room: str, queue: str) -> bool:
        """Whether somebody waits there for a message."""
        ...

    def hand_over(self, room: str, queue: str, message: Any) -> bool:
        """Give it to who waits; False where nobody does."""
        ...


class PostOffice:
    """The mail of one server.  Runs in: the front's event loop.

    Args:
        folder: The state folder.

    Attributes:
        mailboxes: Which addresses are ours.
    """

    def __init__(self, settings: MailSettings, folder: Path, rooms: Queues, clock: Clock) -> None:
        self._settings, self._rooms, self._clock = settings, rooms, clock
        self._relay = Relay.of(settings.relay, settings.relay_user, settings.relay_password)
        self._members = Members(settings.members)
        self.mailboxes = Mailboxes(folder)
        self.spool = Spool(
            folder / FOLDER,
            max_bytes=settings.max_waiting_bytes,
            keep_count=settings.keep_count,
            max_message_bytes=settings.max_bytes,
        )
        self._letters: dict[str, Letter] = {}
        self._came: dict[Callable[[], Awaitable[None]], asyncio.Event] = {
            way: asyncio.Event() for way in (self._deliver, self._send)
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Read what is kept and begin to deliver; raises ConfigError."""
        await self.mailboxes.load()
        await on_disk(self.spool.prepare)
        self._letters = {letter.id: letter for letter in await on_disk(self.spool.waiting)}
        self._tasks = [asyncio.create_task(self._go_on(way), name="mail") for way in self._came]

    async def aclose(self) -> None:
        """Stop; what is not delivered waits on the disk."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- who may; see `runtime.wire.internet.smtp.Judge`

    def authenticates(self, name: str, password: str) -> str:
        """A participant's name, and its token as the password."""
        try:
            claims = self._rooms.claims(password)
        except RuntimeServiceError:
            return "a participant's name and its token are needed"
        return "" if claims.name == name else "the token is another participant's"

    def may_send(self, sender: str, *, as_whom: str) -> str:
        """Anybody sends from outside; who is known sends under an address of its room."""
        if not as_whom:
            return ""
        mailbox = self.mailboxes.find(sender)
        if mailbox is None:
            return f"{sender[:100]} is none of our addresses: {_MAKE}"
        try:
            claims = self._rooms.claims(as_whom, room=mailbox.room)
        except RuntimeServiceError:
            return "that address is another room's"
        return "" if claims.allows_queue_receive(mailbox.queue) else "the token does not allow that mailbox"

    def may_reach(self, recipient: str, *, sender: str, as_whom: str) -> str:
        """From outside only our own addresses are reached, and one that is not public by members alone."""
        mailbox = self.mailboxes.find(recipient)
        if mailbox is not None:
            is_free = mailbox.public or as_whom or self._members.allow(sender)
            return "" if is_free else f"{mailbox.address} takes no mail from that sender: it is not public"
        if not as_whom:
            return f"there is no mailbox {recipient[:100]} here"
        return "" if "@" in recipient.strip("@") else f"{recipient[:100]} is no address"

    # ---- taking

    async def take(self, mail: Mail) -> None:
        """Keep a message; when this returns it is on the disk, also where it is cancelled meanwhile.

        Raises:
            RoomFull: As much waits as may, or it has been sent in circles.
        """
        if _hops(mail.raw) > MOST_HOPS:
            raise RoomFull("the message goes in circles")
        taking = asyncio.create_task(self._take(mail), name="mail")
        try:
            await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.wait((taking,))
            raise

    async def _take(self, mail: Mail) -> None:
        ours = [one for one in mail.recipients if self.mailboxes.find(one) is not None]
        others = [one for one in mail.recipients if one not in ours]
        groups = [*([one] for one in ours), *([others] if others else [])]
        made: list[Letter] = []
        async with self._turn:
            try:
                for group in groups:
                    letter = await whole_on_disk(
                        self.spool.add,
                        mail.sender,
                        group,
                        mail.raw,
                        now=self._clock.wall(),
                        from_outside=not mail.as_whom,
                    )
                    made.append(letter)
            except BaseException:
                for letter in made:  # all of its recipients, or none: the sender tries again
                    await on_disk(self.spool.done, letter, None)
                raise
        for letter in made:
            self._letters[letter.id] = letter
            log.info(
                "mail.accepted",
                id=letter.id,
                size_bytes=letter.size_bytes,
                to_room=letter.recipients != others,
            )
        for came in self._came.values():
            came.set()

    async def _go_on(self, way: Callable[[], Awaitable[None]]) -> None:
        """See again and again what can go this way; nothing is looked at while nothing waits."""
        while True:
            self._came[way].clear()
            await way()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S if self._letters else None):
                    await self._came[way].wait()

    # ---- to the rooms

    async def _deliver(self) -> None:
        now = self._clock.wall()
        for letter in [one for one in self._letters.values() if self._is_ours(one) and one.next_at <= now]:
            await self._safely(letter, self._hand_over(letter))

    async def _hand_over(self, letter: Letter) -> None:
        (address,) = letter.recipients
        mailbox = self.mailboxes.get(address)
        if not self._rooms.waits(mailbox.room, mailbox.queue):
            await self._give_up_late(letter, "no agent received it")
            return
        raw = await on_disk(self.spool.raw, letter.id)
        stamped = _stamp(letter, mailbox.address, self._clock.wall()) + raw
        message = {"base64": base64.b64encode(stamped).decode("ascii"), "address": mailbox.address}
        if self._rooms.hand_over(mailbox.room, mailbox.queue, message):
            await self._done(letter, None)
            log.info("mail.delivered", id=letter.id, room=mailbox.room)

    # ---- to others

    async def _send(self) -> None:
        now = self._clock.wall()
        for letter in [
            one for one in self._letters.values() if not self._is_ours(one) and one.next_at <= now
        ]:
            await self._safely(letter, self._send_on(letter))

    async def _send_on(self, letter: Letter) -> None:
        if letter.from_outside:
            await self._failed(letter, "its address was deleted")
            return
        if self._relay is None or not letter.recipients:
            await self._done(letter, "sent")
            log.info(
                "mail.kept", id=letter.id, detail="no relay is set: it is among the sent, and goes nowhere"
            )
            return
        raw = await on_disk(self.spool.raw, letter.id)
        try:
            refused, later = await sent(self._relay, letter.sender, letter.recipients, raw)
        except NotTaken as error:
            refused = error.refused
            later = {one: str(error) for one in letter.recipients if one not in refused}
        else:
            log.info("mail.sent", id=letter.id, refused=len(refused) + len(later))
        why = "; ".join(dict.fromkeys(refused.values()))[:500]
        if later:
            letter.recipients, letter.why = list(later), "; ".join(dict.fromkeys(later.values()))[:500]
            await self._again(letter)
            if refused:  # what will never arrive is told of now
                other = await on_disk(self.spool.add, letter.sender, list(refused), raw, now=letter.at)
                await self._failed(other, why)
        elif refused:
            letter.recipients = list(refused)
            await self._failed(letter, why)
        else:
            await self._done(letter, None)

    async def _again(self, letter: Letter) -> None:
        if await self._give_up_late(letter, letter.why):
            return
        delay_s = min(FIRST_RETRY_S * 2**letter.tries, LONGEST_RETRY_S)
        letter.tries += 1
        letter.next_at = self._clock.wall() + delay_s
        await on_disk(self.spool.update, letter)
        log.warning("mail.not_sent", id=letter.id, why=letter.why, again_in_s=delay_s)

    # ---- ends

    def _is_ours(self, letter: Letter) -> bool:
        return len(letter.recipients) == 1 and self.mailboxes.find(letter.recipients[0]) is not None

    async def _give_up_late(self, letter: Letter, why: str) -> bool:
        if self._clock.wall() - letter.at < self._settings.wait_s:
            return False
        await self._failed(letter, f"{why} within {self._settings.wait_s:g} s")
        return True

    async def _failed(self, letter: Letter, why: str) -> None:
        letter.why = why
        await self._done(letter, "failed")
        log.warning("mail.failed", id=letter.id, why=why, detail="it is kept among the failed")

    async def _done(self, letter: Letter, to: Any) -> None:
        await on_disk(self.spool.done, letter, to)
        self._letters.pop(letter.id, None)

    async def _safely(self, letter: Letter, work: Any) -> None:
        """One letter that cannot be read, or a full disk, is in nobody else's way."""
        try:
            await work
        except FileNotFoundError:
            self._letters.pop(letter.id, None)
        except (OSError, ValueError, KeyError, RuntimeServiceError) as error:
            letter.next_at = self._clock.wall() + FIRST_RETRY_S
            log.warning("mail.step_failed", id=letter.id, error=repr(error)[:200])


def _stamp(letter: Letter, address: str, now: float) -> bytes:
    """What the last server on the way writes above a message."""
    lines = (
        f"Return-Path: <{letter.sender[:MAX_ADDRESS_CHARS]}>",
        f"Delivered-To: {address}",
        f"Received: by bulkhead with id {letter.id}; {formatdate(now)}",
    )
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")


def _hops(raw: bytes) -> int:
    head = raw.partition(b"\r\n\r\n")[0].lower()
    return head.count(b"\r\nreceived:") + head.startswith(b"received:")
