"""Tables of a room in the browser: looked through, searched, changed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from runtime.sdk import (
    FloatDataType,
    IntDataType,
    RoomClient,
    TextDataType,
    VectorDataType,
    WebSocketClientProtocol,
)
from tests.studio.conftest import ROOM, ROOT, Studio, serving

pytestmark = pytest.mark.e2e

TABLE = "<b>bills</b>"
SCHEMA = {
    "id": IntDataType(),
    "what": TextDataType(),
    "amount": FloatDataType(),
    "near": VectorDataType(size=2),
}


async def keep_books(studio: Any) -> None:
    ticket = studio.ask("POST", f"/rooms/{ROOM}/token", {"name": "keeper"})
    protocol = WebSocketClientProtocol(url=ticket["room_url"], token=ticket["token"])
    bills = [{"id": n, "what": f"bill {n} <i>wheel</i>", "amount": n / 2, "near": [n, 0]} for n in range(120)]
    twins = [{"id": 7, "what": "twin"}, {"id": 7, "what": "twin"}]
    async with RoomClient(protocol=protocol) as room:
        await room.database.create_table_with_schema(name=TABLE, schema=SCHEMA, mode="overwrite")
        await room.database.insert(table=TABLE, records=[*bills, *twins])


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A server with one agent: tables need none."""
    sources = [str(ROOT / "agents" / "adder.py")]
    with serving(tmp_path_factory.mktemp("tables"), sources, server__room=ROOM) as server:
        server.ready("adder")
        yield server


@pytest.fixture
def books(studio: Any) -> None:
    """In a thread of its own: the browser's loop runs in this one."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, keep_books(studio)).result()


@pytest.mark.usefixtures("books")
def test_rows_are_looked_through_searched_and_changed(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, f"/studio/rooms/{ROOM}?tab=tables")
    table = page.get_by_role("table", name=f"Rows of {TABLE}")
    expect(table.get_by_text("bill 0 <i>wheel</i>")).to_be_visible()
    expect(page.get_by_text("1–50 of 122")).to_be_visible()
    page.get_by_role("button", name="Later").click()
    expect(page.get_by_text("51–100 of 122")).to_be_visible()
    page.get_by_label("Filter").fill("amount >= 59 AND what LIKE 'bill%'")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("1–2 of 2")).to_be_visible()
    page.get_by_label("Filter").fill("nothing = 1")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("no column 'nothing'")).to_be_visible()
    page.get_by_label("Filter").fill("id = 119")
    page.get_by_role("button", name="Search").click()
    table.get_by_text("bill 119").click()
    dialog = page.get_by_role("dialog", name="Row")
    dialog.get_by_label("amount").fill("many")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("many is no number.")).to_be_visible()
    dialog.get_by_label("amount").fill("7.25")
    dialog.get_by_label("near").fill("[3, 4]")
    dialog.get_by_role("button", name="Save").click()
    expect(table.get_by_text("7.25")).to_be_visible()
    expect(table.get_by_text("[3, 4]")).to_be_visible()
    page.get_by_role("button", name="Row", exact=True).click()
    new = page.get_by_role("dialog", name="New row")
    new.get_by_label("id").fill("1000")
    new.get_by_label(re.compile("^what")).fill("an anvil")
    new.get_by_role("button", name="Add").click()
    expect(new).to_be_hidden()
    page.get_by_label("Filter").fill("")
    page.get_by_label("Words").fill("anvil")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("1–1 of 1")).to_be_visible()
    table.get_by_text("an anvil").click()
    page.get_by_role("dialog", name="Row").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete the row?").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No row fits")).to_be_visible()


@pytest.mark.usefixtures("books")
def test_rows_that_are_alike_are_changed_together(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, f"/studio/rooms/{ROOM}?tab=tables")
    page.get_by_label("Words").fill("twin")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("1–2 of 2")).to_be_visible()
    page.get_by_role("table").get_by_text("twin").first.click()
    page.get_by_role("dialog", name="Row").get_by_label("amount").fill("1")
    page.get_by_role("dialog", name="Row").get_by_role("button", name="Save").click()
    question = page.get_by_role("dialog", name="Change the row?")
    expect(question).to_contain_text("2 rows are alike")
    question.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog", name="Row")).to_be_visible()
