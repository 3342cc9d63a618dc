"""A database as a whole: sent as the file that it is at one moment, and made from one that is sent.

Either is a file of its own as long as it is under way; those files together are as large as databases may be.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from runtime.errors import InvalidRequest, PermissionDenied, RoomFull, TookTooLong
from runtime.files import kept_file
from runtime.rooms.built_in.sqlite import grants, reading, schema
from runtime.rooms.built_in.sqlite.files import Databases
from runtime.rooms.built_in.tables.file import Interrupting
from runtime.rooms.built_in.tables.sql.spill import bounded
from runtime.rooms.request import Request
from runtime.rooms.streams import ServerStream
from runtime.wire.room import MAX_SENT_BYTES

CHUNK_BYTES: Final = 256 * 1024
_CHECKS: Final = ("PRAGMA integrity_check(1)", "PRAGMA foreign_key_check")


class Copies:
    """Those streamed tools."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._held_bytes = 0

    def streams(self) -> Mapping[str, Callable[[ServerStream], Awaitable[None]]]:
        """Handlers by full name."""
        return {"sqlite.backup": self._backup, "sqlite.restore": self._restore}

    async def _backup(self, stream: ServerStream) -> None:
        start = await _start(stream)
        name = reading.database(start)
        grants.need(start.peer.participant.claims, name, "execute")
        if not grants.is_whole(start.peer.participant.claims, name):
            raise PermissionDenied(f"the token does not allow all of database {str(name)!r}")
        beside, path = self._databases.beside, self._databases.temporary(uuid.uuid4().hex)
        digest, at = hashlib.sha256(), 0
        with self._holding() as hold:
            hold(await self._databases.content_bytes(name))
            try:
                await self._databases.read(name, partial(_copied, path=path))
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
        beside, path = self._databases.beside, self._databases.temporary(uuid.uuid4().hex)
        digest, size = hashlib.sha256(), 0
        with self._holding() as hold:
            try:
                while True:
                    await self._databases.need_free(name, size)
                    stream.send({"kind": "pull"})
                    chunk = await stream.receive_binary("data", "complete", "abort")
                    if chunk is None or chunk.headers["kind"] == "abort":
                        raise InvalidRequest("the copy was given up before its end")
                    if chunk.headers["kind"] == "complete":
                        break
                    hold(len(chunk.data))
                    size += len(chunk.data)
                    digest.update(chunk.data)
                    await beside(partial(_appended, path, chunk.data))
                told = {"kind": "complete", "size": size, "sha256": digest.hexdigest()}
                if chunk.headers != told:
                    raise InvalidRequest("the copy is not what was sent: its size or its SHA-256 is another")
                await self._check(path)
                await self._databases.adopt(name, path, size)
                stream.send(told)
            finally:
                await beside(partial(path.unlink, missing_ok=True))

    async def _check(self, path: Path) -> None:
        """See that it is on the disk, and a whole database.  Raises InvalidRequest, TookTooLong."""
        bounds = self._databases.bounds
        connection = await self._databases.beside(partial(_opened, path))
        looking = await self._databases.begun(partial(_checked, connection))
        clock = Interrupting(connection.interrupt, looking, bounds.query_s)
        try:
            await clock.result()
        except sqlite3.Error as error:
            if clock.fired:
                raise TookTooLong(
                    f"looking through the copy took more than {bounds.query_s:g} s",
                    cure="Send a smaller one, or one that computes less, or raise rooms.table_query_s.",
                ) from None
            if isinstance(error, sqlite3.DataError):
                raise InvalidRequest(
                    "the copy has or computes values that are larger than they may be"
                ) from None
            raise InvalidRequest(f"that is no database of SQLite: {error}") from None

    @contextmanager
    def _holding(self) -> Iterator[Callable[[int], None]]:
        """What one copy takes of the disk, which is told as it grows and is let go in the end."""
        most, held = self._databases.bounds.max_bytes, 0

        def hold(size: int) -> None:
            nonlocal held
            if self._held_bytes + size > most:
                raise RoomFull(
                    f"copies of the room's databases that are under way may have {most} bytes",
                    cure="Ask again when others are done, or raise rooms.max_tables_bytes.",
                )
            held += size
            self._held_bytes += size

        try:
            yield hold
        finally:
            self._held_bytes -= held


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
    with kept_file.at_its_end(path) as file:
        file.write(data)


def _opened(path: Path) -> sqlite3.Connection:
    """A copy that is on the disk.  Raises InvalidRequest."""
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    except FileNotFoundError:
        raise InvalidRequest("that is no database of SQLite: it is empty") from None
    where = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(where, uri=True, check_same_thread=False)


def _checked(connection: sqlite3.Connection) -> None:
    """See that it is whole; what it computes itself, by its columns and indexes, is bounded.

    Raises:
        InvalidRequest: It is damaged.
        sqlite3.Error: It is no database, or does not hold to the bounds.
    """
    with closing(connection):
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        schema.names(connection)
        texts, most = [(text, ()) for text in _CHECKS], schema.MAX_HELD_BYTES
        with bounded(connection, sys.maxsize, texts, value_bytes=MAX_SENT_BYTES, held_bytes=most):
            (told,), lost = (connection.execute(text).fetchone() for text in _CHECKS)
    if told != "ok" or lost is not None:
        raise InvalidRequest(
            f"the database is damaged: {told if told != 'ok' else 'a foreign key leads nowhere'}"
        )
