"""Databases of a room, as the newest clients ask for them."""

from __future__ import annotations

import base64
import hashlib
import resource
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.rooms.built_in.database.answers import MAX_OPEN
from runtime.rooms.built_in.database.arrow.reading import read_schema, read_stream
from runtime.rooms.built_in.database.arrow.writing import write_stream
from runtime.rooms.built_in.sqlite import files
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.column import INT, TEXT, ColumnType
from runtime.rooms.limits import RoomLimits
from tests.rooms.conftest import RoomError

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

TYPES = {
    "id": ColumnType("int", nullable=False),
    "name": TEXT,
    "ok": ColumnType("bool"),
    "day": ColumnType("date"),
    "vec": ColumnType("vector", size=2, element=ColumnType("float")),
}
ROWS = [[1, "ada", True, "2026-01-02", [1.0, 0.5]], [2, None, None, None, None]]
SHOWN = [dict(zip(TYPES, row, strict=True)) for row in ROWS]
D = {"database": "d", "namespace": None}


def arrow(*rows: Any, types: Any = TYPES) -> bytes:
    return write_stream(list(types), list(types.values()), rows)


async def ask(client: Any, tool: str, **arguments: Any) -> Any:
    answer = await client.tool(f"sqlite.{tool}", {**D, **arguments})
    return answer.header.get("json")


async def make(client: Any, *rows: Any, name: str = "t", mode: str = "create") -> None:
    await ask(client, "create_database", name="d", mode="create_if_not_exists")
    await write(client, "create_table", {"name": name, "mode": mode}, arrow(), arrow(*rows))


async def write(client: Any, tool: str, start: dict[str, Any], data: bytes, *chunks: bytes) -> None:
    stream = await client.stream(f"sqlite.{tool}")
    await stream.send({"kind": "start", **D, **start}, data)
    for one in chunks:
        assert (await stream.receive())[0]["headers"] == {"kind": "pull"}
        await stream.send({"kind": "data", "content_type": "application/vnd.apache.arrow.stream"}, one)
    header = (await stream.receive())[0]
    if header["type"] != "error":
        await stream.close()
        header = (await stream.receive())[0]
    if header["type"] == "error":
        raise RoomError(header)
    assert header["method"] == "close"


async def read(client: Any, tool: str, **start: Any) -> list[Any]:
    """The rows of all chunks."""
    stream, found = await client.stream(f"sqlite.{tool}"), []
    await stream.send({"kind": "start", **start})
    while True:
        await stream.send({"kind": "pull"})
        header, data = await stream.receive()
        if header["type"] == "error":
            raise RoomError(header)
        if header["type"] != "binary":
            return found
        assert header["headers"] == {"kind": "data"}  # clients allow no other key
        found += read_stream(data)[1]


async def search(client: Any, **asked: Any) -> list[Any]:
    return await read(client, "search", **{**D, "table": "t", "where": None, "params": None, **asked})


async def sql(client: Any, query: str, params: Any = None) -> Any:
    """What a statement changed, or the rows of a query."""
    content = {"type": "binary", "headers": {**D, "query": query, "params": params}}  # as clients ask it
    answer = await client.answer(await client.start_tool("sqlite.execute_sql", content))
    if answer.header["type"] == "json":
        return answer.header["json"]["rows_affected"]
    assert answer.header["headers"].keys() == {"kind", "query_id"}
    found = await read(client, "read_sql_query", query_id=answer.header["headers"]["query_id"])
    await ask(client, "close_sql_query", query_id=answer.header["headers"]["query_id"])
    return found


