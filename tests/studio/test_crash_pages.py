"""A crash as the browser tells it: at once, in a sentence, with the line, what to do, and what came after."""

from __future__ import annotations

import json
import re
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

SENTENCE = "A background task raised: ZeroDivisionError: float division by zero"
MARKED = "return total / len(among)"
KIND = "ZeroDivisionError"
SECRET = "sk-live-0123456789abcdef"


def test_a_crash_shows_by_itself_and_its_report_is_a_click_away(studio: Any, visit: Any, expect: Any) -> None:
    fragile = studio.join("/fragile", "tables")
    others = {worker["pid"] for worker in studio.ask("GET", "/workers")["workers"]} - {fragile["pid"]}
    known = [one["count"] for one in studio.ask("GET", "/crashes")["crashes"] if one["kind"] == KIND]
    page = visit(studio, "/studio/crashes")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    studio.crash(fragile)

    row = page.get_by_role("row").filter(has_text=SENTENCE)
    expect(row.get_by_role("cell", name=str(sum(known) + 1), exact=True)).to_be_visible()
    expect(row).to_contain_text("fragile.py:")
    expect(row).to_contain_text("/fragile")
    row.get_by_role("link").click()

    expect(page.get_by_role("heading", name=SENTENCE)).to_be_visible()
    expect(page.get_by_text("Check for zero before dividing.")).to_be_visible()
    marked = page.locator(".source-line[aria-current]")
    expect(marked).to_contain_text(MARKED)
    program = Path(__file__).parent / "agents" / "fragile.py"
    number = 1 + next(at for at, line in enumerate(program.read_text().splitlines()) if MARKED in line)
    expect(marked).to_contain_text(str(number))
    # The innermost call is open, and its variables are there; what is secret is not.
    expect(page.get_by_role("definition").filter(has_text="120.0")).to_be_visible()
    assert SECRET not in page.content()
    expect(page.get_by_role("log")).to_contain_text("dividing the bill")
    # It came back in a process of its own, and nobody else went with it.
    expect(page.get_by_text("It was started again: attempt 2 is ready")).to_be_visible()
    expect(page.get_by_text("ran beside it and went on untouched")).to_be_visible()
    after = {worker["pid"] for worker in studio.ask("GET", "/workers")["workers"]}
    assert others <= after
    assert fragile["pid"] not in after

    # Its address is good for others, and the session's own leads to the same report.
    page.reload()
    expect(page.get_by_role("heading", name=SENTENCE)).to_be_visible()
    page.goto(f"/studio/sessions/{fragile['id']}/crash")
    expect(page.locator(".source-line[aria-current]")).to_contain_text(MARKED)


def test_a_report_can_be_taken_along(studio: Any, visit: Any, expect: Any) -> None:
    sid = crashed(studio, studio.join("/fragile", "bar"))
    page = visit(studio, f"/studio/sessions/{sid}/crash", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy as issue").click()
    expect(page.get_by_text("Copied").first).to_be_visible()
    issue = page.evaluate("navigator.clipboard.readText()")
    assert issue.startswith(f"## {SENTENCE}\n\n**What to do:** Check for zero before dividing.")
    assert re.search(rf"^→ +\d+ +{re.escape(MARKED)}$".replace(r"\ ", " "), issue, re.M), issue
    assert f"`{sid}`" in issue
    assert "dividing the bill" in issue
    assert SECRET not in issue

    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    report = json.loads(Path(download.value.path()).read_text())
    assert (report["session"], report["sentence"]) == (sid, SENTENCE)
    with page.expect_download() as download:
        page.get_by_role("link", name="Bundle").click()
    assert download.value.suggested_filename == f"crash-{sid}.tar.gz"
    with tarfile.open(download.value.path()) as bundle:
        assert f"crash-{sid}/report.txt" in bundle.getnames()


def test_a_native_crash_shows_its_stack(studio: Any, visit: Any, expect: Any) -> None:
    sid = crashed(studio, studio.join("/helper", "native"), signal.SIGSEGV)
    page = visit(studio, f"/studio/sessions/{sid}/crash")
    expect(page.get_by_role("heading", name="SIGSEGV")).to_be_visible()
    expect(page.get_by_text("Fatal Python error: Segmentation fault")).to_be_visible()


def test_an_agent_is_crashed_on_purpose(studio: Any, visit: Any, expect: Any) -> None:
    victim = studio.join("/adder", "stage")
    page = visit(studio, f"/studio/sessions/{victim['id']}")
    page.get_by_role("button", name="Crash it…").click()
    asked = page.get_by_role("dialog", name="Crash adder on purpose")
    asked.get_by_role("radio", name="Segmentation fault").check()
    asked.get_by_role("button", name="Crash it").click()
    page.get_by_role("link", name=re.compile("report")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Segmentation fault")
    expect(page.get_by_text("It was started again")).to_be_visible()


def test_a_session_without_a_report_says_why(studio: Any, visit: Any, expect: Any) -> None:
    visits = visit
    visits.forgive("status of (404|409)")
    page = visits(studio, f"/studio/sessions/{studio.ready('adder')['id']}/crash")
    expect(page.get_by_role("alert")).to_contain_text("is ready")
    page.goto("/studio/crashes/0123456789ab")
    expect(page.get_by_role("alert")).to_contain_text("no kind of crash has")


def test_an_input_that_kills_is_shown_and_can_be_released(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, "/studio/crashes")
    crashed(studio, studio.join("/fragile", "kitchen", order="omelette"))
    parked = page.get_by_role("listitem").filter(has_text="kitchen")
    expect(parked).to_contain_text("killed 1 session")
    parked.get_by_role("button", name="Release…").click()
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("start sessions again")
    asked.get_by_role("button", name="Release").click()
    expect(parked).to_have_count(0)
    assert studio.ask("GET", "/quarantine")["inputs"] == []


def crashed(studio: Any, worker: dict[str, Any], number: int = signal.SIGUSR2) -> str:
    """Make it crash; its session, once there is a report of it."""
    studio.crash(worker, number)
    sid: str = worker["id"]
    studio.until(lambda: any(one["session_id"] == sid for one in studio.ask("GET", "/crashes")["crashes"]))
    return sid


def test_a_crash_is_seen_again_at_a_press(studio: Any, visit: Any, expect: Any) -> None:
    call = {"event": "room.call", "data": {"room_name": "again", "arguments": {"at_once": True}}}
    session = studio.ask("POST", "/fragile", call)["session"]
    studio.until(lambda: studio.ask("GET", f"/workers/{session}")["exit"])
    page = visit(studio, f"/studio/sessions/{session}")
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_text(re.compile("^Then: "))).to_contain_text("division by zero")
    said = page.get_by_label("What it says")
    expect(said).to_contain_text("dividing the bill")
    expect(said).to_contain_text(KIND)
    expect(page.get_by_role("status").filter(has_text="It failed again")).to_be_visible()
    assert SECRET not in page.content()
    page.goto(f"/studio/sessions/{session}/crash")
    page.get_by_role("button", name="Replay here").click()
    expect(page.get_by_text("Running, for 20 s at most", exact=True)).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    assert studio.ask("GET", f"/workers/{session}")["exit"]  # the session itself was left alone
    for parked in studio.ask("GET", "/quarantine")["inputs"]:
        studio.ask("DELETE", f"/quarantine/{parked['hash']}")
