"""The toolkit ``memory``: entities and relationships that agents note, and ask for again.

A text is noted as one entity, whichever strategy is asked for: no model is asked by the room.  Recalling goes
by words.  Pictures, and what is to be read from tables, are refused.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeVar

from runtime.clock import Clock, iso
from runtime.errors import InvalidRequest, NotFound, NotSupported, PermissionDenied, RoomError, RoomFull
from runtime.rooms.built_in.memory import statement
from runtime.rooms.built_in.memory.grants import allows, allows_listing
from runtime.rooms.built_in.memory.store import MAX_FILE_BYTES, MAX_TEXT_CHARS, MemoryStore, key_of, note
from runtime.rooms.built_in.tables.threads import THREADS
from runtime.rooms.files import whole
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.wire.content import EmptyContent, JsonContent
from runtime.wire.text import MOST_LISTS, holds_too_much, utf8_text

MAX_NAME_CHARS: Final = 200
MAX_RECORDS: Final = 1000
MAX_RECALLED: Final = 100
T = TypeVar("T")


class Memory:
    """The family; only newer clients have it."""

    def __init__(self, store: MemoryStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._turn = asyncio.Lock()

    def tools(self) -> Handlers:
        """Handlers by full name."""
        return {
            "memory.list": self._list,
            "memory.create": self._create,
            "memory.drop": self._drop,
            "memory.inspect": self._inspect,
            "memory.query": self._query,
            "memory.upsert_nodes": self._upsert_nodes,
            "memory.upsert_relationships": self._upsert_relationships,
            "memory.ingest_text": self._ingest,
            "memory.ingest_file": self._ingest,
            "memory.recall": self._recall,
            "memory.delete_entities": self._delete_entities,
            "memory.delete_relationships": self._delete_relationships,
            "memory.optimize": self._optimize,
        }

    async def close(self) -> None:
        """The room closes."""
        await self._do(self._store.close)

    async def _do(self, function: Callable[..., T], *given: Any, **more: Any) -> T:
        """In the threads of tables: to recall is to read all of a memory."""

        async def done() -> T:
            return await (await THREADS.run(self._store.folder, partial(function, *given, **more)))

        async with self._turn:
            try:
                return await whole(done())
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
                    most = f"the room's memories may have {MAX_FILE_BYTES} bytes in all"
                    raise RoomFull(most, cure="Drop some, or delete some of what is in them.") from error
                raise RoomError(f"the room's memories cannot be used: {error}") from error

    # ---- memories

    async def _list(self, request: Request) -> Outcome:
        if not allows_listing(request.peer.participant.claims.family("memory")):
            raise PermissionDenied("the token does not allow listing memories")
        return JsonContent({"memories": await self._do(self._store.names, _namespace(request))})

    async def _create(self, request: Request) -> Outcome:
        namespace, name = _named(request, "create")
        overwrite = request.flag("overwrite")
        if overwrite:
            _named(request, "drop")
        ignore = request.flag("ignore_exists")
        await self._do(self._store.create, namespace, name, overwrite=overwrite, ignore_exists=ignore)
        return EmptyContent()

    async def _drop(self, request: Request) -> Outcome:
        namespace, name = _named(request, "drop")
        if not await self._do(self._store.drop, namespace, name) and not request.flag("ignore_missing"):
            raise NotFound(f"memory does not exist: {name}")
        return EmptyContent()

    async def _inspect(self, request: Request) -> Outcome:
        namespace, name = _named(request, "inspect")
        entities, relationships = await self._do(self._store.counts, key_of(namespace, name), name)
        counts = (
            ("Entity", entities, statement.ENTITY),
            ("RELATIONSHIP", relationships, statement.RELATIONSHIP),
        )
        return JsonContent(
            {
                "name": name,
                "namespace": namespace.split("/") if namespace else None,
                "path": "/".join(filter(None, (namespace, name))),
                "datasets": [
                    {"name": kind, "rows": count, "columns": list(columns)} for kind, count, columns in counts
                ],
            }
        )

    async def _optimize(self, request: Request) -> Outcome:
        namespace, name = _named(request, "optimize")
        await self._do(self._store.counts, key_of(namespace, name), name)
        return JsonContent({"name": name, "datasets": []})

    # ---- what is in them

    async def _query(self, request: Request) -> Outcome:
        namespace, name = _named(request, "query")
        question = statement.parse(_text(request, "statement"))
        rows = await self._do(self._store.ask, key_of(namespace, name), name, question)
        return JsonContent({"results": rows})

    async def _upsert_nodes(self, request: Request) -> Outcome:
        rows = _records(request)
        for row in rows:
            if not isinstance(row.get("name"), str) or not row["name"]:
                raise InvalidRequest("an entity needs a 'name'")
            row["entity_id"] = row.get("entity_id") or row["name"]
            row["entity_type"] = row.get("entity_type") or "entity"
        return await self._upsert(request, "entity", rows)

    async def _upsert_relationships(self, request: Request) -> Outcome:
        rows = _records(request)
        for row in rows:
            if not all(isinstance(row.get(f"{end}_entity_id"), str) for end in ("source", "target")):
                raise InvalidRequest("a relationship needs 'source_entity_id' and 'target_entity_id'")
            row["relationship_type"] = row.get("relationship_type") or "RELATED_TO"
        return await self._upsert(request, "relationship", rows)

    async def _upsert(self, request: Request, kind: str, rows: list[dict[str, Any]]) -> Outcome:
        namespace, name = _named(request, "upsert")
        now = iso(self._clock.wall())
        stamped = [{**row, "created_at": row.get("created_at") or now} for row in rows]
        merge = request.flag("merge", default=True)
        await self._do(self._store.upsert, key_of(namespace, name), name, kind, stamped, merge=merge)
        return EmptyContent()

    async def _ingest(self, request: Request) -> Outcome:
        namespace, name = _named(request, "ingest")
        if request.optional_text("text") is None:
            raise NotSupported(
                f"not supported by this server: {request.name} without a text",
                cure="Read the file, and give its text.",
            )
        text = _text(request, "text")
        if len(text) > MAX_TEXT_CHARS:
            raise InvalidRequest(f"a text has at most {MAX_TEXT_CHARS} characters", cure="Give it in pieces.")
        entity = note(text, iso(self._clock.wall()))
        await self._do(self._store.upsert, key_of(namespace, name), name, "entity", [entity], merge=True)
        stats = {"entities": 1, "relationships": 0, "sources": 1}
        return JsonContent({"name": name, "stats": stats, "entity_ids": [entity["entity_id"]]})

    async def _recall(self, request: Request) -> Outcome:
        namespace, name = _named(request, "recall")
        query, key = _text(request, "query")[:MAX_TEXT_CHARS], key_of(namespace, name)
        asked = request.arguments.get("limit")
        limit = min(asked, MAX_RECALLED) if isinstance(asked, int) and asked > 0 else 5
        found = await self._do(self._store.recall, key, name, query, limit)
        between: list[dict[str, Any]] = []
        if found and request.flag("include_relationships", default=True):
            between = await self._do(self._store.around, key, [one["entity_id"] for one in found])
        items = [
            {
                **{field: one[field] for field in statement.ENTITY if field != "metadata"},
                "score": one["score"],
                "relationships": [
                    {field: each[field] for field in _SHOWN}
                    for each in between
                    if one["entity_id"] in (each["source_entity_id"], each["target_entity_id"])
                ],
            }
            for one in found
        ]
        return JsonContent({"name": name, "query": query, "items": items})

    async def _delete_entities(self, request: Request) -> Outcome:
        namespace, name = _named(request, "upsert")
        ids = [utf8_text(one) for one in _listed(request, "entity_ids") if isinstance(one, str)]
        entities, relationships = await self._do(
            self._store.delete_entities, key_of(namespace, name), name, ids
        )
        return JsonContent(
            {"name": name, "deleted_entities": entities, "deleted_relationships": relationships}
        )

    async def _delete_relationships(self, request: Request) -> Outcome:
        namespace, name = _named(request, "upsert")
        which = [
            (*(utf8_text(str(one.get(f"{end}_entity_id"))) for end in ("source", "target")), _kind(one))
            for one in _listed(request, "relationships")
            if isinstance(one, dict)
        ]
        count = await self._do(self._store.delete_relationships, key_of(namespace, name), name, which)
        return JsonContent({"name": name, "deleted_relationships": count})


_SHOWN: Final = (
    "source_entity_id", "target_entity_id", "relationship_type", "description", "created_at", "valid_at",
    "expired_at", "invalid_at",
)  # fmt: skip


def _named(request: Request, verb: str) -> tuple[str, str]:
    """The namespace and the name of a memory that the token allows this for."""
    name, namespace = _text(request, "name"), _namespace(request)
    if len(name) > MAX_NAME_CHARS or "\0" in name:
        raise InvalidRequest(f"a memory's name has at most {MAX_NAME_CHARS} characters")
    if not allows(request.peer.participant.claims.family("memory"), verb, name, namespace):
        raise PermissionDenied(f"the token does not allow this ({verb}) with memory {name!r}")
    return namespace, name


def _text(request: Request, key: str) -> str:
    return utf8_text(request.text(key))


def _kind(relationship: dict[str, Any]) -> str | None:
    kind = relationship.get("relationship_type")
    return None if kind is None else utf8_text(str(kind))


def _namespace(request: Request) -> str:
    given = request.arguments.get("namespace")
    if given is None:
        return ""
    if not isinstance(given, list) or not all(isinstance(one, str) and "\0" not in one for one in given):
        raise InvalidRequest("'namespace' is a list of texts")
    joined = utf8_text("/".join(given))
    if len(joined) > MAX_NAME_CHARS:
        raise InvalidRequest(f"a namespace has at most {MAX_NAME_CHARS} characters")
    return joined


def _records(request: Request) -> list[dict[str, Any]]:
    text = request.text("records_json")
    if holds_too_much(text):
        raise InvalidRequest(f"'records_json' has at most {MOST_LISTS} lists and objects")
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidRequest("'records_json' is no JSON") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidRequest("'records_json' is no list of objects")
    if len(rows) > MAX_RECORDS:
        raise InvalidRequest(f"at most {MAX_RECORDS} records at once")
    return rows


def _listed(request: Request, key: str) -> list[Any]:
    given = request.arguments.get(key)
    if not isinstance(given, list) or len(given) > MAX_RECORDS:
        raise InvalidRequest(f"{request.name} needs {key!r}, a list of at most {MAX_RECORDS}")
    return given