async def test_a_database_has_tables_with_rows(house: Any) -> None:
    ada = await house.join("ada")
    await make(ada, *ROWS)
    assert await ask(ada, "list_databases") == {"databases": ["d"]}
    assert await ask(ada, "list_tables") == {"tables": ["t"]}
    told = await ask(ada, "inspect_database", name="d")
    assert (told["name"], told["namespace"], told["tables"]) == ("d", None, 1)
    assert told["size_bytes"] > 0
    inspected = (await ada.tool("sqlite.inspect", {**D, "table": "t"})).data
    assert read_schema(inspected) == TYPES
    assert await search(ada) == SHOWN
    assert await search(ada, where={"id": 1}, select=["name", "ok"]) == [{"name": "ada", "ok": True}]
    assert await search(ada, where={"name": None}, select=["id"]) == [{"id": 2}]
    assert await search(ada, where="id >= ?", params=[1], limit=1, offset=1, select=["id"]) == [{"id": 2}]
    assert await ask(ada, "count", table="t", where="id > :least", params={"least": 1}) == {"count": 1}
    few = arrow([2], [1], types={"id": TYPES["id"]})
    await write(ada, "insert", {"table": "t"}, b"", few, arrow([3, "c", False, "2026-02-03", None]), few)
    assert [row["id"] for row in await search(ada, select=["id"])] == [1, 2, 2, 1, 3, 2, 1]
    with pytest.raises(RoomError, match="no column 'id2'"):
        await write(ada, "insert", {"table": "t"}, b"", few, arrow([1], types={"id2": INT}))
    assert await ask(ada, "delete", table="t", where="id < 3 AND rowid > 2") == {"rows_affected": 4}
    values = [
        {"column": "name", "value_json": '{"expression": "upper(name)"}'},
        {"column": "ok", "value_json": "true"},
    ]
    for where, params in (("id = ?", [3]), ("id = $id", {"id": 3})):
        changed = await ask(ada, "update", table="t", where=where, params=params, values=values)
        assert changed == {"rows_affected": 1}
    assert await search(ada, where="id = 3", select=["name", "ok"]) == [{"name": "C", "ok": True}]
    assert await ask(ada, "delete", table="t", where="id = 3") == {"rows_affected": 1}
    content = {"type": "binary", "headers": {**D, "table": "t"}}
    new = write_stream(["note"], [TEXT])
    assert (await ada.answer(await ada.start_tool("sqlite.add_columns", content, new))).header[
        "type"
    ] == "empty"
    await ask(ada, "drop_columns", table="t", columns=["vec"])
    await ask(ada, "rename_table", name="t", new_name="u")
    assert list((await search(ada, table="u"))[0]) == ["id", "name", "ok", "day", "note"]
    await ask(ada, "drop_table", name="u")
    await ask(ada, "drop_table", name="u", ignore_missing=True)
    assert await ask(ada, "list_tables") == {"tables": []}
    await ask(ada, "drop_database", name="d")
    with pytest.raises(RoomError, match="database 'd' does not exist"):
        await ask(ada, "list_tables")


