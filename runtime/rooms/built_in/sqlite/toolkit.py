"""The toolkit ``sqlite``: databases by name, which clients from 0.45 on ask in SQL.

Schemas and rows are streams of Arrow, as those of the toolkit ``dataset``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from runtime.errors import NotFound, PermissionDenied
from runtime.rooms.built_in.database import reading
from runtime.rooms.built_in.database.arrow.reading import read_schema
from runtime.rooms.built_in.database.arrow.writing import write_stream
from runtime.rooms.built_in.sqlite import grants, schema
from runtime.rooms.built_in.sqlite.asked import run
from runtime.rooms.built_in.sqlite.copies import Copies
from runtime.rooms.built_in.sqlite.files import Databases
from runtime.rooms.built_in.sqlite.queries import Queries
from runtime.rooms.built_in.sqlite.reading import Choice, allowed, chosen, database, need_table
from runtime.rooms.built_in.sqlite.reading import table as table_of
from runtime.rooms.built_in.sqlite.rows import Rows
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.column import quoted, read_name
from runtime.rooms.connection import Peer
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import BinaryContent, EmptyContent, JsonContent

TAKE_BYTES: Final = frozenset(
    {
        "sqlite.add_columns",
        "sqlite.execute_sql",
        "sqlite.execute_sql_batch",
        "sqlite.execute_sql_statement",
        "sqlite.open_sql_query",
    }
)
"""Tools of the toolkit that are called with bytes."""
_SYNCHRONOUS: Final = {"replication_mode": "synchronous", "flush_interval_ms": 1000}


class Sqlite:
    """Its tools.

    Args:
        max_bytes: What one stream may write.
    """

    def __init__(self, databases: Databases, *, max_bytes: int) -> None:
        self._databases = databases
        self._queries = Queries(databases)
        self._rows = Rows(databases, max_bytes=max_bytes)
        self._copies = Copies(databases)

    def streams(self) -> Mapping[str, Callable[[ServerStream], Awaitable[None]]]:
        """Handlers of the streamed tools by full name."""
        return {**self._queries.streams(), **self._rows.streams(), **self._copies.streams()}

    def leave(self, peer: Peer) -> None:
        """Forget what is kept for a participant."""
        self._queries.leave(peer)

    async def close(self) -> None:
        """Let go of the files."""
        await self._databases.close()

    def tools(self) -> Handlers:
        """Handlers of the plain tools by full name."""
        return {
            **self._queries.tools(),
            "sqlite.list_databases": self._list_databases,
            "sqlite.create_database": self._create_database,
            "sqlite.drop_database": self._drop_database,
            "sqlite.inspect_database": self._inspect_database,
            "sqlite.get_database_settings": self._settings,
            "sqlite.update_database_settings": self._settings,
            "sqlite.flush_database": self._flush,
            "sqlite.list_tables": self._list_tables,
            "sqlite.drop_table": self._drop_table,
            "sqlite.rename_table": self._rename_table,
            "sqlite.inspect": self._inspect,
            "sqlite.add_columns": self._add_columns,
            "sqlite.drop_columns": self._drop_columns,
            "sqlite.update": self._update,
            "sqlite.delete": self._delete,
            "sqlite.count": self._count,
        }

    # ---- databases

    async def _list_databases(self, request: Request) -> Outcome:
        claims = request.peer.participant.claims
        grants.need_room(claims, "list_databases")
        space = TableName.read("d", request.arguments.get("namespace")).namespace
        found = await self._databases.listed(space)
        return JsonContent({"databases": [name.name for name in found if grants.is_listed(claims, name)]})

    async def _create_database(self, request: Request) -> Outcome:
        claims, name = request.peer.participant.claims, database(request, key="name")
        grants.need_room(claims, "create_database")
        mode = request.optional_text("mode") or "create"
        if not grants.is_listed(claims, name):
            raise PermissionDenied(f"the token does not allow database {str(name)!r}")
        if mode == "overwrite":
            grants.need(claims, name, "drop")
        await self._databases.create(name, mode)
        return EmptyContent()

    async def _drop_database(self, request: Request) -> Outcome:
        name = database(request, key="name")
        grants.need(request.peer.participant.claims, name, "drop")
        if not await self._databases.drop(name) and not request.flag("ignore_missing"):
            raise NotFound(f"database {str(name)!r} does not exist")
        return EmptyContent()

    async def _inspect_database(self, request: Request) -> Outcome:
        name = self._named(request, "inspect", key="name")
        count = len(await self._databases.read(name, schema.names))
        size = await self._databases.size_bytes(name)
        space = list(name.namespace) or None
        return JsonContent({"name": name.name, "namespace": space, "tables": count, "size_bytes": size})

    async def _settings(self, request: Request) -> Outcome:
        """Everything is on the disk when it is answered, and stays so."""
        await self._databases.need(self._named(request, "inspect", key="name"))
        return JsonContent(dict(_SYNCHRONOUS))

    async def _flush(self, request: Request) -> Outcome:
        await self._databases.need(self._named(request, "inspect", key="name"))
        return JsonContent({})

    def _named(self, request: Request, verb: grants.Verb, *, key: str = "database") -> TableName:
        name = database(request, key=key)
        grants.need(request.peer.participant.claims, name, verb)
        return name

    # ---- tables

    async def _list_tables(self, request: Request) -> Outcome:
        name = self._named(request, "list_tables")
        claims = request.peer.participant.claims
        found = await self._databases.read(name, schema.names)
        return JsonContent(
            {"tables": [table for table in found if grants.allows_table(claims, name, table, "read")]}
        )

    async def _inspect(self, request: Request) -> Outcome:
        name, table = table_of(request, "read")

        def told(connection: sqlite3.Connection) -> bytes:
            found = schema.columns(connection, table)
            return write_stream(list(found), list(found.values()))

        return BinaryContent({"kind": "schema"}, await self._databases.read(name, told))

    async def _drop_table(self, request: Request) -> Outcome:
        name, table = table_of(request, "alter", key="name")
        form = "DROP TABLE IF EXISTS" if request.flag("ignore_missing") else "DROP TABLE"
        await self._altered(name, f"{form} {quoted(table)}")
        return EmptyContent()

    async def _rename_table(self, request: Request) -> Outcome:
        name, table = table_of(request, "alter", key="name")
        new = read_name(request.arguments.get("new_name"), "table")
        need_table(request, name, new, "alter")
        await self._altered(name, f"ALTER TABLE {quoted(table)} RENAME TO {quoted(new)}")
        return EmptyContent()

    async def _add_columns(self, request: Request) -> Outcome:
        name, table = table_of(request, "alter")
        new = await self._databases.beside(partial(read_schema, request.data))
        told = [schema.declared(column, type) for column, type in new.items()]
        await self._altered(name, *(f"ALTER TABLE {quoted(table)} ADD COLUMN {one}" for one in told))
        return EmptyContent()

    async def _drop_columns(self, request: Request) -> Outcome:
        name, table = table_of(request, "alter")
        told = map(quoted, reading.texts(request, "columns") or [])
        await self._altered(name, *(f"ALTER TABLE {quoted(table)} DROP COLUMN {one}" for one in told))
        return EmptyContent()

    async def _altered(self, name: TableName, *texts: str) -> None:
        """Run statements, all of them or none."""

        def work(connection: sqlite3.Connection) -> None:
            for text in texts:
                run(connection, text, None, lambda *_: True, self._databases.bounds)

        await self._databases.write(name, work)

    # ---- rows

    async def _update(self, request: Request) -> Outcome:
        which = chosen(request)
        return await self._changed(request, f"UPDATE {{}} SET {which.sets or 'nothing'}", which)

    async def _delete(self, request: Request) -> Outcome:
        return await self._changed(request, "DELETE FROM {}", chosen(request))

    async def _changed(self, request: Request, form: str, which: Choice) -> Outcome:
        name, table = table_of(request, "write")
        request.text("where")
        text = f"{form.replace('{}', quoted(table), 1)} WHERE {which.where}"
        allows, bounds = allowed(request, name), self._databases.bounds
        done = await self._databases.write(
            name, lambda connection: run(connection, text, which.values, allows, bounds)
        )
        return JsonContent({"rows_affected": done.changed})

    async def _count(self, request: Request) -> Outcome:
        (name, table), which = table_of(request, "read"), chosen(request)
        text = f"SELECT count(*) FROM {quoted(table)} WHERE {which.where}"
        allows, bounds = allowed(request, name), self._databases.bounds

        def counted(connection: sqlite3.Connection) -> int:
            schema.columns(connection, table)
            return int(run(connection, text, which.values, allows, bounds, changes=False).rows[0][0])

        return JsonContent({"count": await self._databases.read(name, counted)})
