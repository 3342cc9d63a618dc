"""Secrets: kept sealed, in versions, given to services and to nobody else.

Whoever sets a secret can list it, change it and delete it; no list, no revision and no error has a value.  A
version's digest tells whether two values are the same one, and takes the key of the state folder to make, so
it tells nothing of a value that could be guessed.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from runtime.clock import Clock
from runtime.errors import Conflict, InvalidRequest, NotFound, SealBroken, StoreFull
from runtime.logs import get_logger
from runtime.services.file import Seals, ServicesFile
from runtime.services.secret import (
    DOCKER,
    KEYS,
    MAX_SECRETS,
    MAX_VALUE_BYTES,
    MAX_VERSIONS,
    OWNER,
    Secret,
    Version,
    check_name,
    found,
    in_force,
    sealed_as,
    taken,
    texts_of,
)
from runtime.session.redaction import Hidden

_log = get_logger("services")


class SecretStore:
    """The secrets of a file.

    Args:
        seal: Gives that of the state folder, when something is to be sealed or opened.
        hidden: Learns every value that is kept, before it is.
    """

    def __init__(self, file: ServicesFile, seal: Seals, clock: Clock, hidden: Hidden) -> None:
        self._file, self._seal, self._clock, self._hidden = file, seal, clock, hidden

    async def create(
        self,
        name: str,
        value: bytes | None,
        *,
        by: str,
        type: str = "text",
        owner: str = OWNER,
        about: Mapping[str, Any] | None = None,
    ) -> Secret:
        """Keep a new secret.

        Args:
            value: None for one that gets its first version later.

        Raises:
            Conflict: The owner has one of that name.
            InvalidRequest, StoreFull: The name or the value cannot be taken.
        """

        def work(db: sqlite3.Connection) -> Secret:
            secret_id = self.made(db, name, value, by=by, type=type, owner=owner, about=about or {})
            return self._one(db, secret_id, owner)

        return await self._file.change(work)

    async def give(
        self, key: str, value: bytes, *, by: str, owner: str = OWNER, is_current: bool = True
    ) -> Secret:
        """Give a secret a new version; one that has the value already stays as it is.

        Args:
            key: Its id or its name.

        Raises:
            NotFound, InvalidRequest: There is none, or the value cannot be taken.
        """

        def work(db: sqlite3.Connection) -> Secret:
            secret_id = found(db, key, owner)
            self._add(db, secret_id, value, by=by, is_current=is_current)
            return self._one(db, secret_id, owner)

        return await self._file.change(work)

    async def describe(self, key: str, *, name: str, about: Mapping[str, Any], owner: str = OWNER) -> Secret:
        """Change a secret's name and notes.

        Raises:
            NotFound, Conflict, InvalidRequest: There is none; the name is another's, or none.
        """

        def work(db: sqlite3.Connection) -> Secret:
            secret_id = found(db, key, owner)
            check_name(name)
            told = json.dumps(dict(about))
            try:
                db.execute(
                    "UPDATE secrets SET name = ?, about = ?, updated_at = ? WHERE id = ?",
                    (name, told, self._clock.wall(), secret_id),
                )
            except sqlite3.IntegrityError:
                raise taken(name) from None
            return self._one(db, secret_id, owner)

        return await self._file.change(work)

    async def listed(self, *, owner: str | None = OWNER) -> list[Secret]:
        """All secrets of an owner, or of all, by name; none with its value."""

        def work(db: sqlite3.Connection) -> list[Secret]:
            which = "" if owner is None else "WHERE owner = ?"
            rows = db.execute(
                f"SELECT id FROM secrets {which} ORDER BY name, owner", () if owner is None else (owner,)
            )
            return [self._one(db, row[0], owner) for row in rows.fetchall()]

        return await self._file.read(work)

    async def get(self, key: str, *, owner: str = OWNER) -> Secret:
        """One secret, without its value.

        Raises:
            NotFound: There is none.
        """
        return await self._file.read(lambda db: self._one(db, found(db, key, owner), owner))

    async def entries(self, keys: Collection[str]) -> dict[str, tuple[str, ...]]:
        """The names of the entries of secrets that are maps, by ids or names; none for what is not there."""

        def work(db: sqlite3.Connection) -> dict[str, tuple[str, ...]]:
            names: dict[str, tuple[str, ...]] = {}
            for key in keys:
                with suppress(NotFound):
                    names[key] = self._one(db, found(db, key, OWNER), OWNER).names
            return names

        return await self._file.read(work) if keys else {}

    async def delete(self, key: str, *, owner: str = OWNER) -> None:
        """Delete a secret that no service is given.

        Raises:
            NotFound: There is none.
            Conflict: A service is given it; names the service.
        """

        def work(db: sqlite3.Connection) -> None:
            secret_id = found(db, key, owner)
            users = [name for name, versions in in_force(db) if secret_id in versions]
            if users:
                raise Conflict(
                    f"secret {key} is given to {', '.join(users[:5])}",
                    cure="Take it out of their manifests first, or delete them.",
                )
            db.execute("DELETE FROM secrets WHERE id = ?", (secret_id,))

        await self._file.change(work)

    async def forget(self, key: str, number: int, *, owner: str = OWNER) -> None:
        """Forget a version that is not in force, and that no service is given.

        Raises:
            NotFound, Conflict: There is no such secret; the version is needed.
        """

        def work(db: sqlite3.Connection) -> None:
            secret = self._one(db, found(db, key, owner), owner)
            users = [name for name, versions in in_force(db) if versions.get(secret.id) == number]
            if number == secret.current or users:
                who = f"given to {', '.join(users[:5])}" if users else "the one in force"
                raise Conflict(
                    f"version {number} of secret {secret.name} is {who}", cure="Give it a newer one first."
                )
            db.execute("DELETE FROM secret_versions WHERE secret_id = ? AND number = ?", (secret.id, number))

        await self._file.change(work)

    async def users(self, key: str, *, owner: str = OWNER) -> list[str]:
        """The names of the services that are given an older version of a secret than its current one."""

        def work(db: sqlite3.Connection) -> list[str]:
            secret = self._one(db, found(db, key, owner), owner)
            return [
                name
                for name, versions in in_force(db)
                if versions.get(secret.id, secret.current) != secret.current
            ]

        return await self._file.read(work)

    async def value(self, secret_id: str, version: int) -> bytes:
        """What a service is given.  For the part that starts services; nothing that answers anybody calls it.

        Raises:
            NotFound: It is not kept any more.
            SealBroken: The key of the state folder is another one.
        """

        def work(db: sqlite3.Connection) -> bytes:
            row = db.execute(
                "SELECT value FROM secret_versions WHERE secret_id = ? AND number = ?", (secret_id, version)
            ).fetchone()
            if row is None:
                raise NotFound(
                    f"version {version} of secret {secret_id} is not kept any more", cure="Set it again."
                )
            return self._seal().open(row[0], sealed_as(secret_id, version))

        return await self._file.read(work)

    async def load(self) -> None:
        """Learn which texts must not be shown: all values in force, and those that services are given.

        Values that cannot be opened are left out; who starts a service with one is told.
        """

        def work(db: sqlite3.Connection) -> None:
            query = (
                "SELECT v.secret_id, v.number, v.value, s.type, s.current = v.number"
                " FROM secret_versions v JOIN secrets s ON s.id = v.secret_id ORDER BY v.at"
            )
            given = {one for _, versions in in_force(db) for one in versions.items()}
            for secret_id, number, value, type_, is_current in db.execute(query).fetchall():
                if not is_current and (secret_id, number) not in given:
                    continue
                try:
                    self._hidden.learn(
                        texts_of(self._seal().open(value, sealed_as(secret_id, number)), type_)
                    )
                except SealBroken as error:
                    _log.error("secret.unreadable", secret_id=secret_id, error=error.message, cure=error.cure)

        await self._file.read(work)

    def made(
        self,
        db: sqlite3.Connection,
        name: str,
        value: bytes | None,
        *,
        by: str,
        type: str,
        owner: str = OWNER,
        about: Mapping[str, Any] | None = None,
    ) -> str:
        """As `create`, within a transaction; the id."""
        check_name(name)
        if db.execute("SELECT COUNT(*) FROM secrets").fetchone()[0] >= MAX_SECRETS:
            raise StoreFull(
                f"there are {MAX_SECRETS} secrets already", cure="Delete some that nothing needs."
            )
        secret_id, now = str(uuid.uuid4()), self._clock.wall()
        row = (secret_id, owner, name, type, json.dumps(dict(about or {})), now, now)
        try:
            db.execute(
                "INSERT INTO secrets (id, owner, name, type, current, about, created_at, updated_at)"
                " VALUES (?, ?, ?, ?, 0, ?, ?, ?)",
                row,
            )
        except sqlite3.IntegrityError:
            raise taken(name) from None
        if value is not None:
            self._add(db, secret_id, value, by=by)
        return secret_id

    def kept(self, db: sqlite3.Connection, name: str, value: bytes, *, by: str) -> str:
        """Keep a value under a name of the project, new or not, within a transaction; the id."""
        row = db.execute("SELECT id FROM secrets WHERE owner = ? AND name = ?", (OWNER, name)).fetchone()
        if row is None:
            return self.made(db, name, value, by=by, type="text")
        self._add(db, row[0], value, by=by)
        return str(row[0])

    def _add(
        self, db: sqlite3.Connection, secret_id: str, value: bytes, *, by: str, is_current: bool = True
    ) -> None:
        if len(value) > MAX_VALUE_BYTES:
            cure = f"A secret has at most {MAX_VALUE_BYTES >> 10} KiB."
            raise InvalidRequest(f"the value has {len(value):,} bytes", cure=cure)
        current = db.execute("SELECT current FROM secrets WHERE id = ?", (secret_id,)).fetchone()[0]
        digest, now = self._digest(value), self._clock.wall()
        same = db.execute(
            "SELECT 1 FROM secret_versions WHERE secret_id = ? AND number = ? AND digest = ?",
            (secret_id, current, digest),
        ).fetchone()
        if same is not None:
            return
        newest = db.execute(
            "SELECT IFNULL(MAX(number), 0) FROM secret_versions WHERE secret_id = ?", (secret_id,)
        ).fetchone()[0]
        number = newest + 1
        type_ = db.execute("SELECT type FROM secrets WHERE id = ?", (secret_id,)).fetchone()[0]
        self._hidden.learn(texts_of(value, type_))
        sealed = self._seal().seal(value, sealed_as(secret_id, number))
        db.execute(
            "INSERT INTO secret_versions (secret_id, number, id, digest, by, at, value)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (secret_id, number, str(uuid.uuid4()), digest, by, now, sealed),
        )
        db.execute(
            "UPDATE secrets SET current = ?, updated_at = ? WHERE id = ?",
            (number if is_current or not current else current, now, secret_id),
        )
        self._forget(db, secret_id)

    def _forget(self, db: sqlite3.Connection, secret_id: str) -> None:
        """Drop versions that are too old, and that no service can be rolled back to."""
        rows = db.execute("SELECT secret_versions FROM revisions").fetchall()
        needed = {json.loads(row[0]).get(secret_id) for row in rows}
        current = db.execute("SELECT current FROM secrets WHERE id = ?", (secret_id,)).fetchone()[0]
        numbers = [
            row[0]
            for row in db.execute(
                "SELECT number FROM secret_versions WHERE secret_id = ? ORDER BY number DESC", (secret_id,)
            )
        ]
        for number in numbers[MAX_VERSIONS:]:
            if number not in needed and number != current:
                db.execute(
                    "DELETE FROM secret_versions WHERE secret_id = ? AND number = ?", (secret_id, number)
                )

    def _one(self, db: sqlite3.Connection, secret_id: str, owner: str | None) -> Secret:
        row = db.execute(
            "SELECT id, owner, name, type, current, created_at, updated_at, about FROM secrets WHERE id = ?",
            (secret_id,),
        ).fetchone()
        versions = db.execute(
            "SELECT id, number, digest, by, at FROM secret_versions WHERE secret_id = ? ORDER BY number",
            (secret_id,),
        ).fetchall()
        return Secret(
            id=row[0],
            owner=row[1],
            name=row[2],
            type=row[3],
            current=row[4],
            created_at=row[5],
            updated_at=row[6],
            about=json.loads(row[7]),
            versions=tuple(
                Version(id=one[0], number=one[1], digest=one[2], by=one[3], at=one[4]) for one in versions
            ),
            names=self._names(db, row[0], row[3], row[4]),
        )

    def _names(self, db: sqlite3.Connection, secret_id: str, type_: str, current: int) -> tuple[str, ...]:
        if type_ not in (KEYS, DOCKER) or not current:
            return ()
        row = db.execute(
            "SELECT value FROM secret_versions WHERE secret_id = ? AND number = ?", (secret_id, current)
        ).fetchone()
        try:
            held = json.loads(self._seal().open(row[0], sealed_as(secret_id, current)))
        except (SealBroken, ValueError):
            return ()
        return tuple(held) if isinstance(held, dict) else ()

    def _digest(self, value: bytes) -> str:
        return self._seal().digest(value, "value of a secret")
