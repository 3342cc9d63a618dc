"""Revisions as rows: written, read and pruned, each within a transaction of who calls.

Manifests are sealed, because people write secrets into their variables.
"""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from runtime.clock import Clock
from runtime.errors import Conflict, InvalidRequest, NotFound, SecretMissing
from runtime.services.file import Seals
from runtime.services.secret import found
from runtime.services.service import Revision, Service, Spec, secrets_named

MAX_REVISIONS: Final = 50
"""Of a service; the oldest are forgotten, but for the one in force."""
_SELECT: Final = (
    "SELECT s.id, s.room, s.name, s.revision, s.created_at, s.updated_at, r.image_digest, r.spec"
    " FROM services s JOIN revisions r ON r.service_id = s.id AND r.number = s.revision"
)


class Revisions:
    """The rows of services and their revisions.

    Args:
        seal: Gives that of the state folder, when something is to be sealed or opened.
    """

    def __init__(self, seal: Seals, clock: Clock) -> None:
        self._seal, self._clock = seal, clock

    def _pinned(self, db: sqlite3.Connection, spec: Spec) -> dict[str, int]:
        """The current versions of the secrets that a manifest names."""
        pinned: dict[str, int] = {}
        missing, unset = [], ""
        for name, path in secrets_named(spec):
            try:
                secret_id = found(db, name, None)
            except NotFound:
                missing.append(f'"{name}" ({path})')
                unset = unset or name
                continue
            pinned[secret_id] = db.execute(
                "SELECT current FROM secrets WHERE id = ?", (secret_id,)
            ).fetchone()[0]
            if not pinned[secret_id]:
                missing.append(f'a value of "{name}" ({path})')
                unset = unset or name
        if missing:
            raise SecretMissing(
                f"there is no secret {', '.join(missing)}",
                cure=f"Set it first: bulkhead secret set {shlex.quote(unset)}",
            )
        return pinned

    def revise(self, db: sqlite3.Connection, service_id: str, spec: Spec, *, by: str, what: str) -> None:
        pinned = self._pinned(db, spec)
        number = db.execute("SELECT revision FROM services WHERE id = ?", (service_id,)).fetchone()[0]
        digest = ""
        if number:
            before = self.revision(db, service_id, number)
            if before.spec == spec and before.secret_versions == pinned:
                return
            if _image(before.spec) == _image(spec):
                digest = before.image_digest
        self.write(db, service_id, spec, pinned, by=by, what=what, digest=digest)

    def write(
        self,
        db: sqlite3.Connection,
        service_id: str,
        spec: Spec,
        pinned: Mapping[str, int],
        *,
        by: str,
        what: str,
        digest: str,
    ) -> None:
        newest = db.execute(
            "SELECT IFNULL(MAX(number), 0) FROM revisions WHERE service_id = ?", (service_id,)
        ).fetchone()[0]
        number, now = newest + 1, self._clock.wall()
        sealed = self._seal().seal(json.dumps(spec).encode(), _sealed_as(service_id, number))
        row = (service_id, number, now, by[:200], what, digest, json.dumps(dict(pinned)), sealed)
        db.execute(
            "INSERT INTO revisions (service_id, number, at, by, what, image_digest, secret_versions, spec)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        db.execute(
            "UPDATE services SET revision = ?, name = ?, updated_at = ? WHERE id = ?",
            (number, name_of(spec), now, service_id),
        )
        db.execute(
            "DELETE FROM revisions WHERE service_id = ? AND number <= ?", (service_id, number - MAX_REVISIONS)
        )

    def rename(self, db: sqlite3.Connection, before: Service, name: str) -> None:
        if name == before.name:
            return
        try:
            db.execute("UPDATE services SET name = ? WHERE id = ?", (name, before.id))
        except sqlite3.IntegrityError:
            raise taken(name, before.room) from None

    def one(self, db: sqlite3.Connection, service_id: str) -> Service:
        rows = self.some(db, "WHERE s.id = ?", (service_id,))
        if not rows:
            raise NotFound(f'there is no service "{service_id[:100]}"')
        return rows[0]

    def some(self, db: sqlite3.Connection, which: str, values: tuple[Any, ...]) -> list[Service]:
        return [
            self._service(row) for row in db.execute(f"{_SELECT} {which} ORDER BY s.name, s.room", values)
        ]

    def _service(self, row: tuple[Any, ...]) -> Service:
        spec = self._opened(row[7], row[0], row[3])
        return Service(
            id=row[0],
            room=row[1],
            name=row[2],
            revision=row[3],
            spec=spec | {"id": row[0]},
            image_digest=row[6],
            created_at=row[4],
            updated_at=row[5],
        )

    def revision(self, db: sqlite3.Connection, service_id: str, number: int) -> Revision:
        row = db.execute(
            "SELECT at, by, what, image_digest, secret_versions, spec FROM revisions"
            " WHERE service_id = ? AND number = ?",
            (service_id, number),
        ).fetchone()
        if row is None:
            cure = "Look at its history for those that are."
            raise NotFound(f"revision {number} is not kept", cure=cure)
        return Revision(
            number=number,
            at=row[0],
            by=row[1],
            what=row[2],
            image_digest=row[3],
            secret_versions=json.loads(row[4]),
            spec=self._opened(row[5], service_id, number),
        )

    def _opened(self, sealed: bytes, service_id: str, number: int) -> Spec:
        spec: Spec = json.loads(self._seal().open(sealed, _sealed_as(service_id, number)))
        return spec


def name_of(spec: Spec) -> str:
    name = str(spec["metadata"]["name"])
    if len(name) > 200 or not name.isprintable():
        raise InvalidRequest("the service's name is too long or cannot be printed", cure="Choose another.")
    return name


def _image(spec: Spec) -> str:
    return str((spec.get("container") or {}).get("image", ""))


def _sealed_as(service_id: str, number: int) -> str:
    return f"service {service_id}, revision {number}"


def of_room(room: str) -> str:
    return f" in room {room}" if room else " in the project"


def taken(name: str, room: str) -> Conflict:
    cure = "Choose another, or update that one."
    return Conflict(f'Service name already in use: "{name}"{of_room(room)}', cure=cure)
