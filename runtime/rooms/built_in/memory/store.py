"""The memories of one room: one SQLite file, beside the room's tables.  Blocks; one caller at a time."""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from runtime.errors import Exists, InvalidRequest, NotFound, RoomFull
from runtime.rooms.built_in.memory.statement import ENTITY, RELATIONSHIP, Question
from runtime.rooms.built_in.tables.cell import finite
from runtime.rooms.built_in.tables.query import bound_value

FILE: Final = "memory.sqlite3"
MAX_MEMORIES: Final = 200
MAX_ENTITIES: Final = 20_000
MAX_RELATIONSHIPS: Final = 50_000
MAX_TEXT_CHARS: Final = 20_000
_MAX_LIKELY: Final = 64
_WORDS: Final = "coalesce(name, '') || ' ' || coalesce(entity_type, '') || ' ' || coalesce(context, '')"
MAX_FILE_BYTES: Final = 512 << 20
_PAGE_BYTES: Final = 4096
_TABLES: Final = {"entity": ("entities", ENTITY), "relationship": ("relationships", RELATIONSHIP)}
_SCHEMA: Final = f"""
PRAGMA page_size = {_PAGE_BYTES};
PRAGMA max_page_count = {MAX_FILE_BYTES // _PAGE_BYTES};
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS memories (key TEXT PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entities (
  memory TEXT NOT NULL, {", ".join(ENTITY)}, PRIMARY KEY (memory, entity_id));
CREATE TABLE IF NOT EXISTS relationships (
  memory TEXT NOT NULL, {", ".join(RELATIONSHIP)},
  PRIMARY KEY (memory, source_entity_id, target_entity_id, relationship_type));
"""


