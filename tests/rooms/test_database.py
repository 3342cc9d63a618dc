"""Tables as participants ask for them: requests of older releases, a toolkit of newer ones."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.rooms.built_in.database import forms
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.column import read_schema
from runtime.rooms.limits import RoomLimits
from tests.rooms.conftest import PATIENCE_S

pytestmark = pytest.mark.process

INT, TEXT = {"type": "int"}, {"type": "text"}
SCHEMA = {
    "id": INT,
    "name": {"type": "text", "nullable": None, "metadata": None},
    "raw": {"type": "binary"},
    "who": {"type": "struct", "fields": {"age": INT, "seen": {"type": "date"}}},
    "vec": {"type": "vector", "size": 2, "element_type": {"type": "float"}},
}
ROW = {
    "id": 1,
    "name": "ada",
    "raw": {"encoding": "base64", "data": "AQI="},
    "who": {"age": 36, "seen": "2026-01-02"},
    "vec": [1, 2.5],
}
SHOWN = {**ROW, "who": '{"age": 36, "seen": "2026-01-02"}', "vec": [1.0, 2.5]}


async def make(client: Any, name: str = "t", **more: Any) -> None:
    await client.ask("database.create_table", {"name": name, "schema": SCHEMA, "data": [ROW], **more})


async def rows(client: Any, **asked: Any) -> Any:
    return (await client.json("database.search", {"table": "t", **asked}))["results"]


async def send(client: Any, stream: Any, kind: str, value: Any = None) -> None:
    chunk = {"type": "json", "json": {"kind": kind, **(value or {})}}
    await client.ask("room.tool_call_request_chunk", {"tool_call_id": stream.call_id, "chunk": chunk})


async def chunk(stream: Any) -> Any:
    """The next chunk: what it says, or its control."""
    header, _ = await stream.receive()
    return header.get("json") or header


async def write(client: Any, tool: str, start: Any, *chunks: list[Any]) -> Any:
    """A streamed tool that takes rows; how it ended."""
    stream = await client.stream(f"database.{tool}")
    await send(client, stream, "start", start)
    for given in chunks:
        assert await chunk(stream) == {"kind": "pull"}
        await send(client, stream, "rows", {"rows": given})
    assert await chunk(stream) == {"kind": "pull"}
    await stream.close()
    return await chunk(stream)


async def read(client: Any, tool: str, start: Any) -> list[Any]:
    """A streamed tool that gives rows; all chunks and how it ended."""
    stream = await client.stream(f"database.{tool}")
    await send(client, stream, "start", start)
    told: list[Any] = []
    while not told or told[-1].get("kind") == "rows":
        await send(client, stream, "pull")
        told.append(await chunk(stream))
    return told


def row(**cells: Any) -> Any:
    return {"columns": [{"name": name, "value": value} for name, value in cells.items()]}


def number(value: int) -> Any:
    return {"type": "int", "value": value}


@pytest.mark.asyncio
async def test_rows_come_back_as_older_clients_read_them(house: Any) -> None:
    ada, bob = await house.join("ada"), await house.join("bob")
    assert await ada.json("database.list_tables") == {"tables": []}
    await make(ada)
    assert await bob.json("database.list_tables", {"namespace": None}) == {"tables": ["t"]}
    assert await rows(bob) == [SHOWN]
    told = (await bob.json("database.inspect", {"table": "t"}))["schema"]
    assert told["name"] == {"type": "text", "nullable": True, "metadata": None}
    assert told["who"]["fields"]["age"]["type"] == "int"
    assert told["vec"]["size"] == 2
    await bob.ask("database.insert", {"table": "t", "records": [{"id": 2, "name": 'b"'}], "namespace": None})
    assert await rows(ada, where='name = "b\\""', select=["id", "raw"]) == [{"id": 2, "raw": None}]
    await ada.ask("database.update", {"table": "t", "where": "id = 2", "values_sql": {"id": "id + 1"}})
    await ada.ask(
        "database.merge", {"table": "t", "on": "id", "records": [{"id": 3, "name": "c"}, {"id": 4}]}
    )
    assert await rows(ada, where="id > 1", select=["id", "name"]) == [
        {"id": 3, "name": "c"},
        {"id": 4, "name": None},
    ]
    counted = {"table": "t", "where": "id > 1", "text": None}
    assert await ada.json("database.count", counted) == {"count": 2}
    query = {
        "query": "SELECT name FROM x WHERE id = $id",
        "tables": [{"name": "t", "alias": "x"}],
        "params": {"id": 3},
    }
    assert await ada.json("database.sql", query) == {"results": [{"name": "c"}]}


@pytest.mark.asyncio
async def test_errors_have_the_words_and_codes_that_clients_look_for(house: Any) -> None:
    ada = await house.join("ada")
    cases: list[tuple[str, dict[str, Any], str, int]] = [
        ("search", {"table": "t"}, "does not exist", 1003),
        ("create_table", {"name": "t"}, "a schema, or rows", 1002),
    ]
    for kind, asked, words, code in cases:
        with pytest.raises(Exception, match=words) as caught:
            await ada.ask(f"database.{kind}", asked)
        assert caught.value.code == code
    await make(ada)
    await make(ada, mode="create_if_not_exists")
    cases = [
        ("create_table", {"name": "t", "schema": SCHEMA}, "exists already", 1004),
        ("create_table", {"name": "t", "schema": SCHEMA, "mode": "so"}, "no mode", 1002),
        ("create_table", {"name": "u", "schema": {"a": {"type": "uuid"}}}, "no type of a column", 1002),
        ("insert", {"table": "t", "records": [{"none": 1}]}, "no column 'none'", 1002),
        ("insert", {"table": "t", "records": 1}, "list of objects", 1002),
        ("delete", {"table": "t"}, "needs 'where'", 1002),
        ("search", {"table": "t", "limit": -1}, "whole number", 1002),
        ("search", {"table": "t", "namespace": "a"}, "a namespace is", 1002),
        ("restore", {"table": "t", "version": 9}, "no version 9", 1003),
        ("drop_index", {"table": "t", "name": "x"}, "no index", 1003),
        ("sql", {"query": "SELECT 1", "tables": []}, "names the tables", 1002),
        ("drop_table", {"name": "u"}, "does not exist", 1003),
    ]
    for kind, asked, words, code in cases:
        with pytest.raises(Exception, match=words) as caught:
            await ada.ask(f"database.{kind}", asked)
        assert caught.value.code == code
    await ada.ask("database.drop_table", {"name": "u", "ignore_missing": True})


@pytest.mark.asyncio
async def test_an_agent_that_requires_a_table_finds_it(house: Any) -> None:
    """What RequiredTable sends at an agent's start, in its order."""
    ada = await house.join("ada")
    start = {"name": "t", "namespace": None, "data": None, "schema": SCHEMA, "mode": "create_if_not_exists"}
    await ada.ask("database.create_table", start)
    assert await ada.json("database.list_indexes", {"table": "t"}) == {"indexes": []}
    for kind, column in (
        ("vector", "vec"),
        ("full_text_search", "name"),
        ("scalar", "id"),
        ("scalar", "who"),
    ):
        asked = {"table": "t", "column": column, "replace": True}
        assert (await ada.ask(f"database.create_{kind}_index", asked)).header == {"type": "empty"}
    await ada.ask("database.optimize", {"table": "t"})
    listed = (await ada.json("database.list_indexes", {"table": "t"}))["indexes"]
    assert [(one["columns"], one["type"]) for one in listed] == [
        (["id"], "BTREE"), (["name"], "FTS"), (["vec"], "IVF_PQ"), (["who"], "BTREE")
    ]  # fmt: skip
    await ada.ask("database.insert", {"table": "t", "records": [ROW]})
    assert len(await rows(ada, text="Ada", vector=[1, 1])) == 1
    versions = (await ada.json("database.list_versions", {"table": "t"}))["versions"]
    assert [one["version"] for one in versions] == [1, 2]


