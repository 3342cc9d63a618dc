"""Sessions as the browser shows them: found, looked into, held still, ended; red where they crash."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.studio.conftest import ROOM, serving

pytestmark = pytest.mark.e2e

SENTENCE = "background task raised: ZeroDivisionError: float division by zero"
MANY = 1000


def row(page: Any, session: str) -> Any:
    return page.get_by_role("row").filter(has=page.locator(f'a[href="/studio/sessions/{session}"]'))


def test_a_crash_turns_its_row_red_where_it_stands(studio: Any, visit: Any, expect: Any) -> None:
    fragile = studio.join("/fragile", "red")
    studio.join("/adder", "red")
    page = visit(studio, "/studio/sessions?q=room:red")
    rows = page.locator("tr.row")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("fragile")
    expect(rows.nth(1)).not_to_have_class(re.compile("row-bad"))
    studio.crash(fragile)

    red = row(page, fragile["id"])
    expect(red).to_have_class(re.compile("row-bad"))
    expect(red).to_contain_text(SENTENCE)
    # It was started again meanwhile; its row says both, and is where it was.
    expect(red).to_contain_text("ready")
    expect(red).to_have_class(re.compile("row-bad"))
    expect(rows.nth(1)).to_contain_text(SENTENCE)
    expect(rows.nth(0)).not_to_have_class(re.compile("row-bad"))

    page.goto("/studio/")
    expect(page.get_by_text("Last crash")).to_contain_text(re.compile("just now|s ago"))
    expect(page.locator(".wrong")).to_contain_text("ZeroDivisionError")


def test_sessions_are_found_by_words_and_opened_by_keys(studio: Any, visit: Any, expect: Any) -> None:
    mine = studio.join("/adder", "found")
    studio.join("/helper", "found")
    page = visit(studio, "/studio/sessions")
    expect(row(page, mine["id"])).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("room:found adder gen 1")
    expect(page.locator("tr.row")).to_have_count(1)
    assert "q=" in page.url, "a search has an address"
    page.get_by_label("Room, identity").press("Enter")
    page.get_by_label("Room, identity").blur()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("adder")
    page.go_back()
    expect(page.locator("tr.row")).to_have_count(1)
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(row(page, mine["id"])).to_be_visible()
    page.goto("/studio/sessions?q=nothing+like+it")
    expect(page.get_by_text("No session fits")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    expect(row(page, mine["id"])).to_be_visible()


def test_a_session_is_looked_into(studio: Any, visit: Any, expect: Any) -> None:
    fragile = studio.join("/fragile", "glass")
    page = visit(studio, f"/studio/sessions/{fragile['id']}")
    expect(page.get_by_role("heading", level=1)).to_have_text("fragile")
    log = page.get_by_role("list", name="Log, newest last")
    expect(log).to_contain_text("the kitchen is open")
    page.keyboard.press("/")
    page.keyboard.type("KITCHEN")
    expect(log.locator("mark")).to_have_text("kitchen")
    page.keyboard.type("s")
    expect(log).to_contain_text("No line has")
    page.get_by_label("Search the log").press("Escape")
    expect(log).to_contain_text("the kitchen is open")

    page.get_by_role("tab", name="Processes").click()
    expect(page.get_by_role("cell", name=str(fragile["pid"]), exact=True)).to_be_visible()
    page.get_by_role("button", name="Stacks").click()
    expect(page.locator("pre")).to_contain_text("fragile.py")
    expect(page.locator(".budgets")).to_contain_text("512 MiB")


def test_a_session_is_ended_after_one_question(studio: Any, visit: Any, expect: Any) -> None:
    visit.forgive("status of 404")
    adder = studio.join("/adder", "end")
    page = visit(studio, f"/studio/sessions/{adder['id']}")
    kill = page.get_by_role("button", name="Kill")
    kill.click()
    asked = page.get_by_role("dialog", name="Kill adder?")
    expect(asked).to_contain_text("Other sessions are not touched")
    page.keyboard.press("Escape")
    expect(asked).to_have_count(0)
    assert studio.ask("GET", f"/workers/{adder['id']}")["exit"] is None
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog", name="Stop adder?").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("adder was stopped.")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Ended .*"))).to_be_visible()
    expect(kill).to_have_count(0)
    assert studio.ask("GET", f"/workers/{adder['id']}")["exit"]["reason"] == "stopped"
    page.goto("/studio/sessions/s_NOBODY00")
    expect(page.get_by_text("Nobody knows this session")).to_be_visible()


def test_many_are_selected_stopped_and_one_is_started_again(studio: Any, visit: Any, expect: Any) -> None:
    many = [studio.join("/adder", f"bulk-{number}") for number in range(3)]
    page = visit(studio, "/studio/sessions")
    page.get_by_label("Group by").select_option("room")
    page.get_by_role("button", name="bulk-1").click()
    expect(row(page, many[1]["id"])).to_be_visible()
    expect(page.locator("tr.row")).to_have_count(1)
    page.go_back()
    expect(page.get_by_role("table", name="Sessions by room")).to_contain_text("bulk-2")
    page.goto("/studio/sessions?q=room:bulk&show=running")
    expect(page.locator("tr.row")).to_have_count(3)
    page.get_by_role("checkbox", name="Select all that are shown").check()
    page.get_by_role("checkbox", name=many[2]["id"]).uncheck()
    expect(page.get_by_text("2 sessions selected")).to_be_visible()
    page.get_by_role("button", name="Stop…").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop 2 sessions").click()
    expect(page.get_by_text("2 sessions were stopped.")).to_be_visible()
    expect(page.locator("tr.row")).to_have_count(1)
    reasons = [(studio.ask("GET", f"/workers/{one['id']}")["exit"] or {}).get("reason") for one in many]
    assert reasons == ["stopped", "stopped", None]
    page.goto(f"/studio/sessions/{many[0]['id']}")
    page.get_by_role("button", name="Start again").click()
    page.get_by_role("dialog").get_by_role("button", name="Start again").click()
    page.get_by_role("link", name="Session", exact=True).click()
    expect(page.get_by_text("ready", exact=True)).to_be_visible()
    assert studio.ready("adder", "bulk-0")["id"] in page.url


def test_an_agent_is_stopped_where_one_sees_it(studio: Any, visit: Any, expect: Any) -> None:
    session = studio.join("/adder", "here")["id"]
    page = visit(studio, "/studio/rooms/here")
    row = page.get_by_role("listitem").filter(has=page.get_by_role("button", name="Stop adder"))
    row.hover()
    said = row.locator(".state").bounding_box()
    for name in ("Profile adder", "Freeze adder", "Stop adder"):
        box = row.get_by_label(name, exact=True).bounding_box()
        assert box["y"] + box["height"] <= said["y"], f"{name} covers the state"
    page.get_by_role("button", name="Stop adder").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("adder was stopped.")).to_be_visible()
    assert studio.ask("GET", f"/workers/{session}")["exit"]["reason"] == "stopped"


def test_a_thousand_rows_cost_no_more_than_those_in_sight(studio: Any, visit: Any, expect: Any) -> None:
    known = studio.join("/adder", "many")
    rows = [
        known | {"id": f"s_{number:08d}", "identity": f"agent {number}", "accepted_at": stamp(number)}
        for number in range(MANY)
    ]
    hello = {"epoch": "x", "version": "0", "now_ms": 0, "started_at": stamp(0)}
    body = f"retry: 600000\n\n{event('hello', hello)}{event('sessions', {'rows': rows})}"
    page = visit(studio, "/studio/settings")
    page.add_init_script("delete window.SharedWorker")  # whose requests nobody can answer in its place
    page.route("**/studio/live", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    page.goto("/studio/sessions")
    expect(page.get_by_role("row").filter(has_text=f"agent {MANY - 1}")).to_be_visible()
    assert page.locator("tr.row").count() < 100
    for _ in range(3):
        page.keyboard.press("j")
    expect(page.locator("tr.selected")).to_contain_text(f"agent {MANY - 3}")
    page.locator(".table-box").evaluate("(box) => { box.scrollTop = box.scrollHeight; }")
    expect(page.get_by_role("link", name="agent 0", exact=True)).to_be_visible()
    assert page.locator("tr.row").count() < 100
    # Sorted by another column, the first row is another one.
    page.get_by_role("columnheader", name="Session").get_by_role("button").click()
    page.locator(".table-box").evaluate("(box) => { box.scrollTop = 0; }")
    expect(page.locator("tr.row").first).to_contain_text(re.compile(r"agent 0(?!\d)"))


def test_a_storm_of_crashes_is_red_and_first(studio: Any, visit: Any, expect: Any) -> None:
    known = studio.join("/adder", "storm")
    now = datetime.now(UTC).isoformat()
    exit = {"reason": "signal", "message": "crashed with SIGSEGV in call_me", "at": now, "signal": "SIGSEGV"}
    healthy = [known | {"id": f"s_OK{number:06d}", "accepted_at": stamp(9000)} for number in range(40)]
    dead = [known | {"id": f"s_DEAD{number:04d}", "state": "exited", "exit": exit} for number in range(30)]
    told = {"type": "session.crashed", "reason": "signal", "sentence": exit["message"], "at": now}
    hello = {"epoch": "x", "version": "0", "now_ms": time.time() * 1000, "started_at": stamp(0)}
    happened = [event("happened", told | {"session": row["id"], "identity": "adder"}) for row in dead]
    rows = event("sessions", {"rows": healthy + dead})
    body = f"retry: 600000\n\n{event('hello', hello)}{rows}{''.join(happened)}"
    page = visit(studio, "/studio/settings")
    page.add_init_script("delete window.SharedWorker")
    page.route("**/studio/live", lambda route: route.fulfill(body=body, content_type="text/event-stream"))
    page.goto("/studio/sessions")
    note = page.locator(".toast.tone-bad")
    expect(note).to_have_count(1)
    expect(note).to_contain_text("30 sessions crashed: SIGSEGV.")
    expect(page.locator("tr.row").first).to_contain_text("crashed with SIGSEGV", ignore_case=True)
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("alert")).to_contain_text("30 sessions crashed within a minute: SIGSEGV.")


def test_what_is_shown_stays_while_the_server_is_away(tmp_path: Path, visit: Any, expect: Any) -> None:
    agents = str(Path(__file__).resolve().parents[2] / "agents" / "adder.py")
    visit.forgive("net::ERR_")
    with serving(tmp_path / "away", [agents], server__room=ROOM) as studio:
        adder = studio.ready("adder")
        page = visit(studio, "/studio/sessions")
        expect(row(page, adder["id"])).to_contain_text("ready")
        studio.stop()
        expect(page.get_by_text(re.compile("Reconnecting… last news .* ago"))).to_be_visible()
        expect(row(page, adder["id"])).to_contain_text("adder")
        studio.start()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        expect(page.get_by_text("Reconnecting…")).to_have_count(0)


def test_more_tabs_than_a_browser_has_connections_are_all_live(studio: Any, visit: Any, expect: Any) -> None:
    adder = studio.ready("adder")
    first = visit(studio, "/studio/sessions")
    tabs = [first] + [first.context.new_page() for _ in range(8)]
    for tab in tabs[1:]:
        tab.goto(f"{studio.url}/studio/sessions")
    for tab in tabs:
        expect(tab.get_by_text("Live", exact=True)).to_be_visible()
        expect(row(tab, adder["id"])).to_contain_text("ready")
    later = studio.join("/adder", "later")
    for tab in reversed(tabs):
        expect(row(tab, later["id"])).to_contain_text("ready")
    for tab in tabs[:-1]:  # also the one that came first
        tab.close()
    last = studio.join("/adder", "last")
    expect(row(tabs[-1], last["id"])).to_contain_text("ready")


def stamp(number: int) -> str:
    return f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z"


def event(kind: str, data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


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
