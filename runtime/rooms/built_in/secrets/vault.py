"""The secrets of one room on disk: sealed each by itself, in a file that is its owner's alone."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from runtime.errors import NotSupported, PermissionDenied, RoomError, RoomFull
from runtime.files import kept_file, plain_file
from runtime.rooms.files import on_disk, whole_on_disk
from runtime.wire.sealed import Seal

FILE: Final = "secrets.json"
MAX_SECRETS: Final = 500
MAX_SECRET_BYTES: Final = 64 << 10
MOST_BYTES: Final = MAX_SECRETS * (2 * MAX_SECRET_BYTES + (64 << 10))
"""Of the file: a sealed byte is two letters there, and what is noted of a secret may be long."""


class Kept(msgspec.Struct, frozen=True):
    """One secret, as it is listed: never with what is in it.

    Attributes:
        owner: The participant's name whose it is.
        delegated_to: Who else may read it, by name; empty for nobody.
    """

    id: str
    owner: str
    type: str
    name: str
    delegated_to: str = ""


class Vault:
    """Secrets by their ids.  Runs in: the front's event loop; the disk is used by threads.

    Args:
        seal: What seals them; None keeps none.
    """

    def __init__(self, room: str, folder: Path, seal: Callable[[], Seal] | None) -> None:
        self._room, self._file, self._seal = room, folder / FILE, seal
        self._turn = asyncio.Lock()
        self._rows: dict[str, tuple[Kept, str]] | None = None

    async def list(self) -> list[Kept]:
        """All of them."""
        async with self._turn:
            return [kept for kept, _ in (await self._loaded()).values()]

    async def put(self, kept: Kept, data: bytes) -> None:
        """Keep a secret, in the place of one of the same id.

        Raises:
            PermissionDenied: The secret of that id is another's.
            RoomFull: It is too large, or there are too many.
            RoomError: The file cannot be written; nothing has changed.
        """
        if len(data) > MAX_SECRET_BYTES:
            raise RoomFull(f"a secret has {len(data)} bytes, and may have {MAX_SECRET_BYTES}")
        async with self._turn:
            rows = dict(await self._loaded())
            if kept.id in rows and rows[kept.id][0].owner != kept.owner:
                raise PermissionDenied("the secret of that id is another's")
            if kept.id not in rows and len(rows) >= MAX_SECRETS:
                raise RoomFull(f"the room keeps {MAX_SECRETS} secrets already", cure="Delete some.")
            sealed = await on_disk(self._sealed, kept, data)
            await self._write({**rows, kept.id: (kept, sealed)})

    async def get(self, id: str) -> bytes | None:
        """What is in it; None where there is no such secret.

        Raises:
            SealBroken: It was sealed with another key.
        """
        async with self._turn:
            row = (await self._loaded()).get(id)
            return None if row is None else await on_disk(self._opened, *row)

    async def delete(self, id: str) -> bool:
        """Forget it; False where there was none."""
        async with self._turn:
            rows = dict(await self._loaded())
            if rows.pop(id, None) is None:
                return False
            await self._write(rows)
            return True

    async def _loaded(self) -> dict[str, tuple[Kept, str]]:
        if self._seal is None:
            raise NotSupported("this server keeps no secrets")
        if self._rows is None:
            self._rows = await on_disk(self._read)
        return self._rows

    def _read(self) -> dict[str, tuple[Kept, str]]:
        try:
            raw = json.loads(plain_file.read(self._file, most_bytes=MOST_BYTES))
            return {row["id"]: (_kept(row), str(row["sealed"])) for row in raw}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            # An empty one in its place would lose them all at the next write.
            raise RoomError(
                f"the secrets of room {self._room!r} cannot be read: {type(error).__name__}",
                cure=f"Put {FILE} of the room's folder back from a backup, or move it away.",
            ) from None

    async def _write(self, rows: dict[str, tuple[Kept, str]]) -> None:
        await whole_on_disk(self._write_now, rows)

    def _write_now(self, rows: dict[str, tuple[Kept, str]]) -> None:
        text = json.dumps([{**asdict(kept), "sealed": sealed} for kept, sealed in rows.values()])
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept_file.write(self._file, text)
        self._rows = rows  # here, since who asked may have gone meanwhile

    def _sealed(self, kept: Kept, data: bytes) -> str:
        assert self._seal is not None
        return self._seal().seal(data, self._about(kept)).hex()

    def _opened(self, kept: Kept, sealed: str) -> bytes:
        assert self._seal is not None
        return self._seal().open(bytes.fromhex(sealed), self._about(kept))

    def _about(self, kept: Kept) -> str:
        # All that decides who may read it, so that no line of the file can be changed into another's.
        return json.dumps(["secret", self._room, kept.id, kept.owner, kept.type, kept.delegated_to])


def new_id() -> str:
    """An id for a secret that was given none."""
    return str(uuid.uuid4())


def _kept(row: dict[str, Any]) -> Kept:
    return Kept(*(str(row[name]) for name in ("id", "owner", "type", "name", "delegated_to")))