@pytest.mark.asyncio
async def test_newer_clients_write_and_read_typed_cells_in_chunks(house: Any) -> None:
    ada = await house.join("ada")
    fields = [
        {"name": "id", "data_type": INT},
        {
            "name": "who",
            "data_type": {"type": "struct", "fields": [{"name": "raw", "data_type": {"type": "binary"}}]},
        },
        {"name": "at", "data_type": {"type": "timestamp"}},
    ]
    ended = await write(
        ada, "create_table", {"name": "t", "fields": fields, "mode": "create", "namespace": ["a"]}
    )
    assert ended["method"] == "close"
    where = {"table": "t", "namespace": ["a"]}
    told = (await ada.tool("database.inspect", where)).header["json"]["fields"]
    assert told[1]["data_type"]["fields"][0]["data_type"]["type"] == "binary"
    first = {
        "id": number(0),
        "who": {"type": "struct", "fields": [{"name": "raw", "value": {"type": "binary", "data": "AQI="}}]},
        "at": {"type": "timestamp", "value": "2026-01-02T03:04:05Z"},
    }
    more = [row(id=number(n), who={"type": "null"}) for n in range(1, 128)]
    await write(ada, "insert", where, [row(**first), *more], [row(id=number(n)) for n in range(128, 200)])
    told = await read(ada, "search", {**where, "limit": None})
    assert [len(one.get("rows", [])) for one in told] == [128, 72, 0]
    assert told[0]["rows"][0] == row(**first)
    assert told[1]["rows"][0] == row(id=number(128), who={"type": "null"}, at={"type": "null"})
    await write(ada, "merge", {**where, "on": "id"}, [row(id=number(0), at={"type": "null"})])
    values = [{"column": "at", "value_json": '"2026-02-03"'}]
    update = {**where, "where": "id = 1", "values": values, "values_sql": None}
    await ada.tool("database.update", update)
    told = await read(ada, "search", {**where, "where": "at is not null", "select": ["at"]})
    assert told[0]["rows"] == [row(at={"type": "timestamp", "value": "2026-02-03T00:00:00Z"})]
    added = {**where, "columns": [{"name": "twice", "value_sql": "id * 2", "data_type": None}]}
    await ada.tool("database.add_columns", added)
    sql = {
        "query": "SELECT twice, 'x' AS x FROM t WHERE id = $n",
        "tables": [where | {"name": "t"}],
        "params_json": '{"n": 3}',
    }
    told = await read(ada, "sql", sql)
    assert told[0]["rows"] == [row(twice=number(6), x={"type": "text", "value": "x"})]
    versions = (await ada.tool("database.list_versions", where)).header["json"]["versions"]
    assert '"operation"' in versions[0]["metadata_json"]


