"""What becomes of a turn in the browser: stopped, lost in a crash and asked again; files along with it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.studio.conftest import HERE, ROOM, Studio, serving

pytestmark = pytest.mark.e2e

BEGINNING = "Once upon a time"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A server with a chatbot that never ends an answer, back at once after a crash."""
    folder = tmp_path_factory.mktemp("turns")
    with serving(
        folder, [str(HERE / "chatters")], server__room=ROOM, supervisor__restart_first_s=0
    ) as server:
        server.ready("halting")
        yield server


def chat(visit: Any, studio: Studio, thread: str, **options: Any) -> Any:
    path = f".threads/halting/{thread}.thread"
    return visit(studio, f"/studio/rooms/{ROOM}?to=halting&thread={path}", **options)


def say(page: Any, text: str) -> None:
    box = page.get_by_role("textbox", name="Message halting")
    box.fill(text)
    box.press("Enter")


def test_escape_stops_an_answer(studio: Studio, visit: Any, expect: Any) -> None:
    page = chat(visit, studio, "stopped")
    expect(page.get_by_role("heading", name="<b>Which</b> story?")).to_be_visible()
    say(page, "any")
    expect(page.get_by_text(BEGINNING)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("You stopped the answer")).to_be_visible()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("dialog").get_by_role("button", name="Clear").click()
    expect(page.get_by_text(BEGINNING)).to_have_count(0)


def test_stop_ends_the_answer_that_comes_and_not_the_one_that_waits(
    studio: Studio, visit: Any, expect: Any
) -> None:
    page = chat(visit, studio, "two")
    say(page, "first")
    expect(page.get_by_text(BEGINNING)).to_have_count(1)
    say(page, "second")
    expect(page.get_by_text("Its turn comes when the answer above is over.")).to_be_visible()
    expect(page.locator(".caret")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_text(BEGINNING)).to_have_count(2)
    log = page.get_by_role("log").inner_text()
    first, stopped, second = (log.index(text) for text in ("first", "You stopped the answer", "second"))
    assert first < stopped < log.rindex(BEGINNING), log
    assert second < log.rindex(BEGINNING)
    expect(page.get_by_text("You stopped the answer")).to_have_count(1)


def test_an_answer_that_was_cut_off_says_so_for_whoever_opens_the_thread(
    studio: Studio, visit: Any, expect: Any
) -> None:
    page = chat(visit, studio, "cut")
    say(page, "a long one")
    expect(page.get_by_text(BEGINNING)).to_be_visible()
    was = studio.ready("halting")["id"]
    studio.ask("DELETE", f"/workers/{was}")
    expect(page.get_by_text("halting was stopped in the middle of the answer.")).to_be_visible()
    # Said while nobody is there, it is heard once the agent is.
    say(page, "and now?")
    expect(page.get_by_text("halting hears this as soon as it is in the room.")).to_be_visible()
    studio.join("/halting", ROOM)
    expect(page.get_by_text(BEGINNING)).to_have_count(2)
    page.reload()
    expect(page.get_by_text("halting left in the middle of this answer.")).to_have_count(1)
    page.keyboard.press("Escape")


def test_a_crash_in_mid_answer_is_told_in_place(studio: Studio, visit: Any, expect: Any) -> None:
    page = chat(visit, studio, "crashed")
    say(page, "a sad one")
    expect(page.get_by_text(BEGINNING)).to_be_visible()
    studio.crash(studio.ready("halting"), signal.SIGSEGV)
    expect(page.get_by_text("halting crashed in the middle of the answer")).to_be_visible()
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_text(BEGINNING)).to_have_count(2)
    studio.crash(studio.ready("halting"), signal.SIGSEGV)
    page.get_by_role("link", name="Read the crash report").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("SIGSEGV")


def test_a_file_goes_along_with_a_message(studio: Studio, visit: Any, expect: Any, tmp_path: Path) -> None:
    file = tmp_path / "recipe é.txt"
    file.write_text("flour")
    page = visit(studio)
    held: list[Any] = []
    page.route("**/token", lambda route: held.append(route))
    page.goto(f"/studio/rooms/{ROOM}?to=halting&thread=.threads/halting/files.thread")
    # Attached before we are in the room, it waits for that.
    page.locator(".composer input[type=file]").set_input_files(file)
    expect(page.get_by_role("list", name="Files to send")).to_contain_text("waits")
    held[0].continue_()
    expect(page.get_by_role("list", name="Files to send")).to_contain_text("5 B")
    say(page, "about this")
    expect(page.get_by_text(BEGINNING)).to_be_visible()
    other = visit(studio, page.url)
    other.get_by_role("button", name=file.name).click()
    expect(other.get_by_role("dialog").get_by_text("flour")).to_be_visible()
    with other.expect_download() as download:
        other.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_text() == "flour"
    page.get_by_role("tab", name="Files").click()
    page.get_by_role("button", name="attachments/").click()
    page.get_by_role("button", name=f"Delete {file.name}").click()
    page.get_by_role("button", name="Delete the file").click()
    expect(page.get_by_text("This folder is empty")).to_be_visible()


def test_participants_are_a_drawer_on_a_phone(studio: Studio, visit: Any, expect: Any) -> None:
    page = chat(visit, studio, "phone", viewport={"width": 360, "height": 720})
    people = page.get_by_role("complementary", name="Participants")
    expect(page.get_by_role("textbox", name="Message halting")).to_be_visible()
    expect(people).to_be_hidden()
    page.get_by_role("button", name="participant").click()
    expect(people).to_contain_text("halting")
    expect(people).to_be_focused()
    page.keyboard.press("Escape")
    expect(people).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
