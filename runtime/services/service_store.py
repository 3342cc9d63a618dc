"""Services and their revisions: every change is one, with who made it, and can be gone back to.

A revision is the whole of what a service is: its manifest, the digest of its image and the versions of its
secrets; so going back to one brings back all of them.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping
from typing import Final

from runtime.clock import Clock
from runtime.errors import Conflict, NotFound, StoreFull
from runtime.services.file import Seals, ServicesFile
from runtime.services.revisions import Revisions, name_of, of_room, taken
from runtime.services.secret_store import SecretStore
from runtime.services.service import PROJECT, Revision, Service, Spec

MAX_SERVICES: Final = 500
"""In all rooms and the project together."""


class ChangedMeanwhile(Conflict):
    """What a change was made from is no longer what is kept."""

    code = "changed_meanwhile"


class ServiceStore:
    """The services of a file.

    Args:
        seal: Gives that of the state folder, when something is to be sealed or opened.
    """

    def __init__(self, file: ServicesFile, secrets: SecretStore, seal: Seals, clock: Clock) -> None:
        self._file, self._secrets, self._clock = file, secrets, clock
        self._rows = Revisions(seal, clock)

    async def create(
        self, spec: Spec, *, by: str, room: str = PROJECT, obscured: Mapping[str, str] | None = None
    ) -> Service:
        """Keep a new service, as its revision 1.

        Args:
            spec: The normal form of a manifest, without an id.
            obscured: Variables of the container whose values are to be secrets, with these values.

        Raises:
            Conflict: The room, or the project, has a service of that name.
            SecretMissing: The manifest names a secret that is not here.
            StoreFull: There are `MAX_SERVICES`.
        """

        def work(db: sqlite3.Connection) -> Service:
            if db.execute("SELECT COUNT(*) FROM services").fetchone()[0] >= MAX_SERVICES:
                raise StoreFull(f"there are {MAX_SERVICES} services already", cure="Delete some.")
            service_id, name, now = str(uuid.uuid4()), name_of(spec), self._clock.wall()
            try:
                db.execute(
                    "INSERT INTO services (id, room, name, revision, created_at, updated_at)"
                    " VALUES (?, ?, ?, 0, ?, ?)",
                    (service_id, room, name, now, now),
                )
            except sqlite3.IntegrityError:
                raise taken(name, room) from None
            kept = self._with_secrets(db, spec, obscured or {}, by)
            self._rows.revise(db, service_id, kept, by=by, what="created")
            return self._rows.one(db, service_id)

        return await self._file.change(work)

    async def update(
        self,
        service_id: str,
        spec: Spec,
        *,
        by: str,
        what: str = "updated",
        expected: int | None = None,
        obscured: Mapping[str, str] | None = None,
    ) -> Service:
        """Give a service a new revision; one that would change nothing is not made.

        Args:
            expected: The revision that the change was made from; None for whichever is in force.

        Raises:
            NotFound: There is no such service.
            ChangedMeanwhile: Another revision is in force than expected.
            Conflict: Another service has the name.
            SecretMissing: The manifest names a secret that is not here.
        """

        def work(db: sqlite3.Connection) -> Service:
            before = self._rows.one(db, service_id)
            if expected is not None and expected != before.revision:
                told = f"revision {before.revision} is in force, not {expected}"
                raise ChangedMeanwhile(
                    f"{before.name} was changed meanwhile: {told}",
                    cure="Look at what changed, and send it again.",
                )
            kept = self._with_secrets(db, spec, obscured or {}, by)
            self._rows.rename(db, before, name_of(kept))
            self._rows.revise(db, service_id, kept, by=by, what=what)
            return self._rows.one(db, service_id)

        return await self._file.change(work)

    async def enable(self, service_id: str, is_enabled: bool, *, by: str) -> Service:
        """Let a service run, or not.

        Raises:
            NotFound: There is no such service.
        """

        def work(db: sqlite3.Connection) -> Service:
            spec = dict(self._rows.one(db, service_id).spec)
            spec.pop("enabled", None)
            if not is_enabled:
                spec["enabled"] = False
            self._rows.revise(db, service_id, spec, by=by, what="enabled" if is_enabled else "disabled")
            return self._rows.one(db, service_id)

        return await self._file.change(work)

    async def renew(self, service_id: str, *, by: str) -> Service:
        """Give a service the current versions of its secrets, as a new revision if any is newer.

        Raises:
            NotFound, SecretMissing: There is no such service, or a secret of it is gone.
        """

        def work(db: sqlite3.Connection) -> Service:
            spec = self._rows.one(db, service_id).spec
            self._rows.revise(db, service_id, spec, by=by, what="secrets changed")
            return self._rows.one(db, service_id)

        return await self._file.change(work)

    async def roll_back(self, service_id: str, number: int, *, by: str) -> Service:
        """Make an earlier revision the newest again: its manifest, image and versions of secrets.

        Raises:
            NotFound: There is no such service, or that revision of it is not kept.
            Conflict: Another service has the name that it had then, or a version of a secret is gone.
        """

        def work(db: sqlite3.Connection) -> Service:
            before = self._rows.one(db, service_id)
            old = self._rows.revision(db, service_id, number)
            for secret_id, version in old.secret_versions.items():
                row = db.execute(
                    "SELECT 1 FROM secret_versions WHERE secret_id = ? AND number = ?", (secret_id, version)
                ).fetchone()
                if row is None:
                    given = f"version {version} of secret {secret_id}"
                    raise Conflict(
                        f"revision {number} of {before.name} was given {given}, which is not kept any more",
                        cure="Set the secret again, and update the service.",
                    )
            self._rows.rename(db, before, name_of(old.spec))
            what = f"rolled back to {number}"
            self._rows.write(
                db, service_id, old.spec, old.secret_versions, by=by, what=what, digest=old.image_digest
            )
            return self._rows.one(db, service_id)

        return await self._file.change(work)

    async def note_image(self, service_id: str, number: int, digest: str) -> None:
        """Note what the image's reference stood for when a revision was started."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE revisions SET image_digest = ? WHERE service_id = ? AND number = ?",
                (digest[:200], service_id, number),
            )

        await self._file.change(work)

    async def delete(self, service_id: str) -> Service:
        """Forget a service with all its revisions; what it was.

        Raises:
            NotFound: There is no such service.
        """

        def work(db: sqlite3.Connection) -> Service:
            gone = self._rows.one(db, service_id)
            db.execute("DELETE FROM services WHERE id = ?", (service_id,))
            return gone

        return await self._file.change(work)

    async def delete_room(self, room: str) -> list[Service]:
        """Forget the services of a room that is deleted; what they were."""

        def work(db: sqlite3.Connection) -> list[Service]:
            gone = self._rows.some(db, "WHERE s.room = ?", (room,))
            db.execute("DELETE FROM services WHERE room = ?", (room,))
            return gone

        return await self._file.change(work) if room != PROJECT else []

    async def get(self, service_id: str) -> Service:
        """One service.

        Raises:
            NotFound: There is none.
        """
        return await self._file.read(lambda db: self._rows.one(db, service_id))

    async def named(self, name: str, *, room: str = PROJECT) -> Service:
        """One service of a room, or of the project, by its name.

        Raises:
            NotFound: There is none.
        """

        def work(db: sqlite3.Connection) -> Service:
            rows = self._rows.some(db, "WHERE s.room = ? AND s.name = ?", (room, name))
            if not rows:
                raise NotFound(f'there is no service "{name[:100]}"{of_room(room)}')
            return rows[0]

        return await self._file.read(work)

    async def listed(self, *, room: str | None = PROJECT) -> list[Service]:
        """The services of a room or of the project, or of all, by name."""
        which = "" if room is None else "WHERE s.room = ?"
        return await self._file.read(lambda db: self._rows.some(db, which, () if room is None else (room,)))

    async def history(self, service_id: str) -> list[Revision]:
        """The revisions of a service that are kept, the newest first.

        Raises:
            NotFound: There is no such service.
        """

        def work(db: sqlite3.Connection) -> list[Revision]:
            self._rows.one(db, service_id)
            rows = db.execute(
                "SELECT number FROM revisions WHERE service_id = ? ORDER BY number DESC", (service_id,)
            ).fetchall()
            return [self._rows.revision(db, service_id, row[0]) for row in rows]

        return await self._file.read(work)

    async def secret_versions(self, service_id: str, number: int) -> dict[str, int]:
        """By its id, the version of each secret that a revision was given; none for one that is not kept."""

        def work(db: sqlite3.Connection) -> dict[str, int]:
            row = db.execute(
                "SELECT secret_versions FROM revisions WHERE service_id = ? AND number = ?",
                (service_id, number),
            ).fetchone()
            found: dict[str, int] = json.loads(row[0]) if row is not None else {}
            return found

        return await self._file.read(work)

    def _with_secrets(self, db: sqlite3.Connection, spec: Spec, obscured: Mapping[str, str], by: str) -> Spec:
        """The manifest with secrets of the project in the place of values that are secret."""
        kept = {name: value for name, value in spec.items() if name != "id"}
        if not obscured:
            return kept
        environment = []
        for variable in kept["container"].get("environment", ()):
            name = variable["name"]
            if name in obscured:
                value = obscured[name].encode("utf-8", "surrogatepass")
                secret_id = self._secrets.kept(db, f"{name_of(spec)}.{name}", value, by=by)
                variable = {"name": name, "secret": {"id": secret_id}}
            environment.append(variable)
        return kept | {"container": kept["container"] | {"environment": environment}}
