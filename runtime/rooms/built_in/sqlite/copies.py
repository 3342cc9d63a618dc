"""A database as a whole: sent as the file that it is at one moment, and made from one that is sent."""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from runtime.errors import InvalidRequest, PermissionDenied, RoomFull
from runtime.rooms.built_in.sqlite import grants, reading
from runtime.rooms.built_in.sqlite.files import Databases
from runtime.rooms.request import Request
from runtime.rooms.streams import ServerStream

CHUNK_BYTES: Final = 256 * 1024


class Copies:
    """Those streamed tools."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases

    def streams(self) -> Mapping[str, Callable[[ServerStream], Awaitable[None]]]:
        """Handlers by full name."""
        return {"sqlite.backup": self._backup, "sqlite.restore": self._restore}

    async def _backup(self, stream: ServerStream) -> None:
        start = await _start(stream)
        name = reading.database(start)
        grants.need(start.peer.participant.claims, name, "execute")
        if not grants.is_whole(start.peer.participant.claims, name):
            raise PermissionDenied(f"the token does not allow all of database {str(name)!r}")
        file, beside = await self._databases.get(name), self._databases.beside
        path = self._databases.temporary(f"copy-{uuid.uuid4().hex}")
        digest, at = hashlib.sha256(), 0
        try:
            await file.read(partial(_copied, path=path), lambda: None)
            while await stream.receive() is not None:
                data = await beside(partial(_piece, path, at))
                if not data:
                    stream.send({"kind": "complete", "size": at, "sha256": digest.hexdigest()})
                    return
                digest.update(data)
                at += len(data)
                stream.send({"kind": "data"}, data)
        finally:
            await beside(partial(path.unlink, missing_ok=True))

    async def _restore(self, stream: ServerStream) -> None:
        start = await _start(stream)
        name, claims = reading.database(start), start.peer.participant.claims
        grants.need_room(claims, "create_database")
        if not grants.is_whole(claims, name):
            raise PermissionDenied(f"the token does not allow all of database {str(name)!r}")
        await self._databases.need_free(name)
        path, beside = self._databases.temporary(f"copy-{uuid.uuid4().hex}"), self._databases.beside
        most, digest, size = self._databases.bounds.max_bytes, hashlib.sha256(), 0
        try:
            while True:
                stream.send({"kind": "pull"})
                chunk = await stream.receive_binary("data", "complete", "abort")
                if chunk is None or chunk.headers["kind"] == "abort":
                    raise InvalidRequest("the copy was given up before its end")
                if chunk.headers["kind"] == "complete":
                    break
                size += len(chunk.data)
                if size > most:
                    raise RoomFull(f"a database may have {most} bytes", cure="Raise rooms.max_tables_bytes.")
                digest.update(chunk.data)
                await beside(partial(_appended, path, chunk.data))
            told = {"kind": "complete", "size": size, "sha256": digest.hexdigest()}
            if chunk.headers != told:
                raise InvalidRequest("the copy is not what was sent: its size or its SHA-256 is another")
            await beside(partial(_checked, path))
            await self._databases.adopt(name, path)
            stream.send(told)
        finally:
            await beside(partial(path.unlink, missing_ok=True))


async def _start(stream: ServerStream) -> Request:
    stream.accept()
    return await stream.start()


def _copied(connection: sqlite3.Connection, *, path: Path) -> None:
    copy = sqlite3.connect(path)
    try:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
    finally:
        copy.close()


def _piece(path: Path, at: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(CHUNK_BYTES)


def _appended(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("ab") as file:
        file.write(data)


def _checked(path: Path) -> None:
    """Raises InvalidRequest where it is no whole database."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            (told,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            lost = connection.execute("PRAGMA foreign_key_check").fetchone()
        finally:
            connection.close()
    except (sqlite3.DatabaseError, OSError, TypeError) as error:
        raise InvalidRequest(f"that is no database of SQLite: {error}") from None
    if told != "ok" or lost is not None:
        raise InvalidRequest(
            f"the database is damaged: {told if told != 'ok' else 'a foreign key leads nowhere'}"
        )
