"""Tables as the newest clients ask for them: schemas and rows as Arrow."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from runtime.rooms.built_in.database import dataset, dataset_streams, reading
from runtime.rooms.built_in.database.answers import MAX_OPEN
from runtime.rooms.built_in.database.arrow.reading import read_schema, read_stream
from runtime.rooms.built_in.database.arrow.writing import write_stream
from runtime.rooms.built_in.tables.column import INT, TEXT, ColumnType
from runtime.rooms.limits import RoomLimits
from tests.rooms.conftest import RoomError

pytestmark = pytest.mark.process

SCHEMA = {"id": INT, "name": ColumnType("text", metadata={"arrow.type": "large_text", "made": "here"})}
WHERE = {"namespace": None, "branch": None}


def arrow(*rows: tuple[Any, ...]) -> bytes:
    return write_stream(list(SCHEMA), list(SCHEMA.values()), rows)


async def write(client: Any, tool: str, start: dict[str, Any], data: bytes = b"", *chunks: bytes) -> Any:
    """A streamed tool that takes rows; how it ended."""
    stream = await client.stream(f"dataset.{tool}")
    await stream.send({"kind": "start", **WHERE, **start}, data)
    for one in chunks:
        assert (await stream.receive())[0]["headers"] == {"kind": "pull"}
        await stream.send({"kind": "data", "content_type": "application/vnd.apache.arrow.stream"}, one)
    told = (await stream.receive())[0]
    if told["type"] == "error":
        return told
    await stream.close()
    return (await stream.receive())[0]


async def make(client: Any, name: str = "t", *rows: tuple[Any, ...]) -> None:
    schema = write_stream(list(SCHEMA), list(SCHEMA.values()))
    start = {"name": name, "mode": "create", "metadata": None}
    ended = await write(client, "create_table", start, schema, *([arrow(*rows)] if rows else []))
    assert ended["method"] == "close", ended


async def read(client: Any, tool: str, start: dict[str, Any]) -> list[Any]:
    """A streamed tool that gives rows; the rows of each chunk."""
    stream = await client.stream(f"dataset.{tool}")
    await stream.send({"kind": "start", **WHERE, **start})
    chunks = []
    while True:
        await stream.send({"kind": "pull"})
        header, data = await stream.receive()
        if header["type"] == "error":
            raise AssertionError(header["text"])
        if header["type"] != "binary":
            return chunks
        assert header["headers"]["kind"] == "data"
        chunks.append(read_stream(data)[1])


async def call(client: Any, tool: str, headers: dict[str, Any], data: bytes = b"") -> Any:
    """A plain tool that is called with bytes."""
    content = {"type": "binary", "headers": {**WHERE, **headers}}
    return await client.answer(await client.start_tool(f"dataset.{tool}", content, data))


@pytest.mark.asyncio
async def test_rows_and_schemas_are_arrow(house: Any) -> None:
    ada = await house.join("ada")
    await make(ada)
    told = await ada.tool("dataset.inspect", {"table": "t", **WHERE})
    assert told.header["headers"] == {"kind": "schema"}
    assert read_schema(told.data) == SCHEMA
    assert await read(ada, "search", {"table": "t"}) == [[]]  # a client tells the columns from it
    many = [(n, f"row {n}") for n in range(2000)]
    await write(ada, "insert", {"table": "t"}, b"", arrow(*many[:1500]), arrow(*many[1500:]))
    chunks = await read(ada, "search", {"table": "t"})
    assert [len(chunk) for chunk in chunks] == [1024, 976]
    assert chunks[0][7] == {"id": 7, "name": "row 7"}
    await write(ada, "merge", {"table": "t", "on": "id"}, b"", arrow((7, "seven"), (5000, "new")))
    new = [
        {"column": "name", "value_json": '{"expression": "upper(name)"}'},
        {"column": "id", "value_json": "-7"},
    ]
    await ada.tool("dataset.update", {"table": "t", "where": "\"name\" = 'seven'", "values": new, **WHERE})
    assert await read(ada, "search", {"table": "t", "where": "id < 0"}) == [[{"id": -7, "name": "SEVEN"}]]
    then = await read(ada, "search", {"table": "t", "version": 1})
    assert then == [[]]
    await call(ada, "add_columns", {"table": "t"}, write_stream(["note"], [TEXT]))
    await ada.tool("dataset.rename_table", {"name": "t", "new_name": "u", **WHERE})
    counted = await ada.tool("dataset.count", {"table": "u", "where": "note IS NULL", **WHERE})
    assert counted.header["json"] == {"count": 2001}
    assert (await ada.tool("dataset.optimize", {"table": "u", "config": None, **WHERE})).header["json"] == {}
    config = {"column": "name", "index_type": "INVERTED", "replace": True}
    await ada.tool("dataset.create_index", {"table": "u", "config": config, **WHERE})
    (index,) = (await ada.tool("dataset.list_indexes", {"table": "u", **WHERE})).header["json"]["indexes"]
    assert (index["columns"], index["type"], index["details_json"]) == (["name"], "INVERTED", "{}")
    assert await read(ada, "search", {"table": "u", "text": "seven"}) == [
        [{"id": -7, "name": "SEVEN", "note": None}]
    ]


@pytest.mark.asyncio
async def test_rows_may_come_as_json(house: Any) -> None:
    ada = await house.join("ada")
    stream = await ada.stream("dataset.create_table")

    async def send(value: Any) -> None:
        chunk = {"type": "json", "json": value}
        header = {"tool_call_id": stream.call_id, "chunk": chunk}
        await ada.ask("room.tool_call_request_chunk", header)

    await send({"kind": "start", "name": "t", "mode": "create", **WHERE})
    await stream.receive()
    cells = {"a": 1, "b": {"binary": "AQI="}, "c": {"list": ["x", None]}, "d": {"json": {"k": 1}}}
    row = {"columns": [{"name": name, "value": value} for name, value in cells.items()]}
    await send({"kind": "rows", "rows": [row]})
    await stream.receive()
    await stream.close()
    assert (await stream.receive())[0]["method"] == "close"
    assert await read(ada, "search", {"table": "t"}) == [
        [{"a": 1, "b": b"\x01\x02", "c": ["x", None], "d": '{"k": 1}'}]
    ]


@pytest.mark.asyncio
async def test_a_query_is_opened_read_and_closed(house: Any) -> None:
    ada, bob = await house.join("ada"), await house.join("bob")
    await make(ada, "t", *((n, "x") for n in range(3)))
    asked = {"query": "SELECT id, id * 2.5 AS more FROM t WHERE id >= $least", "tables": []}
    opened = await call(ada, "execute_sql", asked, write_stream(["least"], [INT], [[1]]))
    assert opened.header["headers"]["kind"] == "query"
    assert read_schema(opened.data) == {"id": INT, "more": ColumnType("float")}
    query = {"query_id": opened.header["headers"]["query_id"]}
    with pytest.raises(AssertionError, match="no such query"):
        await read(bob, "read_sql_query", query)
    assert await read(ada, "read_sql_query", query) == [[{"id": 1, "more": 2.5}, {"id": 2, "more": 5.0}]]
    assert (await ada.tool("dataset.close_sql_query", query)).header == {"type": "empty"}
    with pytest.raises(Exception, match="no such query"):
        await ada.tool("dataset.cancel_sql_query", query)
    for _ in range(MAX_OPEN):
        again = await call(ada, "open_sql_query", {"query": "SELECT 1 AS one", "tables": [{"name": "t"}]})
    with pytest.raises(Exception, match="16 queries open"):
        await call(ada, "open_sql_query", {"query": "SELECT 1", "tables": [{"name": "t"}]})
    query = {"query_id": again.header["headers"]["query_id"]}
    assert (await ada.tool("dataset.cancel_sql_query", query)).header["json"] == {"status": "cancelled"}
    with pytest.raises(RoomError, match="begins with INSERT, UPDATE or DELETE"):
        changed = "WITH x AS (SELECT 1) UPDATE t SET id = 1"
        await call(ada, "execute_sql", {"query": changed, "tables": [{"name": "t"}]})


@pytest.mark.asyncio
async def test_rows_are_changed_by_sql_where_the_token_lets_them(house: Any) -> None:
    ada = await house.join("ada")
    await make(ada, "t", *((n, "x") for n in range(3)))
    change = {"query": "UPDATE t SET name = upper(name) WHERE id >= $least", "tables": [], **WHERE}
    told = await call(ada, "execute_sql_statement", change, write_stream(["least"], [INT], [[1]]))
    assert told.header["json"] == {"rows_affected": 2}
    told = await call(ada, "execute_sql", {"query": "DELETE FROM t WHERE id = 0", "tables": [{"name": "t"}]})
    assert told.header["json"] == {"kind": "statement", "rows_affected": 1}
    reader = await house.join("reader", scope={"dataset": {"tables": [{"name": "t"}]}})
    with pytest.raises(RoomError, match="does not allow writing"):
        await call(reader, "execute_sql", {"query": "DELETE FROM t", "tables": [{"name": "t"}]})
    assert await read(ada, "search", {"table": "t"}) == [[{"id": 1, "name": "X"}, {"id": 2, "name": "X"}]]


@pytest.mark.asyncio
async def test_tables_are_made_altered_and_dropped_by_sql(house: Any) -> None:
    ada = await house.join("ada")

    async def sql(query: str, client: Any = ada, **more: Any) -> Any:
        told = await call(client, "execute_sql", {"query": query, "tables": [], **WHERE, **more})
        return told.header["json"]["rows_affected"]

    made = (
        'CREATE TABLE IF NOT EXISTS t (id BIGINT NOT NULL, "of" VARCHAR(20), v FLOAT[2], tags TEXT[], '
        "at TIMESTAMP)"
    )
    assert [await sql(made), await sql(made)] == [0, 0]
    told = await ada.tool("dataset.inspect", {"table": "t", **WHERE})
    assert read_schema(told.data) == {
        "id": ColumnType("int", nullable=False),
        "of": TEXT,
        "v": ColumnType("vector", size=2, element=ColumnType("float")),
        "tags": ColumnType("list", element=TEXT),
        "at": ColumnType("timestamp"),
    }
    assert await sql("INSERT INTO t (id, \"of\") VALUES (1, 'a'), (2, 'b')") == 2
    assert (
        await sql("CREATE OR REPLACE TABLE u AS SELECT id * 2 AS twice, v, NULL AS n FROM t WHERE id > 1")
        == 1
    )
    assert await read(ada, "search", {"table": "u"}) == [[{"twice": 4, "v": None, "n": None}]]
    assert await sql("ALTER TABLE u ADD COLUMN more DOUBLE PRECISION") == 0
    assert await sql("ALTER TABLE u DROP COLUMN v") == 0
    assert await read(ada, "search", {"table": "u"}) == [[{"twice": 4, "n": None, "more": None}]]
    for refused, why in (
        ("CREATE TABLE t (id INT)", "exists already"),
        ("CREATE TABLE w (id INT PRIMARY KEY)", "NOT NULL or nothing"),
        ("CREATE TABLE w (id SERIAL)", "A column is a name and a type"),
        ("CREATE VIEW w AS SELECT 1", "Statements are INSERT"),
        ("CREATE TABLE w AS DELETE FROM t", "begins with INSERT|no query|may not use"),
        ("MERGE INTO t USING u ON t.id = u.twice WHEN MATCHED THEN DELETE", "rows are merged"),
        ("DROP TABLE w", "table 'w' does not exist"),
        ("UPDATE w SET id = 1", "table 'w' does not exist"),
        ("ALTER TABLE t RENAME TO w", "renamed, by requests"),
    ):
        with pytest.raises(RoomError, match=why):
            await sql(refused)
    scope = {"dataset": {"tables": [{"name": "t", "write": True}, {"name": "mine", "alter": True}]}}
    some = await house.join("some", scope=scope)
    for query in ("DROP TABLE t", "CREATE TABLE w (id INT)", "CREATE TABLE mine AS SELECT id FROM t"):
        with pytest.raises(RoomError, match="does not allow"):
            await sql(query, some)
    assert await sql("CREATE TABLE mine (id INT)", some) == 0
    assert [await sql("DROP TABLE t"), await sql("DROP TABLE IF EXISTS t")] == [0, 0]


@pytest.mark.asyncio
async def test_chunks_of_json_that_nobody_takes_are_bounded_by_what_they_are(build: Any) -> None:
    house = await build(limits=RoomLimits(max_message_bytes=64 << 10))
    ada = await house.join("ada")
    await make(ada, "t")
    stream = await ada.stream("dataset.watch_table")
    await stream.send({"kind": "start", "table": "t", "poll_interval_seconds": 60, **WHERE})
    await stream.send({"kind": "pull"})
    await stream.receive()
    await stream.send({"kind": "pull"})  # there is no change to be told
    chunk = {"type": "json", "json": {"kind": "pull", "more": "x" * 50_000}}
    for _ in range(3):
        await ada.ask("room.tool_call_request_chunk", {"tool_call_id": stream.call_id, "chunk": chunk})
    assert (await stream.receive())[0]["method"] == "close"


@pytest.mark.asyncio
async def test_who_watches_a_table_gets_its_rows_and_then_each_change(house: Any) -> None:
    ada, bob = await house.join("ada"), await house.join("bob")
    await make(ada, "t", (1, "a"), (2, "b"))
    stream = await bob.stream("dataset.watch_table")
    await stream.send({"kind": "start", "table": "t", "poll_interval_seconds": 0.0, **WHERE})

    async def event() -> tuple[Any, Any]:
        await stream.send({"kind": "pull"})
        header, data = await stream.receive()
        return header.get("headers") or header["json"], [
            row["id"] for row in read_stream(data)[1]
        ] if data else []

    assert await event() == ({"kind": "data", "phase": "initial", "version": 1}, [1, 2])
    assert await event() == ({"kind": "ready", "phase": "initial", "version": 1}, [])
    await ada.tool("dataset.delete", {"table": "t", "where": "id = 1", **WHERE})
    told, ids = await event()
    assert (told["change_type"], told["begin_version"], told["end_version"], ids) == ("deleted", 1, 2, [1])
    await write(ada, "insert", {"table": "t"}, b"", arrow((3, "c")))
    told, ids = await event()
    assert (told["change_type"], ids) == ("inserted", [3])
    await stream.close()
    assert (await stream.receive())[0]["method"] == "close"


@pytest.mark.asyncio
async def test_what_is_no_arrow_and_what_is_too_much_is_told(build: Any) -> None:
    house = await build(RoomLimits(max_message_bytes=20_000))
    ada = await house.join("ada")
    await make(ada)
    ended = await write(ada, "insert", {"table": "t"}, b"", b"no arrow at all")
    assert (ended["code"], "Arrow stream" in ended["text"]) == (1002, True)
    part = arrow(*((n, "x" * 100) for n in range(100)))
    stream = await ada.stream("dataset.insert")
    await stream.send({"kind": "start", "table": "t", **WHERE})
    for _ in range(2):
        await stream.receive()
        await stream.send({"kind": "data"}, part)
    assert "at most 20000 bytes" in (await stream.receive())[0]["text"]
    with pytest.raises(AssertionError, match="no branches"):
        await read(ada, "search", {"table": "t", "branch": "other"})
    listed = (await ada.tool("dataset.list_branches", {"namespace": None})).header["json"]
    assert listed == {"branches": [{"name": "main"}]}
    reader = await house.join("reader", scope={"dataset": {"tables": [{"name": "t"}]}})
    assert await read(reader, "search", {"table": "t"}) == [[]]
    stream = await reader.stream("dataset.insert")
    await stream.send({"kind": "start", "table": "t", **WHERE})
    assert (await stream.receive())[0]["code"] == 1001
    maker = await house.join("maker", scope={"dataset": {"tables": [{"name": "t", "alter": True}]}})
    start = {"name": "t", "mode": "overwrite", "metadata": None}
    told = await write(maker, "create_table", start, arrow(), arrow((1, "x", None)))
    assert "does not allow writing" in told["text"]


@pytest.mark.asyncio
async def test_no_more_queries_are_open_when_all_are_asked_at_once(house: Any) -> None:
    ada = await house.join("ada")
    await make(ada)
    content = {
        "type": "json",
        "json": {**WHERE, "query": "SELECT 1 AS one FROM t", "tables": [{"name": "t"}]},
    }
    asked = [await ada.start_tool("dataset.execute_sql", content) for _ in range(MAX_OPEN + 4)]
    answers = [(await one).header for one in asked]
    assert sum(one["type"] == "error" for one in answers) == 4


@pytest.mark.asyncio
async def test_schemas_are_read_beside_the_loop(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()

    def seen(data: bytes) -> Any:
        threads.add(threading.current_thread())
        return read_schema(data)

    for module in (dataset, dataset_streams):
        monkeypatch.setattr(module, "read_schema", seen)
    ada = await house.join("ada")
    await make(ada)
    await call(ada, "add_columns", {"table": "t"}, write_stream(["more"], [TEXT]))
    assert threads
    assert threading.current_thread() not in threads


@pytest.mark.asyncio
async def test_a_query_that_says_no_tables_reads_those_in_it_however_many_there_are(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_SOURCES", 1)
    ada = await house.join("ada")
    for name in ("aa", "bb", "Zoo"):
        await make(ada, name, (1, name))
    query = {"query": "SELECT name FROM zoo", "tables": [], **WHERE}
    opened = await call(ada, "execute_sql", query)
    assert await read(ada, "read_sql_query", {"query_id": opened.header["headers"]["query_id"]}) == [
        [{"name": "Zoo"}]
    ]
    assert (await call(ada, "execute_sql", {**query, "query": "SELECT 1 AS one"})).header["headers"]
    with pytest.raises(RoomError, match="any of 2 tables"):
        await call(ada, "execute_sql", {**query, "query": "SELECT * FROM aa, bb"})
