"""The room's tables, through the real room."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from runtime.sdk import (
    BinaryDataType,
    DataType,
    DateDataType,
    FloatDataType,
    IntDataType,
    ListDataType,
    RequiredTable,
    SingleRoomAgent,
    StructDataType,
    TextDataType,
    TimestampDataType,
    VectorDataType,
)
from runtime.sdk.room.client import RoomException
from runtime.sdk.room.requirements import Requirement
from runtime.sdk.room.tables.database import BATCH_ROWS

pytestmark = pytest.mark.process

SCHEMA: dict[str, DataType] = {
    "id": IntDataType(),
    "name": TextDataType(nullable=False),
    "day": DateDataType(),
    "at": TimestampDataType(),
    "raw": BinaryDataType(),
    "near": VectorDataType(size=2),
    "tags": ListDataType(element_type=TextDataType()),
    "who": StructDataType(fields={"age": FloatDataType()}),
}


@pytest.mark.asyncio
async def test_tables_are_made_filled_asked_and_changed(house: Any) -> None:
    ada, ben = await house.enter("ada"), await house.enter("ben")
    tables = ada.database
    assert await tables.list_tables() == []
    await tables.create_table_with_schema(name="t", schema=SCHEMA)
    told = await tables.inspect(table="t")
    assert list(told) == list(SCHEMA)
    assert [told["name"].nullable, told["day"].nullable] == [False, True]
    assert told["near"].to_json()["size"] == 2
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    row = {"id": 1, "name": "O'B", "day": date(2026, 1, 2), "at": moment, "raw": b"\x00", "near": [0, 1]}
    many = [{"id": n, "name": "x", "near": [n, n]} for n in range(2, BATCH_ROWS + 10)]
    await tables.insert(table="t", records=[row, *many])
    (found,) = await ben.database.search(
        table="t", where={"name": "O'B", "day": date(2026, 1, 2), "raw": b"\x00"}
    )
    assert (found["day"], found["at"], found["raw"]) == ("2026-01-02", "2026-01-02T03:04:05Z", b"\x00")
    assert await ben.database.count(table="t") == BATCH_ROWS + 9
    await tables.update(
        table="t", where={"id": 1}, values={"tags": ["a"]}, values_sql={"name": "upper(name)"}
    )
    await tables.merge(table="t", on="id", records={"id": 2, "name": "zwei"})
    await tables.delete(table="t", where="id > 3")
    assert await ben.database.search(table="t", select=["id", "name", "tags"]) == [
        {"id": 3, "name": "x", "tags": None},
        {"id": 1, "name": "O'B", "tags": ["a"]},
        {"id": 2, "name": "zwei", "tags": None},
    ]
    asked = await tables.sql(query="SELECT name FROM t WHERE id = $id", tables=["t"], params={"id": 2})
    assert asked == [{"name": "zwei"}]
    await tables.add_columns(table="t", new_columns={"twice": "id * 2", "note": TextDataType()})
    await tables.drop_columns(table="t", columns=["who"])
    await tables.create_vector_index(table="t", column="near")
    await tables.create_full_text_search_index(table="t", column="name")
    assert [one.type for one in await tables.list_indexes(table="t")] == ["FTS", "IVF_PQ"]
    (best,) = await tables.search(table="t", text="zwei", limit=1)
    assert best["twice"] == 4
    await tables.drop_index(table="t", name="name_idx")
    await tables.optimize(table="t")
    versions = await tables.list_versions(table="t")
    await tables.checkout(table="t", version=versions[0].version)
    assert await tables.count(table="t") == 0
    await tables.restore(table="t", version=versions[-1].version)
    assert await tables.count(table="t") == 3
    with pytest.raises(RoomException, match="exists already"):
        await tables.create_table_from_data(name="t", data=[{"a": 1}])
    await tables.drop_table(name="t")
    await tables.drop_table(name="t", ignore_missing=True)
    with pytest.raises(RoomException, match="does not exist"):
        await tables.search(table="t")


@pytest.mark.asyncio
async def test_a_table_that_an_agent_requires_is_there_when_it_starts(house: Any) -> None:
    room = await house.enter("keeper")
    needed = RequiredTable(
        name="notes",
        schema=SCHEMA,
        namespace=["mine"],
        scalar_indexes=["id"],
        full_text_search_indexes=["name"],
        vector_indexes=["near"],
    )
    again = Requirement.from_json(needed.to_json())
    assert again.to_json() == needed.to_json()
    for requirement in (needed, again):
        await SingleRoomAgent(requires=[requirement]).start(room=room)
    assert await room.database.list_tables(namespace=["mine"]) == ["notes"]
    assert len(await room.database.list_indexes(table="notes", namespace=["mine"])) == 3


@pytest.mark.parametrize("type", SCHEMA.values(), ids=lambda type: type.type)
def test_a_type_is_read_as_it_was_written(type: DataType) -> None:
    assert DataType.from_json(type.to_json()) == type
    with pytest.raises(ValueError, match="not a type"):
        DataType.from_json({"type": "so"})
