"""Tables: a bookkeeper's, with every kind of column, and an indexer's, with words and vectors."""

import datetime

from meshagent.api import room_server_client as sdk_client
from sdk import failure, join, run, takes

WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


async def keep_books(ada, room):
    """What an assistant that keeps a table asks."""
    tables, sdk = room.database, sdk_client
    schema = {
        "id": sdk.IntDataType(),
        "name": sdk.TextDataType(),
        "price": sdk.FloatDataType(),
        "day": sdk.DateDataType(),
        "at": sdk.TimestampDataType(),
    }
    has_more = hasattr(sdk, "BoolDataType")  # from 0.19
    if has_more:
        schema["paid"] = sdk.BoolDataType()
    await tables.create_table_with_schema(name="bills", schema=schema, mode="overwrite")
    await tables.create_table_with_schema(name="bills", schema=schema, mode="create_if_not_exists")
    assert "exists" in await failure(tables.create_table_with_schema(name="bills", schema=schema))
    bills = [
        {"id": number, "name": f"bill {number}", "price": number / 2, "day": WHEN.date(), "at": WHEN}
        for number in range(300)
    ]
    if takes(tables.create_table_with_schema, "namespace") is False:  # as JSON has it, up to 0.10
        bills = [{**bill, "day": str(bill["day"]), "at": str(bill["at"])} for bill in bills]
    await tables.insert(table="bills", records=bills)
    assert await ada.database.list_tables() == ["bills"]
    everything = await ada.database.search(table="bills")
    assert len(everything) == 300
    assert everything[7]["name"] == "bill 7"
    assert str(everything[7]["day"]) == "2026-01-02", everything[7]
    assert [one["id"] for one in await ada.database.search(table="bills", where={"name": "bill 7"})] == [7]
    page = await ada.database.search(table="bills", where="price >= 100", limit=5, offset=2, select=["id"])
    assert page == [{"id": number} for number in range(202, 207)], page
    await tables.update(table="bills", where="id = 7", values={"name": 'O\'B "x"'})
    await tables.update(table="bills", where="id = 7", values_sql={"price": "price + 1"})
    changed = await ada.database.search(table="bills", where={"name": 'O\'B "x"'})
    assert [(one["id"], one["price"]) for one in changed] == [(7, 4.5)]
    await tables.merge(
        table="bills", on="id", records=[{"id": 7, "name": "seven"}, {"id": 1000, "name": "new"}]
    )
    await tables.delete(table="bills", where="id > 10 and id < 1000")
    left = await ada.database.search(table="bills", select=["id", "name"])
    assert sorted(one["id"] for one in left) == [*range(11), 1000]
    await tables.add_columns(table="bills", new_columns={"double": "price * 2"})
    assert (await ada.database.search(table="bills", where="id = 4"))[0]["double"] == 4.0
    await tables.drop_columns(table="bills", columns=["double"])
    await tables.create_scalar_index(table="bills", column="id")
    assert [index.columns for index in await tables.list_indexes(table="bills")] == [["id"]]
    await tables.optimize(table="bills")
    kept = await tables.list_versions(table="bills")
    await tables.restore(table="bills", version=kept[1].version)
    assert len(await ada.database.search(table="bills")) == 300
    if hasattr(tables, "count"):
        assert await tables.count(table="bills", where="id < 5") == 5
    if hasattr(tables, "sql"):
        asked = await tables.sql(
            query="SELECT max(id) AS most FROM bills WHERE id < $x", tables=["bills"], params={"x": 9}
        )
        assert asked == [{"most": 8}], asked
    if hasattr(tables, "inspect"):
        told = await tables.inspect(table="bills")
        assert set(told) == set(schema)
    assert "no column" in await failure(tables.search(table="bills", where="nothing = 1"))
    await tables.drop_table(name="bills")
    assert "does not exist" in await failure(tables.search(table="bills"))
    await tables.drop_table(name="bills", ignore_missing=True)


async def index_pages(ada, room):
    """What an indexer and its chat ask."""
    tables, sdk = room.database, sdk_client
    schema = {
        "url": sdk.TextDataType(),
        "text": sdk.TextDataType(),
        "sha": sdk.TextDataType(),
        "embedding": sdk.VectorDataType(size=3, element_type=sdk.FloatDataType()),
    }
    await tables.create_table_with_schema(name="index", schema=schema, mode="overwrite", data=[])
    pages = [("tides", "the moon moves the sea", [1, 0, 0]), ("wind", "the sun moves the wind", [0, 1, 0])]
    for url, text, vector in pages:
        found = await tables.search(table="index", where={"sha": url}, limit=1)
        assert found == []
        row = {"url": url, "text": text, "sha": url, "embedding": [float(number) for number in vector]}
        await tables.merge(table="index", on="sha", records=[row])
    await tables.merge(table="index", on="sha", records=[{"sha": "wind", "text": "the sun drives the wind"}])
    await tables.create_vector_index(table="index", column="embedding")
    await tables.create_full_text_search_index(table="index", column="text")
    await tables.create_scalar_index(table="index", column="url")
    await tables.optimize(table="index")
    assert len(await tables.list_indexes(table="index")) == 3
    by_word = await ada.database.search(table="index", text="which moon", limit=3)
    assert [one["url"] for one in by_word] == ["tides"]
    near = await ada.database.search(table="index", vector=[0.1, 0.9, 0.0], limit=1)
    assert [one["text"] for one in near] == ["the sun drives the wind"]
    assert [round(number) for number in near[0]["embedding"]] == [0, 1, 0]
    both = await ada.database.search(table="index", text="moon", vector=[0.9, 0.1, 0.0], limit=10)
    assert [one["url"] for one in both] == ["tides", "wind"]
    await tables.delete(table="index", where="url='wind'")
    assert len(await tables.search(table="index")) == 1


async def require_tables(room):
    """An agent that says which tables it needs finds them made (from 0.19)."""
    from meshagent.agents import SingleRoomAgent
    from meshagent.api import room_server_client as sdk

    needed = sdk.RequiredTable(
        name="emails",
        schema={"id": sdk.TextDataType(), "json": sdk.TextDataType(), "at": sdk.TimestampDataType()},
        scalar_indexes=["id"],
        full_text_search_indexes=["json"],
        namespace=None,
    )
    given = {"requires": [needed], "name": "keeper", "title": "Keeper", "description": "of a test"}
    agent = SingleRoomAgent(
        **{key: value for key, value in given.items() if takes(SingleRoomAgent.__init__, key)}
    )
    await agent.start(room=room)
    assert "emails" in await room.database.list_tables()
    await room.database.insert(table="emails", records=[{"id": "1", "json": "{}", "at": WHEN}])
    await agent.stop()


async def main(work):
    async with join(work["url"], work["ada"]) as ada, join(work["url"], work["keeper"]) as room:
        await keep_books(ada, room)
        await index_pages(ada, room)
        if hasattr(sdk_client, "RequiredTable"):
            await require_tables(room)


run(main)
