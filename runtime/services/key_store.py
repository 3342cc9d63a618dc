"""API keys: made here, shown once, good at once and until they are deleted.

A key signs participant tokens, so its secret must be had again; it is kept sealed, and no list has it.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
import sqlite3
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from runtime.clock import Clock
from runtime.errors import InvalidRequest, NotFound, SealBroken, SecretMissing, StoreFull
from runtime.logs import get_logger
from runtime.rooms.token import ApiKey
from runtime.services.file import Seals, ServicesFile
from runtime.services.secret import ACCOUNT
from runtime.session.redaction import Hidden

MAX_KEYS: Final = 100
MAX_NAME_CHARS: Final = 200
MAX_ABOUT_CHARS: Final = 2_000
_OF_SERVICE: Final = "service:"
"""How the account of a key begins that was made for a service; its id follows."""
_log = get_logger("services")


class KeyInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret.

    Attributes:
        account: The service account that it is of.
        by: Who made it, as far as that is known.
    """

    id: str
    account: str
    name: str
    description: str
    by: str
    created_at: float


class KeyStore:
    """The API keys of a file.

    Args:
        hidden: Learns every key.
        project: The id of the project that keys are for.

    Attributes:
        signing: The secrets of all keys by their ids, as they are now; one map for as long as this is open.
    """

    def __init__(self, file: ServicesFile, seal: Seals, clock: Clock, hidden: Hidden, project: str) -> None:
        self._file, self._seal, self._clock, self._hidden, self._project = file, seal, clock, hidden, project
        self.signing: dict[str, str] = {}
        self._making = asyncio.Lock()

    async def load(self) -> None:
        """Read the keys, but for those of services that are gone, which are deleted.

        One that cannot be opened is named in the log, and is no key.
        """

        def work(db: sqlite3.Connection) -> dict[str, str]:
            gone = "SELECT ? || id FROM services"
            db.execute(
                f"DELETE FROM api_keys WHERE account LIKE ? || '%' AND account NOT IN ({gone})",
                (_OF_SERVICE, _OF_SERVICE),
            )
            read: dict[str, str] = {}
            for key_id, value in db.execute("SELECT id, value FROM api_keys"):
                try:
                    read[key_id] = self._seal().open(value, _sealed_as(key_id)).decode()
                except SealBroken as error:
                    _log.error("api_key.unreadable", key_id=key_id, error=error.message, cure=error.cure)
            return read

        self.signing.clear()
        self.signing.update(await self._file.change(work))
        self._hidden.learn(self.signing.values())

    async def create(
        self, name: str, *, by: str, description: str = "", account: str = ACCOUNT
    ) -> tuple[KeyInfo, str]:
        """A new key, and its text, which is not to be had again.

        Raises:
            InvalidRequest, StoreFull: It has no usable name, or there are `MAX_KEYS`.
        """
        if not name.strip() or len(name) > MAX_NAME_CHARS or not name.isprintable():
            raise InvalidRequest("the key has no usable name", cure="Give it a name that can be printed.")
        if len(description) > MAX_ABOUT_CHARS:
            raise InvalidRequest(
                "the key's description is too long", cure=f"Write {MAX_ABOUT_CHARS} characters."
            )
        key = ApiKey(str(uuid.uuid4()), self._project, secrets.token_urlsafe(32).replace("-", "_"))
        made = KeyInfo(
            id=key.id,
            account=account,
            name=name,
            description=description,
            by=by[:MAX_NAME_CHARS],
            created_at=self._clock.wall(),
        )

        def work(db: sqlite3.Connection) -> None:
            if db.execute("SELECT COUNT(*) FROM api_keys").fetchone()[0] >= MAX_KEYS:
                raise StoreFull(f"there are {MAX_KEYS} API keys already", cure="Delete some.")
            sealed = self._seal().seal(key.secret.encode(), _sealed_as(key.id))
            row = (made.id, account, name, description, made.by, made.created_at, sealed)
            db.execute(
                "INSERT INTO api_keys (id, account, name, description, by, created_at, value)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )

        self._hidden.learn([key.secret])
        await self._file.change(work)
        self.signing[key.id] = key.secret
        return made, key.format()

    async def of_service(self, service_id: str, service: str, name: str, *, makes: bool) -> str:
        """The text of the key that a service is given: the same at each start, until it asks for none.

        Args:
            service: Its name, for people.
            makes: Make one of its own; else it is given one of that name, which somebody made.

        Raises:
            SecretMissing: There is none of that name.
            StoreFull: There are `MAX_KEYS`.
        """
        account = _OF_SERVICE + service_id
        async with self._making:
            kept = await self.listed(account=account if makes else ACCOUNT)
            for one in kept:
                if one.name == name and one.id in self.signing:
                    return ApiKey(one.id, self._project, self.signing[one.id]).format()
            if not makes:
                raise SecretMissing(
                    f"there is no API key {name!r}, which the service is to be given",
                    cure=f"Make it: bulkhead apikey create {shlex.quote(name)}. Or say auto_provision: true.",
                )
            told = f"made for service {service}"
            _, text = await self.create(name, by=f"service {service}", description=told, account=account)
            return text

    async def forget_services(self, asking: Callable[[], Awaitable[Mapping[str, str]]]) -> None:
        """Delete the keys of services that ask for none of that name: what nobody asks for opens nothing.

        Args:
            asking: Gives the name of the key that is made for each service, by the service's id.
        """
        async with self._making:
            made = [one for one in await self.listed() if one.account.startswith(_OF_SERVICE)]
            names = await asking() if made else {}  # read after the keys: whose they are was there by then
            for one in made:
                if names.get(one.account.removeprefix(_OF_SERVICE)) != one.name:
                    await self.delete(one.id)

    async def listed(self, *, account: str | None = None) -> list[KeyInfo]:
        """All keys, or those of an account, the oldest first; none with its secret."""

        def work(db: sqlite3.Connection) -> list[KeyInfo]:
            rows = db.execute(
                "SELECT id, account, name, description, by, created_at FROM api_keys"
                " WHERE account = IFNULL(?, account) ORDER BY created_at, id",
                (account,),
            )
            return [
                KeyInfo(
                    id=row[0], account=row[1], name=row[2], description=row[3], by=row[4], created_at=row[5]
                )
                for row in rows
            ]

        return await self._file.read(work)

    async def delete(self, key_id: str) -> None:
        """Delete a key; tokens that it signed are void from now on.

        Raises:
            NotFound: There is none.
        """

        def work(db: sqlite3.Connection) -> None:
            if not db.execute("DELETE FROM api_keys WHERE id = ?", (key_id,)).rowcount:
                raise NotFound(f'there is no API key "{key_id[:100]}"')

        await self._file.change(work)
        self.signing.pop(key_id, None)


def _sealed_as(key_id: str) -> str:
    return f"API key {key_id}"
