"""Databases by name as the newest releases ask for them (`sqlite`), and SQL that changes a dataset."""

import datetime

import pyarrow as pa
from meshagent.api import room_server_client as sdk_client
from sdk import failure, join, run

DAY = datetime.date(2026, 1, 2)


async def keep(ada, room):
    await room.sqlite.create_database(name="shop")
    shop, seen = room.sqlite.database("shop"), ada.sqlite.database("shop")
    assert "exists" in await failure(shop.create_database())
    schema = {"id": pa.int64(), "name": pa.string(), "paid": pa.bool_(), "day": pa.date32()}
    await shop.create_table_with_schema(name="bills", schema=pa.schema(list(schema.items())))
    first = {"id": 1, "name": "O'B", "paid": False, "day": DAY}
    await shop.insert(table="bills", records=[first, {"id": 2, "name": "b"}])
    assert (await seen.inspect(table="bills")).names == list(schema)
    assert (await seen.search(table="bills", where={"id": 1})).to_pylist() == [first]
    assert (await seen.search(table="bills", where="id > 7")).num_rows == 0
    assert await seen.count(table="bills", where="name = ?", params=["b"]) == 1
    assert await shop.update(table="bills", where="id = :id", values={"paid": True}, params={"id": 2}) == 1
    assert await shop.execute_sql_statement(query="CREATE INDEX by_day ON bills(day)") == 0
    asked = await seen.sql(
        query="SELECT name, count(*) AS n FROM bills GROUP BY name ORDER BY 1", params=None
    )
    assert asked.to_pylist() == [{"name": "O'B", "n": 1}, {"name": "b", "n": 1}]
    done = await shop.execute_sql(query="DELETE FROM bills WHERE id = 2")
    assert done.rows_affected == 1
    if hasattr(shop, "execute_sql_batch"):
        commands = [
            sdk_client.SqliteSqlCommand(query="INSERT INTO bills (id) VALUES (?)", params=[9]),
            sdk_client.SqliteSqlCommand(query="SELECT max(id) AS most FROM bills"),
        ]
        inserted, most = await shop.execute_sql_batch(commands=commands)
        assert inserted.rows_affected == 1
        assert most.schema.names == ["most"]
    await shop.add_columns(table="bills", new_columns={"note": pa.string()})
    await shop.drop_columns(table="bills", columns=["note"])
    await shop.rename_table(name="bills", new_name="paid")
    assert await seen.list_tables() == ["paid"]
    details = await seen.inspect_database()
    assert (details.name, details.tables) == ("shop", 1)
    if hasattr(room.sqlite, "backup"):
        pieces = [piece async for piece in room.sqlite.backup(database="shop")]

        async def source():
            for piece in pieces:
                yield piece

        await room.sqlite.restore(database="again", source=source())
        assert await room.sqlite.list_databases() == ["again", "shop"]
        assert await room.sqlite.database("again").count(table="paid") == 2
        await room.sqlite.flush_database(name="again")
        assert (await room.sqlite.get_database_settings(name="again")).replication_mode == "synchronous"
    assert "ATTACH" not in await failure(shop.execute_sql(query="ATTACH 'x' AS y"))
    await shop.drop_table(name="paid")
    await shop.drop_database()


async def change(room):
    """Rows of a dataset, by SQL."""
    await room.datasets.create_table_from_data(
        name="t", data=[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    )
    tables = [sdk_client.SqlTableReference(name="t")]
    text = "UPDATE t SET name = upper(name) WHERE id = 2"
    assert await room.datasets.execute_sql_statement(query=text, tables=tables) == 1
    done = await room.datasets.execute_sql(query="INSERT INTO t (id, name) VALUES (3, 'c')", tables=tables)
    assert done.rows_affected == 1
    names = [row["name"] for row in (await room.datasets.search(table="t")).to_pylist()]
    assert sorted(names) == ["B", "a", "c"]


async def main(work):
    async with join(work["url"], work["ada"]) as ada, join(work["url"], work["keeper"]) as room:
        await keep(ada, room)
        await change(room)
        return {}


if __name__ == "__main__":
    run(main)