async def test_sql_does_what_sqlite_does_within_its_file(house: Any) -> None:
    ada, bob = await house.join("ada"), await house.join("bob")
    await make(ada, *ROWS)
    assert await sql(ada, "CREATE TABLE k (id INTEGER PRIMARY KEY, w TEXT, n NUMERIC)") == 0
    assert await sql(ada, "INSERT INTO k (w, n) VALUES (?, ?), ('b', 2)", ["a", 1.5]) == 2
    assert await sql(ada, "INSERT INTO k (w) VALUES ('c') RETURNING id") == [{"id": 3}]
    assert await sql(ada, "WITH x AS (SELECT w FROM k WHERE n > $n) SELECT w FROM x", {"n": 1.7}) == [
        {"w": "b"}
    ]
    assert await sql(ada, "PRAGMA table_info(k)")
    assert await sql(ada, "CREATE VIRTUAL TABLE f USING fts5(w)") == 0
    assert await sql(ada, "INSERT INTO f VALUES ('the tide turns')") == 1
    assert await sql(ada, "SELECT w FROM f WHERE f MATCH 'tide'") == [{"w": "the tide turns"}]
    assert await sql(ada, "SELECT w FROM k WHERE w LIKE 'A'") == [{"w": "a"}]  # as everywhere else
    for refused in (
        "ATTACH 'other.db' AS o",
        "VACUUM INTO '/tmp/x'",
        "PRAGMA journal_mode = OFF",
        "PRAGMA writable_schema = ON",
        "PRAGMA encoding = 'UTF-16'",
        "PRAGMA page_size = 512",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT x",
        "SELECT load_extension('x')",
        "CREATE TEMP TABLE x (a)",
        "SELECT 1; SELECT 2",
        "SELECT nothing FROM k",
        "INSERT INTO sqlite_master VALUES (1, 2, 3, 4, 5)",
        "CREATE VIRTUAL TABLE v USING dbstat(main)",
    ):
        with pytest.raises(RoomError) as told:
            await sql(ada, refused)
        assert told.value.code == 1002, refused
    with pytest.raises(RoomError, match="execute_sql_batch runs many"):
        await sql(ada, "BEGIN")
    with pytest.raises(RoomError, match="Call execute_sql_statement"):  # and nothing was done
        await ada.tool("sqlite.open_sql_query", {**D, "query": "WITH x AS (SELECT 1) DELETE FROM k"})
    assert await sql(ada, "-- of the program's tables\nPRAGMA main.user_version = 7") == 0
    assert await sql(ada, "PRAGMA user_version") == [{"user_version": 7}]
    few = "WITH few AS (SELECT id FROM k WHERE n > 1.7) "
    assert await sql(ada, f"{few}UPDATE k SET w = upper(w) WHERE id IN (SELECT id FROM few)") == 1
    assert await sql(ada, f"/* kept */ {few}INSERT INTO k (w) SELECT w || '?' FROM k, few") == 3
    assert await sql(ada, "WITH x AS (SELECT 3) DELETE FROM k WHERE id > (SELECT * FROM x)") == 3
    assert await sql(ada, "SELECT group_concat(w) AS w FROM k") == [{"w": "a,B,c"}]
    if sys.version_info >= (3, 12):
        with pytest.raises(RoomError, match="may not be modified"):  # what an index of words is kept in
            await sql(ada, "DELETE FROM f_data")
    batch = [
        {"query": "UPDATE k SET n = 9", "params": None},
        {"query": "SELECT count(*) AS c FROM k WHERE n = 9", "params": None},
    ]
    first, second = (await ask(ada, "execute_sql_batch", commands=batch))["results"]
    assert first == {"kind": "statement", "rows_affected": 3}
    assert read_schema(base64.b64decode(second["schema_base64"])) == {"c": INT}
    with pytest.raises(RoomError, match="no such query"):
        await read(bob, "read_sql_query", query_id=second["query_id"])
    assert await read(ada, "read_sql_query", query_id=second["query_id"]) == [{"c": 3}]
    assert await ask(ada, "cancel_sql_query", query_id=second["query_id"]) == {"status": "cancelled"}
    with pytest.raises(RoomError, match="UNIQUE"):
        await ask(ada, "execute_sql_batch", commands=[*batch, {"query": "INSERT INTO k (id) VALUES (1)"}])
    again = {"query": "UPDATE k SET n = 0", "params": None}
    with pytest.raises(RoomError, match="nothing"):
        await ask(ada, "execute_sql_batch", commands=[again, {"query": "SELECT nothing"}])
    assert await sql(ada, "SELECT count(*) AS c FROM k WHERE n = 9") == [{"c": 3}]  # all of it or nothing
    for _ in range(MAX_OPEN):
        await ada.tool("sqlite.open_sql_query", {**D, "query": "SELECT 1"})
    with pytest.raises(RoomError, match="16 queries open"):
        await ada.tool("sqlite.open_sql_query", {**D, "query": "SELECT 1"})


async def test_a_token_says_which_databases_and_tables(house: Any) -> None:
    ada = await house.join("ada")
    await make(ada, *ROWS)
    await make(ada, name="u")
    tables = [{"table": "t", "read": True, "write": True}]
    some = await house.join("some", scope={"sqlite": {"databases": [{"name": "d", "tables": tables}]}})
    assert await ask(some, "list_tables") == {"tables": ["t"]}
    assert await sql(some, "UPDATE t SET name = 'x'") == 2
    for query in (
        "SELECT * FROM u",
        "SELECT sql FROM sqlite_stmt",  # what others asked on the same connection
        "SELECT sql FROM sqlite_master",  # with the values that stand in it
        "PRAGMA table_info(u)",
        "DELETE FROM u",
        "DROP TABLE t",
        "CREATE TABLE v (a)",
        "ALTER TABLE t ADD a",
        "PRAGMA user_version = 1",
    ):
        with pytest.raises(RoomError) as told:
            await sql(some, query)
        assert told.value.code == 1001, query
    for tool, more in (
        ("create_database", {"name": "e", "mode": "create"}),
        ("drop_database", {"name": "d"}),
        ("count", {"table": "u", "where": None}),
        ("drop_table", {"name": "t"}),
    ):
        with pytest.raises(RoomError) as told:
            await ask(some, tool, **more)
        assert told.value.code == 1001, tool
    with pytest.raises(RoomError, match="does not allow all of database"):
        await read(some, "backup", **D)
    none = await house.join("none", scope={"database": {}})
    with pytest.raises(RoomError, match="does not allow listing databases"):
        await ask(none, "list_databases")


