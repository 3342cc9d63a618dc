"""The addresses that this server takes mail for: each leads to a queue of a room.  Kept in one small file."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from runtime.errors import ConfigError, Conflict, InvalidRequest, NotFound, RoomFull
from runtime.files import kept_file, plain_file
from runtime.rooms.files import on_disk, whole_on_disk
from runtime.wire.internet.smtp import MAX_ADDRESS_CHARS
from runtime.wire.room_name import ROOM_NAME_RULE, is_room_name

FILE: Final = "mailboxes.json"
MAX_MAILBOXES: Final = 1000
MAX_QUEUE_CHARS: Final = 254
MAX_NOTES_BYTES: Final = 4096
MOST_BYTES: Final = MAX_MAILBOXES * 4 * MAX_NOTES_BYTES
"""Of the file: an address and a queue may be of letters that take twelve bytes each there."""
_ADDRESS: Final = re.compile(r"[^\s@<>\"(),:;\\\[\]]+@[^\s@<>\"(),:;\\\[\]]+")


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    """One address.

    Attributes:
        public: It takes mail from everybody; otherwise from `members.Members` and from participants.
        annotations: Notes of who made it.
    """

    address: str
    room: str
    queue: str
    public: bool = False
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)


class Mailboxes:
    """All of them.  Addresses differ by more than the case of their letters."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._turn = asyncio.Lock()
        self._held: dict[str, Mailbox] = {}

    async def load(self) -> None:
        """Read what was kept.

        Raises:
            ConfigError: The file is damaged: addresses that are lost would be mail that is refused.
        """
        self._held = await on_disk(self._read)

    def __iter__(self) -> Iterator[Mailbox]:
        return iter(sorted(self._held.values(), key=lambda one: one.address))

    def __len__(self) -> int:
        return len(self._held)

    def find(self, address: str) -> Mailbox | None:
        """The mailbox of an address; None where this server has none."""
        return self._held.get(address.casefold())

    def get(self, address: str) -> Mailbox:
        """The mailbox of an address; raises NotFound."""
        found = self.find(address)
        if found is None:
            raise NotFound(f"there is no mailbox {address[:MAX_ADDRESS_CHARS]!r}")
        return found

    async def add(self, mailbox: Mailbox) -> None:
        """Take mail for a new address.

        Raises:
            Conflict: There is one already.
            InvalidRequest: It is no address, no name of a room, or there is too much to note.
            RoomFull: There are too many.
        """
        _check(mailbox)
        async with self._turn:
            if self.find(mailbox.address) is not None:
                raise Conflict(f"there is a mailbox {mailbox.address!r} already", cure="Change it (PUT).")
            if len(self._held) >= MAX_MAILBOXES:
                raise RoomFull(f"this server has {MAX_MAILBOXES} mailboxes", cure="Delete some.")
            await self._write({**self._held, mailbox.address.casefold(): mailbox})

    async def change(self, mailbox: Mailbox) -> None:
        """Let an address lead elsewhere; raises NotFound, or InvalidRequest as `add` does."""
        _check(mailbox)
        async with self._turn:
            self.get(mailbox.address)
            await self._write({**self._held, mailbox.address.casefold(): mailbox})

    async def delete(self, address: str) -> None:
        """Take no mail for it any more; raises NotFound."""
        async with self._turn:
            self.get(address)
            await self._write({key: one for key, one in self._held.items() if key != address.casefold()})

    def _read(self) -> dict[str, Mailbox]:
        try:
            rows = json.loads(plain_file.read(self._file, most_bytes=MOST_BYTES))
            return {str(row["address"]).casefold(): Mailbox(**row) for row in rows}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"{self._file} cannot be read: {type(error).__name__}",
                cure="Put it back from a backup, or move it away and make the mailboxes again.",
            ) from None

    async def _write(self, held: dict[str, Mailbox]) -> None:
        await whole_on_disk(self._write_now, held)

    def _write_now(self, held: dict[str, Mailbox]) -> None:
        rows: list[dict[str, Any]] = [asdict(one) for one in held.values()]
        kept_file.write(self._file, json.dumps(rows))
        self._held = held  # here, since who asked may have gone meanwhile


def _check(mailbox: Mailbox) -> None:
    if len(mailbox.address) > MAX_ADDRESS_CHARS or not _ADDRESS.fullmatch(mailbox.address):
        raise InvalidRequest("'address' is no mail address", cure="It looks like support@example.com.")
    if not is_room_name(mailbox.room):
        raise InvalidRequest("'room' is no name of a room", cure=ROOM_NAME_RULE)
    if not 0 < len(mailbox.queue) <= MAX_QUEUE_CHARS:
        raise InvalidRequest(f"'queue' has 1 to {MAX_QUEUE_CHARS} characters")
    if len(json.dumps(dict(mailbox.annotations))) > MAX_NOTES_BYTES:
        raise InvalidRequest(f"'annotations' come to more than {MAX_NOTES_BYTES} bytes")
