"""Threads with titles, drafts, the way back, and rooms that nobody has open."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.studio.conftest import ROOM, ROOT, Studio, serving

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A server with one chatbot."""
    folder = tmp_path_factory.mktemp("threads")
    with serving(folder, [str(ROOT / "agents" / "chat.py")], server__room=ROOM) as server:
        server.ready("chatbot")
        yield server


DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/MediaBox[0 0 300 200]/Parent 2 0 R>>endobj
trailer<</Root 1 0 R>>
"""


def say(page: Any, text: str) -> None:
    box = page.get_by_role("textbox", name="Message chatbot")
    box.fill(text)
    box.press("Enter")


def test_threads_are_called_by_their_first_words_renamed_searched_and_deleted(
    studio: Studio, visit: Any, expect: Any
) -> None:
    studio.join("/chat", "titles")
    page = visit(studio, "/studio/rooms/titles?to=chatbot")
    title = page.get_by_title("Threads", exact=True)
    expect(title).to_have_text("My chat")
    for said in ("What time is it in Oslo?", "Convert five miles"):
        page.get_by_role("button", name="New thread").click()
        say(page, said)
        expect(page.get_by_role("article", name="chatbot said")).to_contain_text("Fun fact:")
        expect(title).to_have_text(said)
    title.click()
    page.get_by_role("button", name="Rename Convert five miles").click()
    page.get_by_role("textbox", name="Title").fill("Miles")
    page.keyboard.press("Enter")
    names = page.get_by_role("list", name="Threads").locator(".thread-name")
    expect(names.filter(has_text="Miles")).to_have_count(1)
    # The newest come first, and which of two was written last is not known to the second.
    assert sorted(names.all_inner_texts()) == ["Miles", "My chat", "What time is it in Oslo?"]
    # So it is called for everybody.
    other = visit(studio, page.url)
    expect(other.get_by_title("Threads", exact=True)).to_have_text("Miles")
    # By what was said as well as by their names.
    page.get_by_role("searchbox", name="Search threads").fill("convert five")
    expect(names).to_have_text(["Miles"])
    expect(page.get_by_role("list", name="Threads")).to_contain_text("Convert five miles")
    page.get_by_role("searchbox", name="Search threads").fill("oslo")
    expect(names).to_have_text(["What time is it in Oslo?"])
    page.get_by_role("button", name="Delete What time is it in Oslo?").click()
    page.get_by_role("button", name="Delete the thread").click()
    page.get_by_role("searchbox", name="Search threads").fill("")
    expect(names).to_have_text(["My chat", "Miles"])
    page.reload()
    title.click()
    expect(names).to_have_text(["My chat", "Miles"])


def test_back_goes_back_through_tabs_and_threads_and_a_draft_stays(
    studio: Studio, visit: Any, expect: Any
) -> None:
    page = visit(studio, "/studio/rooms")
    page.get_by_role("link", name=ROOM, exact=True).click()
    box = page.get_by_role("textbox", name="Message chatbot")
    box.fill("half a thought")
    page.get_by_role("tab", name="Files").click()
    page.get_by_role("tab", name="Tools").click()
    page.go_back()
    expect(page.get_by_role("tab", name="Files")).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(box).to_have_value("half a thought")
    page.get_by_role("button", name="New thread").click()
    expect(box).to_have_value("")
    page.go_back()
    expect(box).to_have_value("half a thought")
    page.reload()
    expect(box).to_have_value("half a thought")
    page.go_back()
    expect(page.get_by_role("heading", name="Rooms", level=1)).to_be_visible()


def test_rooms_that_nobody_has_open_are_listed_opened_and_deleted(
    studio: Studio, visit: Any, expect: Any
) -> None:
    page = visit(studio)
    for name in ("attic", "cellar"):
        page.goto(f"/studio/rooms/{name}?tab=files")
        page.locator(".files input[type=file]").set_input_files(
            {"name": "note.txt", "mimeType": "text/plain", "buffer": b"x" * 2048}
        )
        expect(page.get_by_role("button", name="Download note.txt")).to_be_visible()
    page.goto("/studio/")
    studio.stop()
    visit.forgive("ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|WebSocket|ERR_SOCKET|status of 50")
    studio.start()
    page.goto("/studio/rooms")
    closed = page.get_by_role("region", name="Not open")
    attic = closed.get_by_role("listitem").filter(has_text="attic")
    expect(attic).to_contain_text(re.compile(r"[\d.]+ KiB · used"))
    closed.get_by_role("button", name="Delete cellar").click()
    page.get_by_role("button", name="Delete the room").click()
    expect(closed.get_by_text("cellar")).to_have_count(0)
    closed.get_by_role("link", name="attic").click()
    page.get_by_role("tab", name="Files").click()
    expect(page.get_by_role("button", name="Download note.txt")).to_be_visible()


def test_a_message_is_changed_in_a_thread_of_its_own(studio: Studio, visit: Any, expect: Any) -> None:
    page = visit(studio, f"/studio/rooms/{ROOM}?to=chatbot&thread=.threads/chatbot/changed.thread")
    said = page.get_by_role("article")
    for number, text in enumerate(("Convert one mile", "Convert two miles")):
        say(page, text)
        expect(said).to_have_count(2 * number + 2)
        expect(said.last).to_contain_text("Fun fact:")
    said.nth(2).get_by_role("button", name="Change this message").click()
    box = page.get_by_role("textbox", name="Message chatbot")
    expect(box).to_have_value("Convert two miles")
    expect(said).to_have_count(2)
    say(page, "Convert three miles")
    expect(said).to_have_count(4)
    expect(said.nth(2)).to_contain_text("three")
    page.go_back()
    expect(said.nth(2)).to_contain_text("two")


def test_files_are_put_into_folders_moved_and_looked_at(studio: Studio, visit: Any, expect: Any) -> None:
    visit.forgive("request to chrome(-extension)?://")  # the browser's own viewer
    page = visit(studio, "/studio/rooms/archive?tab=files")
    page.get_by_role("button", name="New folder…").click()
    page.get_by_role("textbox", name="Name").fill("papers/2026")
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation", name="Folder")).to_contain_text("2026")
    paper = {"name": "paper.pdf", "mimeType": "application/pdf", "buffer": PDF}
    page.locator(".files input[type=file]").set_input_files(paper)
    page.get_by_role("button", name="paper.pdf", exact=True).click()
    viewer = page.frame_locator("iframe[title='paper.pdf']").locator("embed, body")
    expect(viewer.first).to_be_attached()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Move paper.pdf").click()
    page.get_by_role("textbox", name="New path").fill("papers/first.pdf")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This folder is empty")).to_be_visible()
    page.get_by_role("button", name="papers", exact=True).click()
    expect(page.get_by_role("button", name="first.pdf", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("navigation", name="Folder")).to_contain_text("2026")


def test_an_empty_chat_offers_what_to_begin_with(studio: Studio, visit: Any, expect: Any) -> None:
    page = visit(studio, f"/studio/rooms/{ROOM}?to=chatbot&thread=.threads/chatbot/starters.thread")
    page.get_by_role("list", name="To begin with").get_by_role("button", name="What can you do?").click()
    expect(page.get_by_role("article", name="chatbot said")).to_contain_text("Fun fact:")
    expect(page.get_by_role("list", name="To begin with")).to_have_count(0)


def test_an_attached_image_is_shown_in_place(studio: Studio, visit: Any, expect: Any) -> None:
    page = visit(studio, f"/studio/rooms/{ROOM}?to=chatbot&thread=.threads/chatbot/image.thread")
    image = {"name": "dot.png", "mimeType": "image/png", "buffer": DOT}
    page.locator(".composer input[type=file]").set_input_files(image)
    say(page, "look at this")
    shown = page.get_by_role("img", name="dot.png")
    expect(shown).to_be_visible()
    assert shown.evaluate("(image) => image.naturalWidth") == 1
    page.get_by_role("button", name="Look at dot.png").click()
    expect(page.get_by_role("dialog").get_by_role("img", name="dot.png")).to_be_visible()