@pytest.mark.asyncio
async def test_a_stream_that_fails_says_why_and_one_that_is_left_writes_nothing(house: Any) -> None:
    ada, bob = await house.join("ada"), await house.join("bob")
    await make(ada)
    told = await read(ada, "search", {"table": "none"})
    assert told[-1]["code"] == 1003
    ended = await write(ada, "insert", {"table": "t"}, [row(none=number(1))])
    assert (ended["type"], ended["code"]) == ("error", 1002)
    stream = await bob.stream("database.insert")
    await send(bob, stream, "start", {"table": "t"})
    await chunk(stream)
    await send(bob, stream, "rows", {"rows": [row(id=number(7))]})
    await chunk(stream)
    bob.cut()
    await house.happened("participant_left", "bob")
    assert len(await rows(ada)) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("family", ["database", "dataset"])
async def test_grants_name_tables_and_what_may_be_done_with_each(house: Any, family: str) -> None:
    ada = await house.join("ada")
    for name in ("open", "kept", "secret"):
        await make(ada, name)
    tables = [{"name": "open", "read": True, "write": True}, {"name": "kept"}]
    bob = await house.join("bob", scope={family: {"tables": tables}})
    assert set((await bob.json("database.list_tables"))["tables"]) == {"open", "kept"}
    await bob.ask("database.insert", {"table": "open", "records": [ROW]})
    refused: list[tuple[str, dict[str, Any]]] = [
        ("insert", {"table": "kept", "records": [ROW]}),
        ("update", {"table": "kept", "where": "id=1", "values": {"id": 2}}),
        ("drop_table", {"name": "open"}),
        ("add_columns", {"table": "open", "new_columns": {"a": "1"}}),
        ("create_table", {"name": "new", "schema": SCHEMA}),
        ("search", {"table": "secret"}),
        ("count", {"table": "secret"}),
        ("sql", {"query": "SELECT 1 FROM secret", "tables": [{"name": "secret"}]}),
        ("sql", {"query": "SELECT name FROM secret", "tables": [{"name": "kept", "alias": "x"}]}),
    ]
    for kind, asked in refused:
        with pytest.raises(Exception, match=r"does not allow|no such table") as caught:
            await bob.ask(f"database.{kind}", asked)
        assert caught.value.code in (1001, 1002)
    blind = await house.join("blind", scope={"database": {"list_tables": False}})
    with pytest.raises(Exception, match="listing tables"):
        await blind.ask("database.list_tables")
    nobody = await house.join("nobody", scope={"storage": {}})
    with pytest.raises(Exception, match="does not allow"):
        await nobody.ask("database.search", {"table": "open"})


