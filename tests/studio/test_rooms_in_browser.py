"""A room in the browser: chat, task, tool, two people, a hostile answer, a server that goes and comes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.studio.conftest import ROOM

pytestmark = pytest.mark.e2e


def chat(visit: Any, studio: Any, to: str = "chatbot", thread: str = "", **options: Any) -> Any:
    query = f"?to={to}" + (f"&thread={thread}" if thread else "")
    return visit(studio, f"/studio/rooms/{ROOM}{query}", **options)


def say(page: Any, text: str, to: str = "chatbot") -> None:
    box = page.get_by_role("textbox", name=f"Message {to}")
    box.fill(text)
    page.get_by_role("button", name="Send").click()


def test_a_new_user_chats_without_reading_anything(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio)
    page.get_by_role("link", name="Rooms").click()
    page.get_by_role("link", name=ROOM).first.click()
    expect(page.get_by_text("In the room", exact=True)).to_be_visible()
    expect(page.get_by_role("complementary", name="Participants")).to_contain_text("chatbot")
    page.goto(f"/studio/rooms/{ROOM}?to=chatbot")
    expect(page.get_by_text("How can I help you?")).to_be_visible()
    say(page, "hello")
    answer = page.get_by_role("article", name="chatbot said").last
    expect(answer).to_contain_text(re.compile(r"Fun fact: \S"))
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    # What was said is in the room, not in the page.
    page.reload()
    expect(page.get_by_text("hello", exact=True)).to_be_visible()
    expect(answer).to_contain_text(re.compile(r"Fun fact: \S"))


def test_how_an_answer_came_about_is_there_after_a_reload(studio: Any, visit: Any, expect: Any) -> None:
    page = chat(visit, studio, thread=".threads/chatbot/facts.thread")
    say(page, "what time is it in Oslo? my key is sk-live-0123456789abcdef")
    expect(page.get_by_role("article", name="chatbot said")).to_contain_text("Fun fact:")
    page.reload()
    page.get_by_text(re.compile("1 tool call · .* tokens")).click()
    steps = page.get_by_role("list", name="Steps")
    expect(steps.get_by_text("current_time")).to_be_visible()
    expect(steps.get_by_text("answer", exact=True)).to_be_visible()
    steps.get_by_text("What the model was asked, and said").last.click()
    expect(steps.get_by_text('"messages"')).to_be_visible()
    expect(steps.get_by_text("function_call_output")).to_be_visible()
    assert "sk-live-0123456789abcdef" not in steps.inner_text()
    page.get_by_role("tab", name="Log").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("time is it in Oslo")
    page.get_by_role("tab", name="Chat").click()
    # Cleared, it is forgotten.
    page.get_by_role("button", name="Clear", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Clear").click()
    expect(page.get_by_role("article")).to_have_count(0)
    page.get_by_role("tab", name="Log").click()
    page.reload()
    expect(page.get_by_role("tabpanel")).not_to_contain_text("time is it in Oslo")


def test_a_task_is_run_by_its_form(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, f"/studio/rooms/{ROOM}")
    page.get_by_role("tab", name="Tasks").click()
    expect(page.get_by_role("heading", name="Run task: Helper")).to_be_visible()
    page.get_by_role("combobox", name="task").select_option("reverse")
    page.get_by_role("textbox", name="text").fill("stressed")
    page.get_by_role("button", name="Run task").click()
    expect(page.get_by_text('"result": "desserts"')).to_be_visible()
    # What the schema cannot say is said by the agent.
    page.get_by_role("combobox", name="task").select_option("sum")
    page.get_by_role("button", name="Run task").click()
    expect(page.get_by_text("the task sum needs values")).to_be_visible()
    # Neither another tab nor another browser loses what came of it.
    page.get_by_role("tab", name="Files").click()
    page.get_by_role("tab", name="Tasks").click()
    expect(page.get_by_text("the task sum needs values")).to_be_visible()
    other = visit(studio, f"/studio/rooms/{ROOM}?tab=tasks&of=helper")
    runs = other.get_by_role("status", name="Runs")
    expect(runs.get_by_text("Failed")).to_have_count(1)
    runs.get_by_text("Result", exact=True).click()
    expect(runs.get_by_text('"result": "desserts"')).to_be_visible()
    runs.get_by_text("Arguments").nth(1).click()
    runs.get_by_role("button", name="Run again").click()
    expect(runs.get_by_text("Result", exact=True)).to_have_count(2)


def test_a_tool_is_called_by_its_form(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, f"/studio/rooms/{ROOM}?tab=tools&of=adder.add_days")
    expect(page.get_by_role("heading", name="Call tool: Add days to a date")).to_be_visible()
    start, days = page.get_by_label("start"), page.get_by_label("days")
    days.fill("10")
    page.get_by_role("button", name="Call tool").click()
    # The field says itself what is wrong with it, and nothing was called.
    expect(start).to_have_attribute("aria-invalid", "true")
    expect(days).not_to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("needs another look")).to_be_visible()
    start.fill("2026-12-24")
    page.get_by_role("button", name="Call tool").click()
    expect(page.get_by_text('"date": "2027-01-03"')).to_be_visible()


def test_two_people_in_a_thread_see_the_same(studio: Any, visit: Any, expect: Any) -> None:
    thread = ".threads/together.thread"
    ada, bob = (chat(visit, studio, thread=thread) for _ in range(2))
    for page, name in ((ada, "Ada"), (bob, "Bob")):
        page.evaluate("name => localStorage.setItem('studio.name', name)", name)
        page.reload()
        expect(page.get_by_text("In the room", exact=True)).to_be_visible()
    say(ada, "chatbot, what is 2 + 2?")
    for page in (ada, bob):
        expect(page.get_by_role("article", name="Ada said")).to_contain_text("what is 2 + 2?")
        expect(page.get_by_role("article", name="chatbot said")).to_contain_text("Fun fact:")
    say(bob, "chatbot, thank you")
    expect(ada.get_by_role("article", name="Bob said")).to_contain_text("thank you")
    expect(ada.get_by_role("article", name="chatbot said")).to_have_count(2)
    expect(ada.get_by_role("complementary", name="Participants")).to_contain_text("Bob")


def test_what_a_hostile_model_says_is_text(studio: Any, visit: Any, expect: Any) -> None:
    page = chat(visit, studio, "hostile")
    say(page, "<img src=x onerror=\"window.pwned = 'person'\"> hello", "hostile")
    answer = page.get_by_role("article", name="hostile said")
    expect(answer).to_contain_text("That was all.")
    # The fixture would have seen a dialog, a request, a complaint of the policy.  In the page is nothing:
    log = page.get_by_role("log")
    expect(log.locator("img, script, iframe, form, style, svg[onload], [onerror], [onload]")).to_have_count(0)
    for link in log.get_by_role("link").all():
        assert re.match(r"https?://|mailto:|/", link.get_attribute("href") or ""), link.get_attribute("href")
    assert page.evaluate("window.pwned") is None
    expect(log).to_contain_text("<img src=x onerror=")


def test_who_says_something_sees_it(studio: Any, visit: Any, expect: Any) -> None:
    page = chat(visit, studio, thread=".threads/chatbot/long.thread", viewport={"width": 900, "height": 500})
    say(page, "\n".join(f"line {number}" for number in range(60)))
    expect(page.get_by_role("article", name="chatbot said").last).to_contain_text("Fun fact:")
    page.get_by_role("log").evaluate("(log) => { log.scrollTop = 0; }")
    expect(page.get_by_text("line 0", exact=False).first).to_be_in_viewport()
    say(page, "the newest of all")
    expect(page.get_by_text("the newest of all", exact=True)).to_be_in_viewport()


def test_who_crashed_keeps_its_place_among_the_participants(studio: Any, visit: Any, expect: Any) -> None:
    fragile = studio.ready("fragile")
    page = visit(studio, f"/studio/rooms/{ROOM}")
    agents = page.get_by_role("complementary", name="Participants").locator(".agent .name")
    expect(agents.filter(has_text="fragile")).to_be_visible()
    expect(agents.filter(has_text="chatbot")).to_be_visible()
    before = agents.all_inner_texts()
    page.evaluate(
        """() => {
          const people = document.querySelector("#people");
          const names = () => [...people.querySelectorAll(".agent .name")].map((one) => one.innerText);
          window.orders = [];
          new MutationObserver(() => window.orders.push(names().join()))
            .observe(people, { childList: true, subtree: true });
        }"""
    )
    studio.crash(fragile)
    item = page.locator(".agent").filter(has_text="fragile")
    expect(item).not_to_contain_text(f"pid {fragile['pid']}")
    expect(item).to_contain_text("pid ")
    expect(item).to_contain_text("ready")
    assert set(page.evaluate("window.orders")) == {",".join(before)}


def test_a_chat_outlives_the_server(studio: Any, visit: Any, expect: Any) -> None:
    page = chat(visit, studio, thread=".threads/kettle.thread")
    say(page, "remember the blue kettle")
    expect(page.get_by_role("article", name="chatbot said").last).to_contain_text("Fun fact:")
    visit.forgive("ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|WebSocket|ERR_SOCKET|status of 50")
    studio.stop()
    expect(page.get_by_text("Reconnecting…").first).to_be_visible()
    expect(page.get_by_text("remember the blue kettle").first).to_be_visible()
    # What is written while nobody is there is asked once the agent is.
    page.get_by_role("textbox", name="Message chatbot").fill("and now?")
    page.get_by_role("textbox", name="Message chatbot").press("Enter")
    expect(page.get_by_text("It is sent as soon as you are in the room.")).to_be_visible()
    studio.start()
    studio.ready("chatbot")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    expect(page.get_by_text("In the room", exact=True)).to_be_visible()
    expect(page.get_by_text("remember the blue kettle").first).to_be_visible()
    expect(page.get_by_text("and now?", exact=True)).to_be_visible()
    expect(page.get_by_role("article", name="chatbot said").last).to_contain_text("“and now?”")
    page.reload()
    expect(page.locator(".turn-facts").last).to_contain_text("tokens")


def test_on_a_phone_the_chosen_tab_is_in_sight(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, f"/studio/rooms/{ROOM}?tab=log", viewport={"width": 360, "height": 720})
    expect(page.get_by_role("tab", name="Log")).to_be_in_viewport(ratio=0.9)
    page.get_by_role("tab", name="Log").press("ArrowRight")
    expect(page.get_by_role("tab", name="Chat")).to_be_in_viewport(ratio=0.9)