class MemoryStore:
    """All memories of a room, by key (`key_of`).

    Attributes:
        folder: Where the file is, with those of the room's tables.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        """Opened again when it is next used."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def names(self, namespace: str) -> list[str]:
        """Those of a namespace, sorted."""
        if self._db is None and not (self.folder / FILE).exists():
            return []
        found = self._opened().execute(
            "SELECT name FROM memories WHERE namespace = ? ORDER BY name", (namespace,)
        )
        return [name for (name,) in found]

    def create(self, namespace: str, name: str, *, overwrite: bool, ignore_exists: bool) -> None:
        """Make an empty one.  Raises Exists, RoomFull."""
        key, db = key_of(namespace, name), self._opened()
        with db:
            if self._has(key):
                if not overwrite:
                    if ignore_exists:
                        return
                    raise Exists(f"memory already exists: {name}")
                self._empty(key)
            elif db.execute("SELECT count(*) FROM memories").fetchone()[0] >= MAX_MEMORIES:
                raise RoomFull(f"the room has {MAX_MEMORIES} memories already", cure="Drop some.")
            db.execute("INSERT OR REPLACE INTO memories VALUES (?, ?, ?)", (key, namespace, name))

    def drop(self, namespace: str, name: str) -> bool:
        """Forget it with all that is in it; False where there was none."""
        key, db = key_of(namespace, name), self._opened()
        with db:
            self._empty(key)
            return db.execute("DELETE FROM memories WHERE key = ?", (key,)).rowcount > 0

    def counts(self, key: str, name: str) -> tuple[int, int]:
        """Entities and relationships."""
        self._check(key, name)
        db = self._opened()
        entities, relationships = (
            db.execute(f"SELECT count(*) FROM {table} WHERE memory = ?", (key,)).fetchone()[0]
            for table, _ in _TABLES.values()
        )
        return entities, relationships

    def upsert(
        self, key: str, name: str, kind: str, rows: Sequence[Mapping[str, Any]], *, merge: bool
    ) -> None:
        """Add rows, in the place of those of the same ids; with `merge`, what is None stays as it was."""
        self._check(key, name)
        table, columns = _TABLES[kind]
        ids = columns[:1] if kind == "entity" else columns[:3]
        others = [column for column in columns if column not in ids]
        kept = ", ".join(
            f"{one} = coalesce(excluded.{one}, {one})" if merge else f"{one} = excluded.{one}"
            for one in others
        )
        marks = ", ".join("?" * (len(columns) + 1))
        most = MAX_ENTITIES if kind == "entity" else MAX_RELATIONSHIPS
        db = self._opened()
        with db:
            db.executemany(
                f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT DO UPDATE SET {kept}",
                [(key, *(_plain(row.get(column)) for column in columns)) for row in rows],
            )
            if db.execute(f"SELECT count(*) FROM {table} WHERE memory = ?", (key,)).fetchone()[0] > most:
                raise RoomFull(f"memory {name!r} has {most} {table} already", cure="Delete some.")

    def ask(self, key: str, name: str, question: Question) -> list[dict[str, Any]]:
        """The rows that fit."""
        self._check(key, name)
        table, _ = _TABLES[question.kind]
        order = ", ".join(f"{field} {'DESC' if down else 'ASC'}" for field, down in question.order) or "rowid"
        fields = ", ".join(field for field, _ in question.columns)
        found = self._opened().execute(
            f"SELECT {fields} FROM {table} WHERE memory = ? AND {question.where} ORDER BY {order} LIMIT ?",
            (key, *question.parameters, question.limit),
        )
        names = [shown for _, shown in question.columns]
        return [dict(zip(names, row, strict=True)) for row in found]

    def recall(self, key: str, name: str, query: str, limit: int) -> list[dict[str, Any]]:
        """Entities by how many of the query's words they have, the best first; each with its `score`."""
        self._check(key, name)
        wanted = _words(query)
        scored = []
        fields, likely, patterns = ", ".join(ENTITY), "1", list[str]()
        if len(wanted) <= _MAX_LIKELY and all(word.isascii() for word in wanted):
            # Most are passed over by SQLite, which keeps no other thread from running.  It knows capitals of
            # ASCII alone, so texts with other letters are all looked at.
            likely = " OR ".join(["words LIKE ?"] * len(wanted) + ["words GLOB ?"])
            patterns = [*(f"%{word}%" for word in wanted), "*[^\t-~]*"]
        for row in self._opened().execute(
            f"SELECT {fields} FROM (SELECT *, {_WORDS} AS words FROM entities WHERE memory = ?) "
            f"WHERE {likely}",
            (key, *patterns),
        ):
            entity = dict(zip(ENTITY, row, strict=True))
            title = wanted & _words(f"{entity['name']} {entity['entity_type']}")
            found = title | (wanted & _words(str(entity["context"] or "")))
            if found:
                entity["score"] = round((len(found) + 0.5 * len(title)) / (1.5 * len(wanted)), 4)
                scored.append(entity)
        scored.sort(key=lambda one: (-one["score"], str(one["valid_at"] or ""), one["name"]))
        return scored[:limit]

    def around(self, key: str, ids: Iterable[str]) -> list[dict[str, Any]]:
        """The relationships of some entities."""
        wanted = list(ids)
        marks = ", ".join("?" * len(wanted))
        found = self._opened().execute(
            f"SELECT {', '.join(RELATIONSHIP)} FROM relationships WHERE memory = ? AND"
            f" (source_entity_id IN ({marks}) OR target_entity_id IN ({marks})) LIMIT 1000",
            (key, *wanted, *wanted),
        )
        return [dict(zip(RELATIONSHIP, row, strict=True)) for row in found]

    def delete_entities(self, key: str, name: str, ids: Sequence[str]) -> tuple[int, int]:
        """Forget entities with their relationships; how many of each."""
        self._check(key, name)
        db, entities, relationships = self._opened(), 0, 0
        with db:
            for id in ids:
                relationships += db.execute(
                    "DELETE FROM relationships WHERE memory = ?1"
                    " AND ?2 IN (source_entity_id, target_entity_id)",
                    (key, id),
                ).rowcount
                entities += db.execute(
                    "DELETE FROM entities WHERE memory = ? AND entity_id = ?", (key, id)
                ).rowcount
        return entities, relationships

    def delete_relationships(self, key: str, name: str, which: Sequence[tuple[str, str, str | None]]) -> int:
        """Forget relationships between two entities, of one type or of any; how many."""
        self._check(key, name)
        db, count = self._opened(), 0
        with db:
            for source, target, kind in which:
                count += db.execute(
                    "DELETE FROM relationships WHERE memory = ?1 AND source_entity_id = ?2"
                    " AND target_entity_id = ?3 AND relationship_type = coalesce(?4, relationship_type)",
                    (key, source, target, kind),
                ).rowcount
        return count

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Used by one thread after the other.
            self._db = sqlite3.connect(self.folder / FILE, check_same_thread=False, timeout=10)
            (self.folder / FILE).chmod(0o600)
            self._db.executescript(_SCHEMA)
        return self._db

    def _check(self, key: str, name: str) -> None:
        if not self._has(key):
            raise NotFound(f"memory does not exist: {name}", cure="Create it first.")

    def _has(self, key: str) -> bool:
        return self._opened().execute("SELECT 1 FROM memories WHERE key = ?", (key,)).fetchone() is not None

    def _empty(self, key: str) -> None:
        for table, _ in _TABLES.values():
            self._opened().execute(f"DELETE FROM {table} WHERE memory = ?", (key,))


def key_of(namespace: str, name: str) -> str:
    """What tells a memory of a room from others."""
    return f"{namespace}\0{name}"


def note(text: str, now: str) -> dict[str, Any]:
    """A text as an entity; the same text is the same entity."""
    first = next(iter(text.strip().splitlines()), "")
    return {
        "entity_id": str(uuid.uuid5(uuid.NAMESPACE_OID, text)),
        "name": first[:80],
        "entity_type": "memory",
        "context": text,
        "confidence": 1.0,
        "created_at": now,
        "valid_at": now,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict | list):
        value = json.dumps(value)
    if isinstance(value, str) and len(value) > MAX_TEXT_CHARS:
        raise InvalidRequest(f"a text of a memory has at most {MAX_TEXT_CHARS} characters")
    if value is not None and not isinstance(value, str | int | float):
        raise InvalidRequest("a memory holds texts and numbers")
    return bound_value(finite(value))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))