@pytest.mark.asyncio
async def test_who_may_make_a_table_and_not_write_it_makes_an_empty_one(house: Any) -> None:
    scope = {"database": {"tables": [{"name": "t", "alter": True}]}}
    bob = await house.join("bob", scope=scope)
    start = {"name": "t", "mode": "overwrite", "fields": forms.schema_entries(read_schema(SCHEMA).items())}
    refused = await write(bob, "create_table", start, [row(id=number(1))])
    assert "does not allow writing table 't'" in str(refused)
    ended = await write(bob, "create_table", start)
    assert ended["method"] == "close", ended
    assert await rows(bob) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("version", [2**70, -1, True])
async def test_a_version_that_cannot_be_is_refused_with_words(house: Any, version: Any) -> None:
    ada = await house.join("ada")
    await make(ada)
    with pytest.raises(Exception, match="version of a table is a whole number") as refused:
        tables = [{"name": "t", "version": version}]
        await ada.ask("database.sql", {"query": "SELECT 1 FROM t", "tables": tables})
    assert refused.value.code == 1002


@pytest.mark.asyncio
async def test_an_answer_that_nobody_pulls_is_held_by_who_asked(house: Any) -> None:
    ada = await house.join("ada")
    await make(ada, data=[{**ROW, "name": "x" * 100_000}])
    stream = await ada.stream("database.sql")
    asked = {"query": "SELECT name FROM t", "tables": [{"name": "t"}], "params_json": None}
    await send(ada, stream, "start", asked)
    async with asyncio.timeout(PATIENCE_S):
        while house.hub._holdings.size_bytes < 100_000:
            await asyncio.sleep(0.01)
    await stream.close()
    await stream.receive()
    await ada.settled()
    assert house.hub._holdings.size_bytes < 100_000


@pytest.mark.asyncio
async def test_an_answer_is_bounded_and_says_how_to_ask_for_less(build: Any) -> None:
    house = await build(RoomLimits(tables=TableBounds(max_result_bytes=1000)))
    ada = await house.join("ada")
    many = [{"id": n, "name": "x" * 100} for n in range(20)]
    await ada.ask("database.create_table", {"name": "t", "data": many})
    with pytest.raises(Exception, match=r"larger than 1000 bytes.*limit") as caught:
        await rows(ada)
    assert caught.value.code == 1002
    assert len(await rows(ada, limit=5)) == 5
    assert len(await rows(ada, select=["id"])) == 20
    told = await read(ada, "search", {"table": "t"})  # comes in chunks, so as a whole it may be larger
    assert len(told[0]["rows"]) == 20


@pytest.mark.asyncio
async def test_others_are_answered_while_a_table_is_busy(house: Any) -> None:
    ada, bob = await house.join("ada"), await house.join("bob")
    await make(ada)
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n, t"
    asked = await ada.start("database.sql", {"query": slow, "tables": [{"name": "t"}]})
    for _ in range(20):
        await bob.settled()
    await bob.ask("database.insert", {"table": "t", "records": [ROW]})
    assert not asked.done()
    await ada.leave()  # which ends it, or this test would last as long as a query may
    assert len(await rows(bob)) == 2


@pytest.mark.asyncio
async def test_tables_outlive_the_room_and_a_room_without_any_leaves_no_folder(build: Any) -> None:
    house = await build()
    ada = await house.join("ada")
    await make(ada)
    await house.hub.close_room("lab")
    ada = await house.join("ada")
    assert await rows(ada) == [SHOWN]
    await ada.ask("database.drop_table", {"name": "t"})
    await house.hub.close_room("lab")
    assert await house.hub.tidy() == 1
