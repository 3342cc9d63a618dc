"""A table of a million rows: how soon searches are answered, and how late other rooms are meanwhile.

Vectors are in a table of their own, of a tenth as many rows: else most of what a client sends would be they.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from bench.report import Effort, Report
from bench.server import SECRET, running_server
from runtime.rooms.token import mint
from runtime.sdk import (
    FloatDataType,
    IntDataType,
    RoomClient,
    TextDataType,
    VectorDataType,
    WebSocketClientProtocol,
)
from runtime.sdk.room.tables.data_type import DataType

ROWS: Final = 1_000_000
BATCH: Final = 20_000
WORDS: Final = 20_000
SCHEMA: Final[Mapping[str, DataType]] = {
    "id": IntDataType(), "name": TextDataType(), "score": IntDataType()
}  # fmt: skip
VECTOR_SIZE: Final = 64
VECTORS: Final[Mapping[str, DataType]] = {
    "score": IntDataType(),
    "text": TextDataType(),
    "vec": VectorDataType(size=VECTOR_SIZE, element_type=FloatDataType()),
}
PING_S: Final = 0.01

Ask = Callable[[], Awaitable[Any]]


def run(effort: Effort) -> list[Report]:
    """Through a server as users have it; the table is made by inserts of a client."""
    with running_server() as server:
        return asyncio.run(_measured(f"ws://127.0.0.1:{server.port}/rooms", effort))


async def _measured(url: str, effort: Effort) -> list[Report]:
    count = effort.count(ROWS, ROWS // 10)
    report = Report("tables", f"searches in a table of {count:,} rows", "ms")
    pings = Report("tables_pings", "a message to somebody in another room and back, each 10 ms", "ms")
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(_joined(url, "tables", "ada"))
        other = await stack.enter_async_context(_joined(url, "other", "ben"))
        quiet_ms = pings.times("quiet", await _pings(other, asyncio.sleep(3.0)))
        filled_ms = pings.times("while rows are inserted", await _pings(other, _fill(room, count)))
        began = time.perf_counter()
        await room.database.create_scalar_index(table="t", column="id")
        await room.database.create_full_text_search_index(table="t", column="name")
        report.value("both indexes made", 1000 * (time.perf_counter() - began))
        await _fill_vectors(room, count // 10)
        began = time.perf_counter()
        await room.database.create_vector_index(table="v", column="vec")
        await room.database.create_full_text_search_index(table="v", column="text")
        report.value(
            f"indexes of {count // 10:,} vectors and texts made", 1000 * (time.perf_counter() - began)
        )
        times: dict[str, list[float]] = {}
        asked_ms = pings.times(
            "while searches are answered",
            await _pings(other, _search(room, count, effort.count(50, 20), times)),
        )
    for name, found in times.items():
        p50 = report.times(name, found)
        if not name.startswith("no index"):
            report.at_most(name, p50, 100, "ms")
    pings.at_most("later while searches are answered", asked_ms - quiet_ms, 5, "ms")
    pings.at_most("later while rows are inserted", filled_ms - quiet_ms, 20, "ms")
    return [report, pings]


@asynccontextmanager
async def _joined(url: str, room: str, name: str) -> AsyncIterator[RoomClient]:
    token = mint(name, room=room, secret=SECRET)
    async with RoomClient(protocol=WebSocketClientProtocol(url=f"{url}/{room}", token=token)) as client:
        yield client


async def _pings(room: RoomClient, work: Awaitable[None]) -> list[float]:
    """Times of round trips while something else is done."""
    busy = asyncio.ensure_future(work)
    found = []
    while not busy.done():
        began = time.perf_counter()
        await room.queues.list()
        found.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(PING_S)
    await busy
    return found


async def _fill(room: RoomClient, count: int) -> None:
    await room.database.create_table_with_schema(name="t", schema=SCHEMA)
    chance = random.Random(1)
    for start in range(0, count, BATCH):
        rows = [
            {
                "id": number,
                "name": " ".join(f"word{chance.randrange(WORDS)}" for _ in range(8)),
                "score": chance.randrange(1000),
            }
            for number in range(start, min(start + BATCH, count))
        ]
        await room.database.insert(table="t", records=rows)


async def _fill_vectors(room: RoomClient, count: int) -> None:
    await room.database.create_table_with_schema(name="v", schema=VECTORS)
    chance = random.Random(3)
    for start in range(0, count, BATCH // 10):
        rows = [
            {
                "score": chance.randrange(1000),
                "text": f"word{chance.randrange(WORDS)}",
                "vec": [round(chance.gauss(0, 1), 4) for _ in range(VECTOR_SIZE)],
            }
            for _ in range(min(BATCH // 10, count - start))
        ]
        await room.database.insert(table="v", records=rows)


async def _search(room: RoomClient, count: int, turns: int, times: dict[str, list[float]]) -> None:
    tables, chance = room.database, random.Random(2)

    def word() -> str:
        return f"word{chance.randrange(WORDS)}"

    def vector() -> list[float]:
        return [chance.gauss(0, 1) for _ in range(VECTOR_SIZE)]

    asked: dict[str, Ask] = {
        "a value": lambda: tables.search(table="t", where={"id": chance.randrange(count)}),
        "a range of a hundred": lambda: tables.search(
            table="t", where=f"id >= {(least := chance.randrange(count))} and id < {least + 100}"
        ),
        "words": lambda: tables.search(table="t", text=f"{word()} {word()}", limit=10),
        "words and a filter": lambda: tables.search(table="t", text=word(), where="score > 500", limit=10),
        "a page deep inside": lambda: tables.search(table="t", limit=100, offset=chance.randrange(count)),
        "count": lambda: tables.count(table="t"),
        "a vector": lambda: tables.search(table="v", vector=vector(), select=["text"], limit=10),
        "a vector and a filter": lambda: tables.search(
            table="v", vector=vector(), where="score > 500", select=["text"], limit=10
        ),
        "a vector and words": lambda: tables.search(
            table="v", vector=vector(), text=word(), select=["text"], limit=10
        ),
        "no index: a value": lambda: tables.search(table="t", where=f"name = '{word()}'"),
        "no index: a sum": lambda: tables.sql(query="SELECT sum(score) AS s FROM t", tables=["t"]),
    }
    for name, ask in asked.items():
        for _ in range(turns):
            began = time.perf_counter()
            await ask()
            times.setdefault(name, []).append(1000 * (time.perf_counter() - began))
