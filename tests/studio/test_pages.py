"""Every page: it opens by its address, fits a telephone, is walked by keys, and complains of nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.studio.conftest import HERE, ROOM, ROOT, serving

pytestmark = pytest.mark.e2e

KEY = "hunter2-0123456789"
BROKEN = "import asyncio\n\nservice = ServiceHost(\n"
PAGES = {
    "/studio/": "Overview",
    "/studio/?span=24h": "Overview",
    "/studio/rooms": "Rooms",
    f"/studio/rooms/{ROOM}": ROOM,
    "/studio/sessions": "Sessions",
    "/studio/crashes": "Crashes",
    "/studio/services": "Services",
    "/studio/services?tab=usage": "Services",
    "/studio/services?tab=manifest": "Services",
    "/studio/services?tab=deployed": "Services",
    "/studio/services/new": "New service",
    "/studio/settings": "Settings",
    "/studio/settings?tab=secrets": "Settings",
    "/studio/settings?tab=keys": "Settings",
    "/studio/settings?tab=webhooks": "Settings",
    "/studio/nowhere": "Not found",
}
VIOLATIONS = """(options) => axe.run(document, { resultTypes: ["violations"], ...options }).then(
    ({ violations }) => violations.map(({ id, nodes }) =>
        [id, nodes.slice(0, 3).map((node) => `${node.target} ${node.failureSummary}`).join("; ")]))"""
IS_WIDE = """() => [document.scrollingElement, ...document.querySelectorAll("main, .room-tab")]
    .some((one) => one.scrollWidth > one.clientWidth)"""
PARTS_OF_A_ROOM = ("tasks", "tools", "files", "tables", "queues", "services", "log")
PARTS_OF_A_SERVICE = ("state", "log", "revisions", "manifest")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The examples, and one program that does not load."""
    broken = tmp_path_factory.mktemp("broken") / "broken.py"
    broken.write_text(BROKEN)
    sources = [str(ROOT / "agents"), str(HERE / "agents"), str(broken)]
    folder = tmp_path_factory.mktemp("studio")
    with serving(folder, sources, server__room=ROOM, server__room_secret=KEY) as server:
        server.until(server.is_loaded)
        server.ready("chatbot")
        yield server


def test_keys_alone_lead_everywhere(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio)
    heading, keys = page.get_by_role("heading", level=1), page.keyboard
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    for letter, title in {
        "r": "Rooms",
        "s": "Sessions",
        "c": "Crashes",
        "t": "Settings",
        "v": "Services",
    }.items():
        keys.press("g")
        keys.press(letter)
        expect(heading).to_have_text(title)
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Go to Crashes")
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    search = page.get_by_role("searchbox", name="Filter services")
    expect(search).to_be_visible()  # it comes with the services, a moment after the heading
    keys.press("/")
    expect(search).to_be_focused()
    keys.type("adder")
    expect(page.get_by_text("as adder")).to_be_visible()
    expect(page.get_by_text("as chatbot")).to_have_count(0)
    page.get_by_role("button", name="Call into a room…").focus()
    keys.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Room")).to_be_focused()
    keys.press("Escape")
    expect(page.get_by_role("button", name="Call into a room…")).to_be_focused()


def test_what_happened_hours_ago_is_a_curve(studio: Any, visit: Any, expect: Any) -> None:
    studio.crash(studio.join("/fragile", "past"))
    studio.until(lambda: studio.ask("GET", "/metrics/history?hours=1")["crashes"])
    page = visit(studio, "/studio/?span=1h")
    expect(page.get_by_role("figure", name="Crashes per minute")).to_contain_text("agent error")
    expect(page.get_by_role("figure", name="Time to start a session")).to_contain_text("p95")
    page.get_by_role("button", name="7 d").click()
    expect(page.get_by_role("figure", name="Crashes per hour")).to_contain_text("agent error")
    expect(page).to_have_url(re.compile(r"span=7d$"))
    page.get_by_role("button", name="10 min").click()
    expect(page.get_by_role("figure", name="Memory by endpoint")).to_be_visible()


