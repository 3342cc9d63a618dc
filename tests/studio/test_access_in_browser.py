"""Who is let in: on this machine everybody, from elsewhere whoever has a link of the terminal, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.studio.conftest import ROOM, ROOT, serving

pytestmark = pytest.mark.e2e

# What a proxy forwarded comes from elsewhere, wherever the proxy runs.
ELSEWHERE = {"X-Forwarded-For": "203.0.113.7"}
KNOBS: dict[str, Any] = {"server__host": "0.0.0.0", "server__room": ROOM, "server__chaos": False}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server that others can reach."""
    folder = tmp_path_factory.mktemp("studio")
    with serving(folder, [str(ROOT / "agents" / "chat.py")], **KNOBS) as server:
        server.ready("chatbot")
        yield server


def test_from_elsewhere_it_takes_a_link_of_the_terminal(studio: Any, visit: Any, expect: Any) -> None:
    visit.forgive("status of (401|403)")
    page = visit(studio, f"/studio/rooms/{ROOM}", extra_http_headers=ELSEWHERE)
    expect(page.get_by_text("This server asks for a link from its terminal")).to_be_visible()
    expect(page.get_by_text("bulkhead studio", exact=True)).to_be_visible()
    expect(page.get_by_text("Not let in", exact=True)).to_be_visible()
    assert "chatbot" not in page.content()

    link = urlsplit(studio.ask("POST", "/studio/links", {"room": ROOM})["url"])
    assert link.path == f"/studio/rooms/{ROOM}"
    page.goto(f"{link.path}?{link.query}")
    expect(page.get_by_text("In the room")).to_be_visible()
    assert "?" not in page.url, "the code stays in the history"
    page.get_by_role("textbox", name="Message chatbot").fill("hello")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("article", name="chatbot said")).to_contain_text(re.compile("Fun fact: "))
    page.goto("/studio/services")
    expect(page.get_by_text("as chatbot")).to_be_visible()

    # The link was good once, and for one browser.
    other = visit(studio, f"{link.path}?{link.query}", extra_http_headers=ELSEWHERE)
    expect(other.get_by_text("bulkhead studio", exact=True)).to_be_visible()
    other.goto("/studio/")
    expect(other.get_by_text("This server asks for a link from its terminal")).to_be_visible()

    # Who leaves is not let in again, not by going back either.
    page.get_by_role("button", name="Leave", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Leave", exact=True).click()
    expect(page.get_by_text("This server asks for a link from its terminal")).to_be_visible()
    page.goto("/studio/services")
    expect(page.get_by_text("This server asks for a link from its terminal")).to_be_visible()


def test_on_this_machine_no_link_is_needed(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, "/studio/services")
    expect(page.get_by_text("as chatbot")).to_be_visible()
    expect(page.get_by_role("button", name="Leave", exact=True)).to_have_count(0)


def test_nobody_crashes_an_agent_where_the_server_does_not_allow_it(
    studio: Any, visit: Any, expect: Any
) -> None:
    page = visit(studio)
    session = studio.ready("chatbot")["id"]
    with page.expect_response("**/studio/me"):
        page.goto(f"/studio/sessions/{session}")
    expect(page.get_by_role("button", name="Kill")).to_be_visible()
    expect(page.get_by_role("button", name="Crash it…")).to_have_count(0)
