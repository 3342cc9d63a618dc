"""What an agent needs in the room before it can work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runtime.sdk.room.room_exception import RoomException
from runtime.sdk.room.tables.data_type import DataType

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient

CALL_TIMEOUT_S = 30.0
_FIRST_POLL_S = 0.1
_LONGEST_POLL_S = 1.0

_log = logging.getLogger("agents")


class Requirement:
    """Something that must be in the room.

    Args:
        name: Its name there; an ``http(s)://`` address is called into the room when it is missing.
        callable: Whether the agent may call it in; None means yes when the name is an address.
        timeout_s: How long to wait for it to appear.
    """

    kind = ""

    def __init__(
        self, *, name: str, callable: bool | None = None, timeout_s: float | None = CALL_TIMEOUT_S
    ) -> None:
        self.name = name
        self.callable = callable
        self.timeout_s = timeout_s

    @property
    def url(self) -> str | None:
        """The address to call, when the name is one."""
        return self.name if urlsplit(self.name).scheme in ("http", "https") else None

    @property
    def short_name(self) -> str:
        """The name in the room: that of an address is its last segment."""
        return urlsplit(self.name).path.rstrip("/").rsplit("/", 1)[-1] if self.url else self.name

    async def is_in(self, room: RoomClient, participant_id: str | None = None) -> bool:
        """Whether it is in the room now."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """The form in which it travels."""
        described: dict[str, Any] = {self.kind: self.name}
        if self.callable is not None:
            described["callable"] = self.callable
        return described

    @staticmethod
    def from_json(r: dict[str, Any]) -> Requirement:
        """Read what ``to_json`` wrote.  Raises ValueError for anything else."""
        callable = r.get("callable")
        if isinstance(r.get("toolkit"), str):
            return RequiredToolkit(name=r["toolkit"], tools=r.get("tools"), callable=callable)
        if isinstance(r.get("schema"), str):
            return RequiredSchema(name=r["schema"], callable=callable)
        if isinstance(r.get("table"), str):
            return RequiredTable.from_json(r)
        raise ValueError(f"not a requirement: {r!r}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class RequiredToolkit(Requirement):
    """A toolkit; ``tools`` names those that are needed, None means all of it."""

    kind = "toolkit"

    def __init__(
        self,
        *,
        name: str,
        tools: Sequence[str] | None = None,
        callable: bool | None = None,
        timeout_s: float | None = CALL_TIMEOUT_S,
    ) -> None:
        super().__init__(name=name, callable=callable, timeout_s=timeout_s)
        self.tools = None if tools is None else list(tools)

    def to_json(self) -> dict[str, Any]:
        """The form in which it travels."""
        return {**super().to_json(), "tools": self.tools}

    async def is_in(self, room: RoomClient, participant_id: str | None = None) -> bool:
        """Whether such a toolkit is registered."""
        listed = await room.agents.list_toolkits(participant_id=participant_id)
        return any(toolkit.name == self.short_name for toolkit in listed)


class RequiredSchema(Requirement):
    """A document schema, the file ``.schemas/<name>.json`` of the room."""

    kind = "schema"

    async def is_in(self, room: RoomClient, participant_id: str | None = None) -> bool:
        """Whether the room has the file."""
        return await room.storage.exists(path=f".schemas/{self.short_name}.json")


class RequiredTable(Requirement):
    """A table of the room, made when it is not there.

    Args:
        schema: Its columns.
        scalar_indexes: Columns that filters compare.
        full_text_search_indexes: Columns whose words are looked up.
        vector_indexes: Columns of vectors.
    """

    kind = "table"

    def __init__(
        self,
        *,
        name: str,
        schema: Mapping[str, DataType],
        namespace: list[str] | None = None,
        scalar_indexes: Sequence[str] | None = None,
        full_text_search_indexes: Sequence[str] | None = None,
        vector_indexes: Sequence[str] | None = None,
    ) -> None:
        super().__init__(name=name, callable=False)
        self.schema = dict(schema)
        self.namespace = namespace
        self.scalar_indexes = list(scalar_indexes or ())
        self.full_text_search_indexes = list(full_text_search_indexes or ())
        self.vector_indexes = list(vector_indexes or ())

    @property
    def url(self) -> str | None:
        """None: a table is no service."""
        return None

    def to_json(self) -> dict[str, Any]:
        """The form in which it travels."""
        return {
            "table": self.name,
            "schema": {name: type.to_json() for name, type in self.schema.items()},
            "namespace": self.namespace,
            "scalar_indexes": self.scalar_indexes,
            "full_text_search_indexes": self.full_text_search_indexes,
            "vector_indexes": self.vector_indexes,
        }

    @staticmethod
    def from_json(r: dict[str, Any]) -> RequiredTable:
        """Read what ``to_json`` wrote."""
        schema = {name: DataType.from_json(form) for name, form in (r.get("schema") or {}).items()}
        names = ("namespace", "scalar_indexes", "full_text_search_indexes", "vector_indexes")
        return RequiredTable(name=r["table"], schema=schema, **{name: r.get(name) for name in names})

    async def is_in(self, room: RoomClient, participant_id: str | None = None) -> bool:
        """Make the table and its indexes where they are missing, so that it is."""
        tables, space = room.database, self.namespace
        await tables.create_table_with_schema(
            name=self.name, schema=self.schema, mode="create_if_not_exists", namespace=space
        )
        indexed = {
            name
            for index in await tables.list_indexes(table=self.name, namespace=space)
            for name in index.columns
        }
        for columns, create in (
            (self.scalar_indexes, tables.create_scalar_index),
            (self.full_text_search_indexes, tables.create_full_text_search_index),
            (self.vector_indexes, tables.create_vector_index),
        ):
            for column in columns:
                if column not in indexed:
                    await create(table=self.name, column=column, replace=True, namespace=space)
        return True


async def install(requirement: Requirement, room: RoomClient, participant_id: str | None = None) -> None:
    """Return once the requirement is in the room, called in first if it has an address.

    Args:
        participant_id: Count the private toolkits of this participant too.

    Raises:
        RoomException: It did not appear in time, or could not be called.
    """
    if await requirement.is_in(room, participant_id):
        return
    if requirement.url is not None and requirement.callable is not False:
        _log.info("calling %s into the room", requirement.url)
        await room.agents.make_call(name=requirement.short_name, url=requirement.url)
    pause_s = _FIRST_POLL_S
    try:
        async with asyncio.timeout(requirement.timeout_s):
            while not await requirement.is_in(room, participant_id):
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_POLL_S)
    except TimeoutError:
        raise RoomException(
            f"{requirement!r} did not appear in the room within {requirement.timeout_s:g} s",
            cure="Call its service into the room first, or raise timeout_s of the requirement.",
        ) from None
