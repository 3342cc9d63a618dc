"""Messages that were accepted and are not where they belong yet, and the last that went nowhere further.

Each is a file of its own, written whole before its sender is told that it is kept.  Three folders: `waiting`,
`sent` (the sink of a server that has no way to others) and `failed`; the latter two keep the newest.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from runtime.errors import RoomFull
from runtime.files import kept_file, plain_file

FOLDER: Final = "mail"
Place = Literal["waiting", "sent", "failed"]
PLACES: Final[tuple[Place, ...]] = ("waiting", "sent", "failed")
MAX_WAITING: Final = 10_000
_SUFFIX: Final = ".json"


@dataclass(slots=True, kw_only=True)
class Letter:
    """One message.

    Attributes:
        id: Letters of one server in the order in which they came.
        recipients: To whom it is still to go.
        at: Seconds since the epoch.
        next_at: When the next server is asked again.
        why: What was in the way last.
        from_outside: It goes to its address here, or nowhere.
    """

    id: str
    sender: str
    recipients: list[str]
    at: float
    size_bytes: int
    tries: int = 0
    next_at: float = 0.0
    why: str = ""
    from_outside: bool = False
    place: Place = field(default="waiting", compare=False)


class Spool:
    """The folders.  All of it blocks on the disk.

    Args:
        max_bytes: What may wait, in all.
        keep_count: Messages in each of `sent` and `failed`.
    """

    def __init__(self, folder: Path, *, max_bytes: int, keep_count: int, max_message_bytes: int) -> None:
        self._folder, self._max_bytes, self._keep_count = folder, max_bytes, keep_count
        self._most_bytes = 2 * max_message_bytes + (1 << 20)
        self._waiting_bytes: dict[str, int] = {}

    def prepare(self) -> None:
        """Make the folders, and drop what was not written whole."""
        # Each by itself: those that are made on the way to another are open to everybody.
        for folder in (self._folder, *(self._folder / place for place in PLACES)):
            folder.mkdir(exist_ok=True, mode=0o700)
            for unfinished in folder.glob(f"*{kept_file.ASIDE}"):
                unfinished.unlink(missing_ok=True)

    def waiting(self) -> list[Letter]:
        """Those that wait, oldest first; what cannot be read is among the failed afterwards."""
        found = []
        for name in self._names("waiting"):
            try:
                letter = _letter(self._raw("waiting", name))
            except (OSError, ValueError, TypeError, KeyError):
                self._move(name, "waiting", "failed")
                continue
            self._waiting_bytes[letter.id] = letter.size_bytes
            found.append(letter)
        return found

    def add(
        self, sender: str, recipients: list[str], raw: bytes, *, now: float, from_outside: bool = False
    ) -> Letter:
        """Keep a message.

        Raises:
            RoomFull: As much waits as may.
            OSError: It could not be written; nothing is left of it.
        """
        held = sum(self._waiting_bytes.values())
        if len(self._waiting_bytes) >= MAX_WAITING or held + len(raw) > self._max_bytes:
            raise RoomFull(
                f"{len(self._waiting_bytes)} messages ({held} bytes) wait for their agents already",
                cure="Start the agents, or raise mail.max_waiting_bytes.",
            )
        id = f"{int(now * 1000):014d}-{secrets.token_hex(4)}"
        letter = Letter(
            id=id,
            sender=sender,
            recipients=recipients,
            at=now,
            size_bytes=len(raw),
            from_outside=from_outside,
        )
        self._write(letter, base64.b64encode(raw).decode("ascii"))
        self._waiting_bytes[id] = len(raw)
        return letter

    def raw(self, id: str) -> bytes:
        """The message itself; raises FileNotFoundError."""
        for place in PLACES:
            try:
                return base64.b64decode(self._raw(place, id)["base64"])
            except FileNotFoundError:
                continue
        raise FileNotFoundError(id)

    def update(self, letter: Letter) -> None:
        """Note what has become of a letter that waits."""
        self._write(letter, self._raw("waiting", letter.id)["base64"])

    def done(self, letter: Letter, to: Place | None) -> None:
        """It waits no longer: kept in a place of those that are done, or not at all."""
        if to is None:
            self._path("waiting", letter.id).unlink(missing_ok=True)
        else:
            self.update(letter)
            self._move(letter.id, "waiting", to)
        self._waiting_bytes.pop(letter.id, None)

    def listed(self, most: int) -> Iterator[Letter]:
        """The newest of each place."""
        for place in PLACES:
            for name in self._names(place)[-most:]:
                try:
                    letter = _letter(self._raw(place, name))
                except (OSError, ValueError, TypeError, KeyError):
                    continue
                letter.place = place
                yield letter

    def _names(self, place: Place) -> list[str]:
        try:
            return sorted(
                name.removesuffix(_SUFFIX)
                for name in os.listdir(self._folder / place)
                if name.endswith(_SUFFIX)
            )
        except FileNotFoundError:
            return []

    def _path(self, place: Place, id: str) -> Path:
        if not id.replace("-", "").isalnum():
            raise FileNotFoundError(id)
        return self._folder / place / f"{id}{_SUFFIX}"

    def _raw(self, place: Place, id: str) -> dict[str, Any]:
        raw = json.loads(plain_file.read(self._path(place, id), most_bytes=self._most_bytes))
        if not isinstance(raw, dict):
            raise ValueError("no letter")
        return raw

    def _write(self, letter: Letter, content: str) -> None:
        kept = {
            "id": letter.id,
            "sender": letter.sender,
            "recipients": letter.recipients,
            "at": letter.at,
            "size_bytes": letter.size_bytes,
            "tries": letter.tries,
            "next_at": letter.next_at,
            "why": letter.why,
            "from_outside": letter.from_outside,
        }
        kept_file.write(self._path("waiting", letter.id), json.dumps({**kept, "base64": content}))

    def _move(self, id: str, source: Place, to: Place) -> None:
        os.replace(self._path(source, id), self._path(to, id))
        for old in self._names(to)[: -self._keep_count]:
            self._path(to, old).unlink(missing_ok=True)


def _letter(raw: dict[str, Any]) -> Letter:
    return Letter(**{name: value for name, value in raw.items() if name != "base64"})