async def test_what_one_request_is_answered_is_bounded_whatever_its_rows_are(build: Any) -> None:
    house = await build(limits=RoomLimits(tables=TableBounds(max_result_bytes=64 << 10, query_s=5)))
    ada = await house.join("ada")
    await make(ada, *ROWS)
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT '' AS s FROM n"
    with pytest.raises(RoomError, match="larger than 65536 bytes"):
        await sql(ada, endless)
    large = {"query": "UPDATE t SET name = name RETURNING zeroblob(10000) AS b", "params": None}
    with pytest.raises(RoomError, match="larger than"):  # together, as one alone
        await ask(ada, "execute_sql_batch", commands=[large] * 4)
    small = {"query": "UPDATE t SET name = name RETURNING 1 AS b", "params": None}
    with pytest.raises(RoomError, match="16 queries open"):
        await ask(ada, "execute_sql_batch", commands=[small] * (MAX_OPEN + 1))
    assert len((await ask(ada, "execute_sql_batch", commands=[small] * 3))["results"]) == 3


async def copied(client: Any) -> bytes:
    stream, found = await client.stream("sqlite.backup"), b""
    await stream.send({"kind": "start", **D})
    while True:
        await stream.send({"kind": "pull"})
        header, data = await stream.receive()
        if header["type"] == "error":
            raise RoomError(header)
        if header["headers"]["kind"] == "complete":
            assert header["headers"]["sha256"] == hashlib.sha256(found).hexdigest()
            assert header["headers"]["size"] == len(found)
            return found
        found += data


async def restored(client: Any, name: str, data: bytes, *, lie: str = "") -> dict[str, Any]:
    stream = await client.stream("sqlite.restore")
    await stream.send({"kind": "start", "database": name, "namespace": None})
    told = {"kind": "complete", "size": len(data), "sha256": lie or hashlib.sha256(data).hexdigest()}
    for at in range(0, len(data), 1 << 18):
        header = (await stream.receive())[0]
        if header["type"] == "error":
            raise RoomError(header)
        await stream.send({"kind": "data"}, data[at : at + (1 << 18)])
    await stream.receive()
    await stream.send(told)
    header = (await stream.receive())[0]
    if header["type"] == "error":
        raise RoomError(header)
    return dict(header["headers"])


