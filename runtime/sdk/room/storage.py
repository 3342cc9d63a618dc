"""The files of a room."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from runtime.sdk.emitter import Emitter, Listener
from runtime.sdk.room.exchange import RoomExchange
from runtime.sdk.room.room_exception import RoomException
from runtime.wire.content import FileContent, JsonContent
from runtime.wire.room import Message

CHUNK_BYTES = 1024 * 1024
"""Bytes of one write of ``upload``: small enough that other messages get their turn in between."""


class StorageEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder of a listing; times are None where the room keeps none."""

    name: str
    is_folder: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None


class FileHandle(msgspec.Struct, frozen=True, kw_only=True):
    """A file opened for writing; others see it once it is closed."""

    id: str


class StorageClient:
    """What ``room.storage`` is.

    Events for ``on``: ``file.updated`` and ``file.deleted``, each with path and participant_id.
    """

    def __init__(self, room: RoomExchange) -> None:
        self._room = room
        self._events = Emitter()
        room.on_push("storage.file.", self._changed)

    def on(self, event_name: str, func: Listener) -> None:
        """Listen to changes that anybody makes."""
        self._events.on(event_name, func)

    def off(self, event_name: str, func: Listener) -> None:
        """Stop listening."""
        self._events.off(event_name, func)

    async def exists(self, *, path: str) -> bool:
        """Whether there is a file or folder at ``path``."""
        return bool((await self._json("storage.exists", {"path": path})).get("exists"))

    async def stat(self, *, path: str) -> StorageEntry | None:
        """What is at ``path``; None when nothing is."""
        entry = await self._json("storage.stat", {"path": path})
        return _entry(entry) if entry.get("exists") else None

    async def list(self, *, path: str) -> list[StorageEntry]:
        """What is in the folder at ``path``.  Raises RoomException when there is no such folder."""
        listing = await self._json("storage.list", {"path": path})
        return [_entry(entry) for entry in listing.get("files") or [] if isinstance(entry, dict)]

    async def open(self, *, path: str, overwrite: bool = False) -> FileHandle:
        """Begin to write a file.  Raises RoomException when it exists and may not be overwritten."""
        answer = await self._json("storage.open", {"path": path, "overwrite": overwrite})
        return FileHandle(id=str(answer.get("handle", "")))

    async def write(self, *, handle: FileHandle, data: bytes) -> None:
        """Append to an opened file."""
        await self._room.request("storage.write", {"handle": handle.id}, data)

    async def close(self, *, handle: FileHandle) -> None:
        """Finish a file; now others see it."""
        await self._room.request("storage.close", {"handle": handle.id})

    async def upload(self, *, path: str, data: bytes, overwrite: bool = False) -> None:
        """Write a whole file."""
        handle = await self.open(path=path, overwrite=overwrite)
        for start in range(0, len(data), CHUNK_BYTES):
            await self.write(handle=handle, data=data[start : start + CHUNK_BYTES])
        await self.close(handle=handle)

    async def download(self, *, path: str) -> FileContent:
        """A whole file: ``name``, ``mime_type`` and ``data``."""
        content = await self._room.request("storage.download", {"path": path})
        if not isinstance(content, FileContent):
            raise RoomException(f"the room's reply to the download of {path!r} is not a file")
        return content

    async def download_url(self, *, path: str) -> str:
        """An address from which the file can be fetched over HTTP."""
        return str((await self._json("storage.download_url", {"path": path})).get("url", ""))

    async def delete(self, path: str, *, recursive: bool = False) -> None:
        """Delete a file, or with ``recursive`` a folder."""
        await self._room.request("storage.delete", {"path": path, "recursive": recursive})

    async def cancel_listeners(self) -> None:
        """Called by the client when it leaves the room."""
        await self._events.cancel_all()

    async def _json(self, type: str, header: dict[str, Any]) -> dict[str, Any]:
        content = await self._room.request(type, header)
        if isinstance(content, JsonContent) and isinstance(content.json, dict):
            return content.json
        raise RoomException(f"the room's reply to {type} is not a JSON object")

    def _changed(self, push: Message) -> None:
        event = push.type.removeprefix("storage.")
        self._events.emit(
            event, path=push.header.get("path"), participant_id=push.header.get("participant_id")
        )


def _entry(entry: dict[str, Any]) -> StorageEntry:
    return StorageEntry(
        name=str(entry.get("name") or ""),
        is_folder=bool(entry.get("is_folder")),
        created_at=_time(entry.get("created_at")),
        updated_at=_time(entry.get("updated_at")),
    )


def _time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
