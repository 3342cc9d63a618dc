"""Studio's page of nodes, in Chromium, of a whole server over a real engine."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from playwright.async_api import async_playwright, expect

from runtime.front.access.origin import Origin, Origins
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import machine
from tests.placement.cluster.test_operated import asked
from tests.studio.conftest import chromium

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_nodes_are_shown_and_drained_by_a_button(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The server is within this process, so its browser is a child of the server's, as sessions are.
    monkeypatch.setattr(Origins, "_search", lambda self, inode: Origin.NEAR)
    wait_ms = 30_000 * PATIENCE
    async with (
        site.node(machine("n1")),
        site.node(machine("n2")),
        site.server() as server,
        async_playwright() as play,
    ):
        browser = await play.chromium.launch(**chromium())
        link = json.loads(await asked(server, "/studio/links", {"code": True}))["url"]
        page = await browser.new_page(viewport={"width": 1280, "height": 620})
        page.set_default_timeout(wait_ms)
        await page.goto(link)
        for number in range(8):
            call = {"event": "room.call", "data": {"room_name": f"r{number}"}}
            await asked(server, "/chat?wait=ready", call)
        await page.get_by_role("link", name="Nodes").click()
        row = page.get_by_role("row", name="n1")
        await expect(row.get_by_text("ready")).to_be_visible(timeout=wait_ms)
        await expect(row.get_by_text("chat@9c1f")).to_be_visible(timeout=wait_ms)
        await page.get_by_role("button", name="Drain n1").click()
        await page.get_by_role("button", name="Drain", exact=True).click()
        await expect(row.get_by_text("draining")).to_be_visible(timeout=wait_ms)
        await expect(row.get_by_text("moved, 0 to go")).to_be_visible(timeout=wait_ms)
        if shot := os.environ.get("SHOT"):
            await page.screenshot(path=f"{shot}-nodes.png")
        await page.get_by_role("link", name="n2").click()
        await expect(page.get_by_role("row")).to_have_count(1 + 8, timeout=wait_ms)
        await expect(page.get_by_role("columnheader", name="Node")).to_be_visible(timeout=wait_ms)
        if shot:
            await page.screenshot(path=f"{shot}-sessions.png")
        await browser.close()
