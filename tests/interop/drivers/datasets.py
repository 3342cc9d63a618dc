"""Tables as the newest releases ask for them: as Arrow, by the toolkit ``dataset``."""

import datetime

import pyarrow as pa
from meshagent.agents import SingleRoomAgent
from meshagent.api import room_server_client as sdk_client
from sdk import failure, join, run

WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
SCHEMA = {
    "id": pa.int64(),
    "name": pa.string(),
    "price": pa.float64(),
    "day": pa.date32(),
    "at": pa.timestamp("us", tz="UTC"),
    "raw": pa.large_binary(),
    "near": pa.list_(pa.float32(), 3),
    "tags": pa.list_(pa.string()),
    "who": pa.struct([("age", pa.int64())]),
}


def row(number, **more):
    made = {"id": number, "name": f"bill {number}", "price": number / 2, "day": WHEN.date(), "at": WHEN}
    return {**made, **more}


async def keep_books(ada, room):
    tables = room.datasets
    schema = pa.schema([pa.field(name, type) for name, type in SCHEMA.items()])
    schema = schema.set(1, pa.field("name", pa.large_string(), nullable=False, metadata={"made": "here"}))
    await tables.create_table_with_schema(name="bills", schema=schema, mode="overwrite")
    await tables.create_table_with_schema(name="bills", schema=schema, mode="create_if_not_exists")
    assert "exists" in await failure(tables.create_table_with_schema(name="bills", schema=schema))
    assert await ada.datasets.inspect(table="bills") == schema
    empty = await ada.datasets.search(table="bills")
    assert (empty.num_rows, empty.schema.names) == (0, schema.names)
    first = row(0, raw=b"\x00\x01", near=[1.0, 2.0, 3.0], tags=["a", None], who={"age": 36})
    await tables.insert(table="bills", records=[first, *(row(number) for number in range(1, 3000))])
    assert await ada.datasets.list_tables() == ["bills"]
    everything = await ada.datasets.search(table="bills")
    assert everything.num_rows == 3000
    everything.validate(full=True)
    assert everything.slice(0, 1).to_pylist() == [first], everything.slice(0, 1).to_pylist()
    seventh = {"name": "bill 7", "day": WHEN.date()}
    found = await ada.datasets.search(table="bills", where=seventh, select=["id"])
    assert found.to_pylist() == [{"id": 7}]
    new = {"name": "O'B", "tags": ["x"], "raw": b"\x07"}
    await tables.update(table="bills", where='"id" = 7', values=new)
    changed = (await ada.datasets.search(table="bills", where={"raw": b"\x07"})).to_pylist()
    assert [(one["id"], one["name"], one["tags"]) for one in changed] == [(7, "O'B", ["x"])]
    await tables.merge(table="bills", on="id", records=[row(7, name="seven"), row(5000, name="new")])
    await tables.delete(table="bills", where="id > 10 AND id < 5000")
    assert await tables.count(table="bills") == 12
    await tables.add_columns(table="bills", new_columns={"double": "price * 2"})
    await tables.add_columns(table="bills", new_columns={"note": pa.string()})
    assert (await ada.datasets.search(table="bills", where="id = 4")).to_pylist()[0]["double"] == 4.0
    await tables.drop_columns(table="bills", columns=["double", "note"])
    kept = await tables.list_versions(table="bills")
    then = await tables.search(table="bills", version=kept[1].version, limit=5)
    assert then.num_rows == 5
    await tables.restore(table="bills", version=kept[1].version)
    assert await tables.count(table="bills") == 3000
    asked = await tables.sql(
        query="SELECT max(id) AS most, min(name) AS name FROM bills WHERE id < $x",
        tables=["bills"],
        params=pa.table({"x": [9]}),
    )
    assert asked.to_pylist() == [{"most": 8, "name": "bill 0"}], asked
    assert "no column" in await failure(tables.search(table="bills", where="nothing = 1"))
    assert "no branches" in await failure(tables.search(table="bills", branch="other"))
    await tables.rename_table(name="bills", new_name="old bills")
    assert (await tables.stats(table="old bills")) is not None
    await tables.drop_table(name="old bills")
    assert "does not exist" in await failure(tables.search(table="bills"))


async def index_pages(ada, room):
    tables = room.datasets
    vectors = pa.list_(pa.float32(), 3)
    schema = pa.schema([("url", pa.string()), ("text", pa.string()), ("embedding", vectors)])
    await tables.create_table_with_schema(name="index", schema=schema, mode="overwrite", data=[])
    pages = [("tides", "the moon moves the sea", [1, 0, 0]), ("wind", "the sun drives the wind", [0, 1, 0])]
    for url, text, vector in pages:
        record = {"url": url, "text": text, "embedding": [float(number) for number in vector]}
        await tables.merge(table="index", on="url", records=[record])
    for column, kind in (("embedding", "IVF_PQ"), ("text", "INVERTED"), ("url", "BTREE")):
        config = sdk_client.DatasetIndexConfig(column=column, index_type=kind, replace=True)
        await tables.create_index(table="index", config=config)
    await tables.optimize(table="index")
    assert len(await tables.list_indexes(table="index")) == 3
    by_word = await ada.datasets.search(table="index", text="which moon")
    assert by_word["url"].to_pylist() == ["tides"]
    near = await ada.datasets.search(table="index", vector=[0.1, 0.9, 0.0], limit=1)
    assert near["url"].to_pylist() == ["wind"]


async def watch(ada, room):
    await room.datasets.create_table_from_data(name="watched", data=[{"id": 1}], mode="overwrite")
    told = []
    async for event in ada.datasets.watch_table(table="watched", poll_interval_seconds=0.2):
        told.append((event.kind, event.change_type, event.table and event.table.to_pylist()))
        if event.kind == "ready":
            await room.datasets.insert(table="watched", records=[{"id": 2}])
        if len(told) == 3:
            break
    first, second = ("data", None, [{"id": 1}]), ("data", "inserted", [{"id": 2}])
    assert told == [first, ("ready", None, None), second], told


async def require_table(room):
    needed = sdk_client.RequiredTable(
        name="emails",
        schema=pa.schema([("id", pa.string()), ("json", pa.string()), ("near", pa.list_(pa.float32(), 3))]),
        scalar_indexes=["id"],
        full_text_search_indexes=["json"],
        vector_indexes=["near"],
    )
    agent = SingleRoomAgent(requires=[needed])
    await agent.start(room=room)
    assert "emails" in await room.datasets.list_tables()
    assert len(await room.datasets.list_indexes(table="emails")) == 3
    await agent.stop()


async def main(work):
    async with join(work["url"], work["ada"]) as ada, join(work["url"], work["keeper"]) as room:
        await keep_books(ada, room)
        await index_pages(ada, room)
        await watch(ada, room)
        await require_table(room)


run(main)
