"""SQL of the toolkit ``sqlite``: queries that are opened, read and closed; statements; many at once."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from runtime.errors import InvalidRequest, RoomFull
from runtime.rooms.built_in.database.answers import MAX_OPEN, Answers, Written
from runtime.rooms.built_in.database.arrow.kind import guessed
from runtime.rooms.built_in.sqlite import grants
from runtime.rooms.built_in.sqlite.asked import Answer, only_reads, run
from runtime.rooms.built_in.sqlite.files import Databases
from runtime.rooms.built_in.sqlite.reading import allowed, database
from runtime.rooms.connection import Peer
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.streams import ServerStream
from runtime.wire.content import BinaryContent, JsonContent

MAX_COMMANDS: Final = 1000
DATA: Final = {"kind": "data"}

Done = Written | int
"""The rows of a query, or how many a statement changed."""


class Queries:
    """Those tools."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._answers = Answers()

    def tools(self) -> Handlers:
        """Handlers of the plain tools by full name."""
        return {
            "sqlite.execute_sql": self._execute,
            "sqlite.open_sql_query": self._open,
            "sqlite.execute_sql_statement": self._statement,
            "sqlite.execute_sql_batch": self._batch,
            "sqlite.close_sql_query": self._answers.close,
            "sqlite.cancel_sql_query": self._answers.cancel,
        }

    def streams(self) -> Mapping[str, Callable[[ServerStream], Awaitable[None]]]:
        """Handlers of the streamed tools by full name."""
        return {"sqlite.read_sql_query": self._read}

    def leave(self, peer: Peer) -> None:
        """Forget the answers of a participant."""
        self._answers.leave(peer)

    async def _read(self, stream: ServerStream) -> None:
        await self._answers.read(stream, DATA)

    async def _execute(self, request: Request) -> Outcome:
        async with self._answers.room_for(request.peer):
            (done,) = await self._done(request, [(request.text("query"), request.arguments.get("params"))])
            if isinstance(done, int):
                return JsonContent({"kind": "statement", "rows_affected": done})
            return self._kept(request, done)

    async def _open(self, request: Request) -> Outcome:
        async with self._answers.room_for(request.peer):
            (done,) = await self._done(
                request, [(request.text("query"), request.arguments.get("params"))], only_queries=True
            )
            assert not isinstance(done, int)
            return self._kept(request, done)

    async def _statement(self, request: Request) -> Outcome:
        (done,) = await self._done(request, [(request.text("query"), request.arguments.get("params"))])
        return JsonContent({"rows_affected": done if isinstance(done, int) else 0})

    async def _batch(self, request: Request) -> Outcome:
        """All of the commands, or none; the answer of each."""
        given = request.arguments.get("commands")
        if not isinstance(given, list) or not 0 < len(given) <= MAX_COMMANDS:
            raise InvalidRequest(f"'commands' are a list of 1 to {MAX_COMMANDS}")
        if not all(isinstance(one, dict) and isinstance(one.get("query"), str) for one in given):
            raise InvalidRequest("a command has a query, a text")
        commands = [(one["query"], one.get("params")) for one in given]
        async with self._answers.room_for(request.peer, sum(only_reads(text) for text, _ in commands)):
            results: list[dict[str, Any]] = []
            for done in await self._done(request, commands):
                if isinstance(done, int):
                    results.append({"kind": "statement", "rows_affected": done})
                    continue
                packed = base64.b64encode(done.schema).decode()
                key = self._answers.keep(request.peer, done)
                results.append({"kind": "query", "query_id": key, "schema_base64": packed})
        return JsonContent({"results": results})

    def _kept(self, request: Request, written: Written) -> Outcome:
        key = self._answers.keep(request.peer, written)
        return BinaryContent({"kind": "query", "query_id": key}, written.schema)

    async def _done(
        self, request: Request, commands: Sequence[tuple[str, Any]], *, only_queries: bool = False
    ) -> list[Done]:
        """Run commands in one transaction, with those that only read where all do."""
        name = database(request)
        grants.need(request.peer.participant.claims, name, "execute")
        allows, bounds = allowed(request, name), self._databases.bounds
        is_reading = all(only_reads(text) for text, _ in commands)

        def work(connection: sqlite3.Connection) -> list[Done]:
            left, queries, done = bounds.max_result_bytes, 0, list[Done]()
            for text, given in commands:
                within = replace(bounds, max_result_bytes=left)
                one = run(connection, text, given, allows, within, changes=not is_reading)
                if only_queries and not one.is_query:  # what it did is taken back
                    raise InvalidRequest("that is no query", cure="Call execute_sql_statement with it.")
                left -= one.size
                queries += one.is_query
                if queries > MAX_OPEN:  # a statement may have rows, too
                    raise RoomFull(f"a participant may have {MAX_OPEN} queries open", cure="Ask for fewer.")
                done.append(written(one) if one.is_query else one.changed)
            return done

        if is_reading:
            return await self._databases.read(name, work)
        return await self._databases.write(name, work)


def written(answer: Answer) -> Written:
    """Rows as Arrow, with the types that they are of."""
    types = [guessed([row[at] for row in answer.rows], None) for at in range(len(answer.names))]
    told = [
        [
            str(value) if type.kind == "text" and value is not None else value
            for value, type in zip(row, types, strict=True)
        ]
        for row in answer.rows
    ]
    return Written.of(answer.names, types, told)