def test_an_agent_is_called_into_a_room_from_its_service(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, "/studio/services?q=/helper")
    page.get_by_role("button", name="Call into a room…").click()
    asked = page.get_by_role("dialog")
    room = asked.get_by_label("Room")
    expect(room).to_have_value(ROOM)
    visit.forgive("status of 400")
    room.fill("no such/room?")
    asked.get_by_role("button", name="Call", exact=True).click()
    expect(asked.get_by_role("alert")).to_be_visible()
    room.fill("workshop")
    asked.get_by_role("button", name="Call", exact=True).click()
    expect(page.get_by_text("helper is called into workshop.")).to_be_visible()
    assert studio.ready("helper", "workshop")


def test_a_program_that_does_not_load_says_why(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, "/studio/services")
    broken = page.get_by_role("alert").filter(has_text="broken.py")
    expect(broken).to_contain_text("SyntaxError")
    expect(broken).to_contain_text("service = ServiceHost(")
    page.get_by_role("tab", name="Manifest").click()
    expect(page.get_by_text("kind: Service")).to_be_visible()
    page.get_by_role("tab", name="Usage").click()
    expect(page.get_by_role("row").filter(has_text="/chat")).to_contain_text(re.compile(r"MiB"))


def test_settings_say_where_they_come_from_and_no_secret(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, "/studio/settings")
    token = page.get_by_role("listitem").filter(has_text="BULKHEAD_ROOM_SECRET")
    expect(token).to_contain_text("•••")
    expect(token).to_contain_text("flag")
    room = page.get_by_role("listitem").filter(has_text="room to call every endpoint into")
    expect(room).to_contain_text(ROOM)
    page.get_by_label("only changed").check()
    expect(page.get_by_role("listitem").filter(has_text="supervisor.start_s")).to_have_count(0)
    page.get_by_label("only changed").uncheck()
    page.get_by_role("searchbox").fill("heartbeat")
    expect(page.get_by_text("BULKHEAD_SUPERVISOR_HEARTBEAT_S")).to_be_visible()
    expect(token).to_have_count(0)
    assert KEY not in page.content()
    assert KEY not in str(studio.ask("GET", "/settings"))


def test_every_page_opens_fits_a_telephone_and_breaks_no_rule_of_accessibility(
    studio: Any, visit: Any, expect: Any
) -> None:
    fragile = studio.join("/fragile", "heard")
    studio.crash(fragile)
    session = f"/studio/sessions/{fragile['id']}"
    crash = studio.until(lambda: studio.ask("GET", "/crashes")["crashes"])[0]
    project = studio.ask("GET", "/accounts/projects")["projects"][0]["id"]
    manifest = {"version": "v1", "kind": "Service", "metadata": {"name": "kept"}}
    kept = studio.ask(
        "POST",
        f"/accounts/projects/{project}/rooms/{ROOM}/services",
        manifest | {"container": {"image": "nobody-has-this:1"}},
    )
    pages = PAGES | {f"/studio/rooms/{ROOM}?tab={part}": ROOM for part in PARTS_OF_A_ROOM}
    pages |= {f"/studio/services/{kept['id']}?tab={part}": "kept" for part in PARTS_OF_A_SERVICE}
    pages |= {session: "fragile", f"{session}/crash": "", f"/studio/crashes/{crash['fingerprint']}": ""}
    page = visit(studio, color_scheme="light")
    broken = []
    for path, title in pages.items():
        page.set_viewport_size({"width": 360, "height": 700})
        page.goto(path)
        heading = page.get_by_role("heading", level=1)
        expect(heading).not_to_have_text("Loading")
        expect(heading).to_contain_text(title)
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        expect(page.get_by_role("status", name="Loading")).to_have_count(0)
        if page.evaluate(IS_WIDE):
            broken.append(f"{path} is wider than a telephone")
        page.set_viewport_size({"width": 1280, "height": 720})
        page.evaluate(Axe().axe_script)
        found = page.evaluate(VIOLATIONS, {})
        page.emulate_media(color_scheme="dark")
        found += page.evaluate(VIOLATIONS, {"runOnly": ["color-contrast"]})
        page.emulate_media(color_scheme="light")
        broken += [f"{path}: {rule}: {where}" for rule, where in found]
    assert not broken, "\n".join(broken)
