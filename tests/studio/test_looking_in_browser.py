"""Where a session's time goes, and one that is held still, as the browser shows them."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.e2e


def test_a_profile_is_taken_and_looked_into(studio: Any, visit: Any, expect: Any) -> None:
    session = studio.join("/fragile", "flame")
    page = visit(studio, f"/studio/sessions/{session['id']}")
    page.get_by_role("button", name="Profile 10 s").click()
    expect(page.get_by_text("The session goes on")).to_be_visible()
    boxes = page.locator(".flame-box")
    expect(boxes.first).to_be_visible(timeout=60_000)
    expect(page.get_by_text(re.compile(r"looks in .*, by "))).to_be_visible()
    count = boxes.count()
    boxes.first.click()
    expect(page.get_by_role("button", name="all", exact=True)).to_be_visible()
    page.get_by_role("button", name="all", exact=True).click()
    expect(boxes).to_have_count(count)
    assert "tab=profile" in page.url


def test_a_session_is_frozen_told_so_everywhere_and_thawed(studio: Any, visit: Any, expect: Any) -> None:
    session = studio.join("/fragile", "ice")
    page = visit(studio, f"/studio/sessions/{session['id']}")
    page.get_by_role("button", name="Freeze").click()
    page.get_by_role("dialog").get_by_role("button", name="Freeze").click()
    expect(page.locator(".notice")).to_contain_text("frozen by an operator")
    expect(page.get_by_role("button", name="Profile 10 s")).to_be_disabled()
    assert studio.ask("GET", f"/workers/{session['id']}")["frozen"]
    page.goto("/studio/rooms/ice")
    agent = page.locator(".someone.agent", has_text="fragile")
    expect(agent).to_contain_text("frozen")
    agent.hover()
    agent.get_by_role("button", name="Thaw fragile").click()
    expect(agent).to_contain_text("ready")
    assert not studio.ask("GET", f"/workers/{session['id']}")["frozen"]