async def test_values_are_the_smaller_the_more_there_can_be_at_once(house: Any) -> None:
    """A query of 256 columns took 860 MiB of the server, and a row with generated columns gigabytes."""
    ada = await house.join("ada")
    await make(ada, ROWS[0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    many = [f"hex(zeroblob(500000 + {number}))" for number in range(250)]
    shared = ", ".join(f"x || {number}" for number in range(120))
    for query in (
        f"SELECT {', '.join(many)}",
        f"WITH t(x) AS (SELECT hex(zeroblob(500000))) SELECT length(max({shared})) FROM t",
        f"SELECT {' + '.join(f'length(group_concat({one}))' for one in many)} FROM t",
    ):
        for before_it in ("", ";", "-- all of it\n; ;", "/* ; */ ;"):
            with pytest.raises(RoomError, match="bytes here"):
                await ask(ada, "execute_sql", query=f"{before_it}{query}")
    with pytest.raises(RoomError, match="syntax error"):
        await ask(ada, "execute_sql", query="QUERY PLAN SELECT 1")
    columns = ", ".join(
        f"y{number} TEXT AS (hex(zeroblob(x + 20000000 + {number}))) STORED" for number in range(200)
    )
    await ask(ada, "execute_sql", query=f"CREATE TABLE g (x INT, {columns})")
    with pytest.raises(RoomError, match="table 'g' has at most"):
        await write(ada, "insert", {"table": "g"}, b"", arrow([1], types={"x": INT}))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10
    assert await ask(ada, "execute_sql_statement", query="SELECT hex(zeroblob(500000))") == {
        "rows_affected": 0
    }


async def test_a_database_is_copied_and_made_from_a_copy(house: Any, tmp_path: Path) -> None:
    ada = await house.join("ada")
    await make(ada, *ROWS)
    data = await copied(ada)
    (tmp_path / "copy.db").write_bytes(data)
    connection = sqlite3.connect(tmp_path / "copy.db")
    assert connection.execute("SELECT name FROM t ORDER BY id").fetchall() == [("ada",), (None,)]
    connection.close()
    assert (await restored(ada, "e", data))["kind"] == "complete"
    assert await search(ada, database="e") == SHOWN
    with pytest.raises(RoomError, match="exists already"):
        await restored(ada, "e", data)
    with pytest.raises(RoomError, match="not what was sent"):
        await restored(ada, "f", data, lie="0" * 64)
    for broken in (b"no database" * 1000, data[:4096] + b"\xff" * 4096):
        with pytest.raises(RoomError, match="database"):
            await restored(ada, "f", broken)
    assert await ask(ada, "list_databases") == {"databases": ["d", "e"]}


async def test_a_copy_that_computes_without_end_is_given_up(build: Any, tmp_path: Path) -> None:
    house = await build(limits=RoomLimits(tables=TableBounds(query_s=0.5)))
    ada = await house.join("ada")
    connection = sqlite3.connect(tmp_path / "long.db")
    connection.executescript(
        """
        CREATE TABLE t (x, y UNIQUE);
        CREATE INDEX i ON t (x) WHERE length(hex(zeroblob(10 + x))) < 0;
        INSERT INTO t VALUES (1, zeroblob(3000000));
        """
    )
    await restored(ada, "d", (tmp_path / "long.db").read_bytes())
    connection.executescript(
        """
        DELETE FROM t;
        INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)
        SELECT 0, i FROM n;
        VACUUM;
        PRAGMA writable_schema = ON;
        """
    )
    for size, told in ((1_000_000, r"took more than 0.5 s"), (20_000_000, "computes values that are larger")):
        with connection:
            connection.execute("UPDATE sqlite_master SET sql = replace(sql, '10 +', ? || '+')", (str(size),))
        with pytest.raises(RoomError, match=told):
            await restored(ada, "e", (tmp_path / "long.db").read_bytes())
        with connection:
            connection.execute("UPDATE sqlite_master SET sql = replace(sql, ? || '+', '10 +')", (str(size),))
    connection.close()
    assert await ask(ada, "list_databases") == {"databases": ["d"]}


async def test_a_copy_with_larger_pages_holds_no_more_than_others(build: Any, tmp_path: Path) -> None:
    house = await build(limits=RoomLimits(tables=TableBounds(max_bytes=1 << 20)))
    ada = await house.join("ada")
    connection = sqlite3.connect(tmp_path / "large.db")
    connection.executescript("PRAGMA page_size = 16384; CREATE TABLE t (b)")
    connection.close()
    await restored(ada, "d", (tmp_path / "large.db").read_bytes())
    with pytest.raises(RoomError, match="may have 1048576 bytes"):
        for _ in range(4):
            await sql(ada, "INSERT INTO t VALUES (zeroblob(400000))")


async def test_the_databases_of_a_room_and_copies_of_them_are_bounded_together(build: Any) -> None:
    house = await build(limits=RoomLimits(tables=TableBounds(max_bytes=1 << 20)))
    ada = await house.join("ada")
    await make(ada, *ROWS)
    for name in ("e", "f"):
        await ask(ada, "create_database", name=name, mode="create")
    await sql(ada, "CREATE TABLE k AS SELECT zeroblob(700000) AS b")
    data = await copied(ada)
    with pytest.raises(RoomError, match="databases may have 1048576 bytes in all"):
        await asked_of(ada, "e", "CREATE TABLE k AS SELECT zeroblob(700000) AS b")
    with pytest.raises(RoomError, match="databases may have 1048576 bytes in all"):
        await restored(ada, "g", data)
    under_way = await ada.stream("sqlite.backup")
    await under_way.send({"kind": "start", **D})
    await under_way.send({"kind": "pull"})
    await under_way.receive()
    with pytest.raises(RoomError, match="when others are done"):
        await copied(ada)
    await ask(ada, "drop_database", name="d")
    assert await asked_of(ada, "e", "CREATE TABLE k AS SELECT zeroblob(700000) AS b") == 0
    folder = next(house.state_dir.glob("**/databases.json")).parent
    (folder / "copy-left").touch()  # by a server that was killed
    await house.hub.close_room("lab")
    ada = await house.join("ada")
    with pytest.raises(RoomError, match="in all"):  # as much as before
        await asked_of(ada, "f", "CREATE TABLE k AS SELECT zeroblob(700000) AS b")
    assert not list(folder.glob("copy-*"))


async def test_rows_that_come_slowly_find_their_database_or_that_it_is_gone(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_OPEN", 1)
    house = await build()
    ada = await house.join("ada")
    await make(ada, *ROWS)
    await ask(ada, "create_database", name="e", mode="create")
    for is_dropped in (False, True):
        stream = await ada.stream("sqlite.insert")
        await stream.send({"kind": "start", **D, "table": "t"})
        await stream.receive()
        await asked_of(ada, "e", "SELECT 1")  # for which the other one is closed
        if is_dropped:
            await ask(ada, "drop_database", name="d")
        await stream.send({"kind": "data"}, arrow([3, "c", None, None, None]))
        await stream.receive()
        await stream.close()
        header = (await stream.receive())[0]
        if is_dropped:
            assert "does not exist" in header["text"]
        else:
            assert await ask(ada, "count", table="t", where=None) == {"count": 3}
    assert len(list(house.state_dir.glob("**/db-*.sqlite3"))) == 1


async def asked_of(client: Any, name: str, query: str) -> Any:
    """What a statement in one of the databases changed, or the answer of a query."""
    told = await client.tool("sqlite.execute_sql", {"database": name, "namespace": None, "query": query})
    return told.header.get("json", {}).get("rows_affected")


async def test_databases_are_there_when_the_room_opens_again_and_are_bounded(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_DATABASES", 3)
    monkeypatch.setattr(files, "MAX_OPEN", 1)
    house = await build(limits=RoomLimits(tables=TableBounds(max_bytes=1 << 20)))
    ada = await house.join("ada")
    await make(ada, *ROWS)
    for name in ("e", "f"):
        await ask(ada, "create_database", name=name, mode="create")
    with pytest.raises(RoomError, match="has 3 databases"):
        await ask(ada, "create_database", name="g", mode="create")
    with pytest.raises(RoomError, match="exists already"):
        await ask(ada, "create_database", name="d", mode="create")
    assert await search(ada) == SHOWN  # though others were opened in between
    with pytest.raises(RoomError, match="may have 1048576 bytes"):
        await sql(ada, "INSERT INTO t SELECT 3, hex(zeroblob(450000)), 0, 0, 0 FROM t")
    assert await ask(ada, "count", table="t", where=None) == {"count": 2}
    await house.hub.close_room("lab")
    ada = await house.join("ada")
    assert await ask(ada, "list_databases") == {"databases": ["d", "e", "f"]}
    assert await search(ada) == SHOWN


async def test_a_database_whose_file_is_gone_is_an_empty_one(house: Any) -> None:
    ada = await house.join("ada")
    await make(ada, *ROWS)
    await house.hub.close_room("lab")
    (file,) = house.state_dir.glob("**/db-*.sqlite3")
    ada = await house.join("ada")
    for asked in (lambda one: sql(one, "SELECT 1"), lambda one: ask(one, "list_tables"), copied):
        file.unlink()
        await asked(ada)
        await house.hub.close_room("lab")
        ada = await house.join("ada")
    await make(ada, *ROWS)
    file.unlink()
    with pytest.raises(RoomError, match="was removed while it was open"):
        await search(ada)
    await ask(ada, "drop_database", name="d")
    await make(ada, *ROWS)
    assert await search(ada) == SHOWN


async def test_a_list_of_databases_that_cannot_be_read_or_written_changes_nothing(build: Any) -> None:
    house = await build(limits=RoomLimits(tables=TableBounds(max_bytes=40_000)))
    ada = await house.join("ada")
    await make(ada, *ROWS)
    data = await copied(ada)
    (names,) = house.state_dir.glob("**/databases.json")
    folder, kept = names.parent, names.read_text()
    names.unlink()
    names.mkdir()  # so that it cannot be written
    for name in "ghijk":
        with pytest.raises(RoomError, match="director"):
            await restored(ada, name, data)
    names.rmdir()
    await restored(ada, "e", data)  # though copies that never came would have taken all there is
    (db,) = (one for one in folder.glob("db-*.sqlite3") if one.name not in kept)
    await ask(ada, "drop_database", name="e")
    db.mkdir()
    with pytest.raises(RoomError, match="director"):
        await restored(ada, "e", data)
    assert await ask(ada, "list_databases") == {"databases": ["d"]}
    db.rmdir()
    await restored(ada, "e", data)
    await house.hub.close_room("lab")
    names.write_text(names.read_text().replace("db-", "x" * 300))
    ada = await house.join("ada")
    for _ in range(2):
        with pytest.raises(RoomError, match="too long"):
            await ask(ada, "list_databases")
    names.write_text(kept)
    assert await ask(ada, "list_databases") == {"databases": ["d"]}
