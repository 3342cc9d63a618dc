"""Memories of a room: what is noted is found again, within its bounds, by who may."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import InvalidRequest, RuntimeServiceError
from runtime.rooms.built_in.memory import store
from runtime.rooms.built_in.memory.statement import MAX_DEPTH, parse
from runtime.rooms.built_in.memory.store import FILE, MemoryStore, key_of, note
from runtime.rooms.built_in.tables.threads import SharedThreads
from runtime.rooms.files import whole_on_disk
from tests.patience import PATIENCE
from tests.rooms.conftest import Client, House, RoomError

PEOPLE = [
    {"entity_id": "ada", "name": "Ada Lovelace", "entity_type": "person", "context": "writes programs"},
    {"entity_id": "bob", "name": "Bob's boat", "entity_type": "thing", "context": "leaks at 100% tide"},
]
KNOWS = {"source_entity_id": "ada", "target_entity_id": "bob", "relationship_type": "OWNS"}


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    header = (await client.tool(f"memory.{tool}", {"name": "graph", **arguments})).header
    return header.get("json")


async def filled(house: House) -> Client:
    ada = await house.join("ada")
    await call(ada, "create", ignore_exists=True)
    await call(ada, "upsert_nodes", records_json=json.dumps(PEOPLE), merge=True)
    await call(ada, "upsert_relationships", records_json=json.dumps([KNOWS]), merge=True)
    return ada


@pytest.mark.process
@pytest.mark.asyncio
async def test_what_is_noted_is_recalled_also_when_the_room_was_closed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, shares = SharedThreads.run, set[object]()

    async def noted_share(threads: SharedThreads, room: object, work: Any) -> Any:
        shares.add(room)
        return await run(threads, room, work)

    monkeypatch.setattr(SharedThreads, "run", noted_share)
    ada = await filled(house)
    await ada.tool("sqlite.create_database", {"name": "d"})
    assert len(shares) == 1  # of the room, whichever of its files
    noted = await call(ada, "ingest_text", text="The tide turns at noon.\nSays Ada.", strategy="llm")
    assert noted["stats"] == {"entities": 1, "relationships": 0, "sources": 1}
    assert await call(ada, "ingest_text", text="The tide turns at noon.\nSays Ada.") == noted
    await house.hub.close_room("lab")
    (file,) = house.state_dir.rglob(FILE)
    assert file.stat().st_mode & 0o777 == 0o600
    again = await house.join("again")
    found = await call(again, "recall", query="when does the tide turn, Ada?", limit=2)
    assert [item["name"] for item in found["items"]] == ["The tide turns at noon.", "Ada Lovelace"]
    (ada_item,) = [item for item in found["items"] if item["entity_id"] == "ada"]
    assert [one["relationship_type"] for one in ada_item["relationships"]] == ["OWNS"]
    assert (await call(again, "recall", query="nothing of that kind"))["items"] == []
    await call(again, "ingest_text", text="Die Straße\nzur ÖDE, 100%")
    for words in ("STRASSE", "öde", "zur und nicht", "zur " + " ".join(f"w{n}" for n in range(100))):
        (item,) = (await call(again, "recall", query=words))["items"]
        assert item["name"] == "Die Straße", words
    details = await call(again, "inspect")
    assert [(one["name"], one["rows"]) for one in details["datasets"]] == [("Entity", 4), ("RELATIONSHIP", 1)]


@pytest.mark.process
@pytest.mark.asyncio
async def test_questions_deletions_and_merges(house: House) -> None:
    ada = await filled(house)
    statement = (
        "MATCH (e:Entity) WHERE e.entity_type = 'person' OR e.name = 'Bob\\'s boat' "
        "RETURN e.entity_id as entity_id, e.context as memory ORDER BY e.name DESC LIMIT 5"
    )
    rows = (await call(ada, "query", statement=statement))["results"]
    assert rows == [
        {"entity_id": "bob", "memory": "leaks at 100% tide"},
        {"entity_id": "ada", "memory": "writes programs"},
    ]
    # Merging keeps what is not said; without it the row is another.
    await call(ada, "upsert_nodes", records_json='[{"entity_id": "ada", "name": "Ada"}]', merge=True)
    get = "MATCH (e:Entity) WHERE e.entity_id = 'ada' RETURN e.name, e.context"
    assert (await call(ada, "query", statement=get))["results"] == [
        {"name": "Ada", "context": "writes programs"}
    ]
    await call(ada, "upsert_nodes", records_json='[{"entity_id": "ada", "name": "Ada"}]', merge=False)
    assert (await call(ada, "query", statement=get))["results"] == [{"name": "Ada", "context": None}]
    ask = "MATCH (r:RELATIONSHIP) RETURN r.relationship_type as kind"
    assert (await call(ada, "query", statement=ask))["results"] == [{"kind": "OWNS"}]
    gone = await call(ada, "delete_relationships", relationships=[{**KNOWS, "relationship_type": "LIKES"}])
    assert gone["deleted_relationships"] == 0
    gone = await call(ada, "delete_entities", entity_ids=["bob", "nobody"])
    assert (gone["deleted_entities"], gone["deleted_relationships"]) == (1, 1)


@pytest.mark.process
@pytest.mark.asyncio
async def test_memories_are_apart_and_made_and_dropped_by_name(house: House) -> None:
    ada = await house.join("ada")
    assert (await ada.tool("memory.list", {})).header["json"] == {"memories": []}
    with pytest.raises(RoomError, match="does not exist"):
        await call(ada, "recall", query="x")
    await call(ada, "create")
    await call(ada, "create", namespace=["a", "b"])
    with pytest.raises(RoomError, match="already exists"):
        await call(ada, "create")
    await call(ada, "ingest_text", text="one")
    assert (await call(ada, "recall", query="one", namespace=["a", "b"]))["items"] == []
    assert (await ada.tool("memory.list", {"namespace": ["a", "b"]})).header["json"] == {
        "memories": ["graph"]
    }
    await call(ada, "create", overwrite=True)
    assert (await call(ada, "recall", query="one"))["items"] == []
    await call(ada, "drop")
    await call(ada, "drop", ignore_missing=True)
    with pytest.raises(RoomError, match="does not exist"):
        await call(ada, "drop")
    with pytest.raises(RoomError, match="not supported"):
        await call(ada, "ingest_image", caption="x")
    with pytest.raises(RoomError, match="without a text"):
        await call(ada, "ingest_file", path="a.txt")


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_token_may_be_for_some_memories_and_for_some_of_what_is_done_with_them(house: House) -> None:
    await filled(house)
    only = {"memories": [{"name": "graph", "namespace": [], "permissions": {"drop": False}}], "list": False}
    eve = await house.join("eve", scope={"developer": {}, "memory": only})
    assert (await call(eve, "recall", query="ada"))["items"]
    for tool, arguments in (
        ("drop", {}),
        ("create", {"overwrite": True}),
        ("create", {"namespace": ["other"]}),
    ):
        with pytest.raises(RoomError, match="does not allow") as refused:
            await call(eve, tool, **arguments)
        assert refused.value.code == 1001
    with pytest.raises(RoomError, match="listing"):
        await eve.tool("memory.list", {})
    none = await house.join("none", scope={"developer": {}})
    with pytest.raises(RoomError, match="does not allow"):
        await call(none, "recall", query="ada")


@pytest.mark.process
def test_everything_has_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, key = MemoryStore(tmp_path), key_of("", "graph")
    held.create("", "graph", overwrite=False, ignore_exists=False)
    monkeypatch.setattr(store, "MAX_ENTITIES", 1)
    held.upsert(key, "graph", "entity", [note("one", "now")], merge=True)
    with pytest.raises(RuntimeServiceError, match="has 1 entities"):
        held.upsert(key, "graph", "entity", [note("two", "now")], merge=True)
    assert held.counts(key, "graph") == (1, 0)  # what did not fit is not half there
    with pytest.raises(InvalidRequest, match="characters"):
        held.upsert(key, "graph", "entity", [{"entity_id": "x", "name": "n" * 20_001}], merge=True)
    monkeypatch.setattr(store, "MAX_MEMORIES", 1)
    with pytest.raises(RuntimeServiceError, match="1 memories"):
        held.create("", "more", overwrite=False, ignore_exists=False)
    held.close()


@pytest.mark.unit
@pytest.mark.parametrize(
    ("where", "condition"),
    [
        ("e.name = 'x'", "((name = ?))"),
        ("NOT e.name <> 'x' AND e.confidence >= 0.5", "((NOT name <> ? AND confidence >= ?))"),
        ("e.name CONTAINS '50%'", "((name LIKE ? ESCAPE '\\'))"),
        (
            "e.name STARTS WITH 'x' OR e.name ENDS WITH 'y'",
            "((name LIKE ? ESCAPE '\\') OR (name LIKE ? ESCAPE '\\'))",
        ),
        ("e.valid_at IS NOT NULL", "((valid_at IS NOT NULL))"),
        ("e.name IN ['a', 'b']", "((name IN (?, ?)))"),
    ],
)
def test_conditions_become_sql_with_parameters(where: str, condition: str) -> None:
    question = parse(f"match (e:Entity) where {where} return e.name")
    assert question.where == condition
    assert question.where.count("?") == len(question.parameters)


@pytest.mark.unit
@pytest.mark.parametrize(
    "statement",
    [
        "",
        "DROP TABLE entities",
        "MATCH (e:Entity) RETURN e.memory",
        "MATCH (e:Other) RETURN e.name",
        "MATCH (e:Entity) RETURN e.name; DROP TABLE entities",
        "MATCH (e:Entity) WHERE e.name = name RETURN e.name",
        "MATCH (e:Entity) RETURN e.name LIMIT -1",
        f"MATCH (e:Entity) WHERE {'(' * (MAX_DEPTH + 5)}e.name = 'x' RETURN e.name",
        "x" * 20_000,
    ],
)
def test_what_is_no_question_is_refused_with_one_that_is(statement: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(statement)


@pytest.mark.unit
@given(st.text(max_size=200))
def test_a_text_stays_a_text(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    question = parse(f"MATCH (e:Entity) WHERE e.name = '{escaped}' RETURN e.name")
    assert question.parameters == (text,)
    assert question.where == "((name = ?))"


@pytest.mark.unit
@pytest.mark.asyncio
async def test_who_is_cancelled_waits_for_what_the_disk_is_at() -> None:
    began, go, done = threading.Event(), threading.Event(), list[str]()

    def work() -> None:
        began.set()
        go.wait(30 * PATIENCE)
        done.append("written")

    task = asyncio.create_task(whole_on_disk(work))
    assert await asyncio.to_thread(began.wait, 30 * PATIENCE)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["written"]


@pytest.mark.process
@pytest.mark.asyncio
async def test_texts_and_numbers_that_no_file_holds_are_replaced_or_refused(house: House) -> None:
    ada, odd = await filled(house), "a\ud800"
    await call(ada, "create", name=odd, namespace=[odd])
    assert await call(ada, "list", namespace=[odd]) == {"memories": ["a\ufffd"]}
    with pytest.raises(RoomError, match="at most 250000 lists"):
        await call(ada, "upsert_nodes", records_json=f"[{'[],' * 300_000}0]")
    told = json.dumps([{"name": odd, "confidence": float("inf")}])
    await call(ada, "upsert_nodes", records_json=told)
    question = f"MATCH (e:Entity) WHERE e.name = '{odd}' RETURN e.name as name, e.confidence as confidence"
    assert (await call(ada, "query", statement=question))["results"] == [
        {"name": "a\ufffd", "confidence": None}
    ]
    await call(ada, "ingest_text", text=odd)
    assert [one["name"] for one in (await call(ada, "recall", query=odd, limit=1))["items"]] == ["a\ufffd"]
    assert (await call(ada, "delete_entities", entity_ids=[odd]))["deleted_entities"] == 1
    ends = {"source_entity_id": odd, "target_entity_id": "bob", "relationship_type": ["x"]}
    assert (await call(ada, "delete_relationships", relationships=[ends]))["deleted_relationships"] == 0
    with pytest.raises(RoomError, match="64 bits"):
        await call(ada, "upsert_nodes", records_json=json.dumps([{"name": "x", "confidence": 2**70}]))
    for ending in (
        f"WHERE e.confidence > {'9' * 5000} RETURN e.name as name",
        f"RETURN e.name as n LIMIT {2**70}",
    ):
        with pytest.raises(RoomError, match="number"):
            await call(ada, "query", statement=f"MATCH (e:Entity) {ending}")


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_full_file_of_memories_is_told_as_that(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SCHEMA", store._SCHEMA.replace(str(store.MAX_FILE_BYTES // 4096), "16"))
    ada = await house.join("ada")
    await call(ada, "create")
    with pytest.raises(RoomError, match="memories may have"):
        for number in range(8):
            await call(ada, "ingest_text", text=f"{number} " + "x" * 19_000)
    assert (await call(ada, "recall", query="0"))["items"]
