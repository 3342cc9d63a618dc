"""Everything that is kept for deployment, done in the Studio alone: secrets, keys, webhooks, services.

Images are processes here: a program of few words stands in for the image ``greeter``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.front.operator.room.test_services import PROGRAM
from tests.studio.conftest import ROOT, serving

pytestmark = pytest.mark.e2e

SECRET = "correct-horse-battery-staple"
ACCOUNTS = "/accounts/projects"
PRESSED = """(button) => new Promise((done) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => done(document.activeElement.id);
  button.click();
  port2.postMessage(0);
})"""
"""Presses a button; the id of what has the focus when the browser comes to its next task."""
TEMPLATE = """\
version: v1
kind: ServiceTemplate
metadata: {name: asker}
variables:
  - {name: tone, title: Tone, enum: [brief, friendly]}
  - {name: owner, title: Owner, type: email}
  - {name: search_key, title: Search key, obscure: true, optional: true}
ports:
  - num: "*"
    endpoints: [{path: /asker, meshagent: {identity: asker}}]
container:
  image: greeter:1
  environment:
    - {name: TONE, value: "{tone}"}
    - {name: OWNER, value: "{owner}"}
    - {name: SEARCH_KEY, value: "{search_key}"}
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with an image ``greeter``."""
    image = tmp_path_factory.mktemp("greeter")
    (image / "main.py").write_text('print("greeter begins", flush=True)\n' + PROGRAM)
    folder = tmp_path_factory.mktemp("studio")
    with serving(
        folder, [str(ROOT / "agents" / "adder.py")], containers__images=f"greeter:*={image}"
    ) as server:
        yield server


def kept(studio: Any, what: str) -> Any:
    """A list of the accounts API."""
    project = studio.ask("GET", ACCOUNTS)["projects"][0]["id"]
    return studio.ask("GET", f"{ACCOUNTS}/{project}/{what}")


class Receiver(ThreadingHTTPServer):
    """Takes webhooks, and answers what it is told to."""

    status = 500

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server
        server.shutdown()


def test_what_is_secret_is_set_and_shown_once_at_most(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, "/studio/settings?tab=secrets")
    # What is typed next goes into the dialog, however busy the machine is: the field has the focus at once.
    assert page.get_by_role("button", name="New secret").first.evaluate(PRESSED) == "secret-name"
    page.keyboard.type("search")
    page.get_by_label("Name of variable 1").fill("SEARCH_KEY")
    page.get_by_label("Value of variable 1").fill(SECRET)
    page.keyboard.press("Enter")
    row = page.get_by_role("listitem").filter(has=page.get_by_text("search", exact=True))
    expect(row).to_contain_text("version 1")
    row.get_by_role("button", name="New value").click()
    page.get_by_label("Value of variable 1").fill(SECRET + "2")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(row).to_contain_text("version 2")
    assert SECRET not in page.content()
    [secret] = [one for one in kept(studio, "secrets")["secrets"] if one["name"] == "search"]
    assert secret["data"] == {"SEARCH_KEY": ""}

    page.get_by_role("tab", name="API keys").click()
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name", exact=True).fill("ci")
    page.get_by_role("button", name="Make it").click()
    value = page.get_by_label("The API key ci").input_value()
    assert value.startswith("ma-")
    page.reload()
    key = page.get_by_role("listitem").filter(has_text="ci")
    expect(key).to_be_visible()
    assert value not in page.content()
    key.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(key).to_have_count(0)
    assert kept(studio, "api-keys")["keys"] == []


def test_a_webhook_that_was_not_taken_is_sent_again(
    studio: Any, visit: Any, expect: Any, receiver: Receiver
) -> None:
    page = visit(studio, "/studio/settings?tab=webhooks")
    page.get_by_role("button", name="New webhook").click()
    page.get_by_label("Name", exact=True).fill("support")
    page.get_by_label("Address").fill("support")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("alert")).to_contain_text("begins with http")
    page.get_by_label("Address").fill(f"http://127.0.0.1:{receiver.server_address[1]}/rooms")
    page.get_by_label("room.ended").uncheck()
    page.get_by_role("button", name="Make it").click()
    assert page.get_by_label("The secret that signs support").input_value().startswith("whsec_")

    visit(studio, "/studio/rooms/told")
    deliveries = page.get_by_role("list", name="Deliveries to support").get_by_role("listitem")
    expect(deliveries).to_contain_text("answered 500; again in")
    receiver.status = 200
    deliveries.get_by_role("button", name="Send room.started again").click()
    expect(deliveries.filter(has_text="delivered")).to_contain_text("answered 200")


def test_a_service_is_written_run_changed_and_rolled_back(studio: Any, visit: Any, expect: Any) -> None:
    person = visit(studio, "/studio/rooms/lab")
    expect(person.get_by_text("In the room", exact=True)).to_be_visible()
    page = visit(studio, "/studio/services?tab=deployed")
    page.get_by_role("link", name="New service").first.click()
    page.get_by_label("In one room").check()
    page.get_by_label("Room", exact=True).fill("lab")
    manifest = page.get_by_label("Manifest", exact=True)
    good = manifest.input_value().replace("registry.example.org/greeter:1", "greeter:1")
    manifest.fill(good.replace("identity:", "identiy:"))
    problem = page.get_by_role("list", name="What is wrong").get_by_role("button")
    expect(problem).to_contain_text("11:11")
    expect(problem).to_contain_text("Did you mean identity?")
    problem.press("Enter")
    assert manifest.evaluate("one => one.value.slice(one.selectionStart)").startswith("identiy: greeter")
    page.get_by_role("button", name="Mend what is sure").click()
    expect(manifest).to_have_value(good)
    page.get_by_role("button", name="Deploy").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("greeter")
    events = page.get_by_role("list", name="Events in lab, newest first")
    expect(events).to_contain_text("Called")
    expect(person.get_by_role("complementary", name="Participants")).to_contain_text("greeter")
    page.get_by_role("tab", name="Log").click()
    log = page.get_by_label("Log, newest last")
    expect(log).to_contain_text("greeter begins")

    page.get_by_role("tab", name="Manifest").click()
    text = manifest.input_value()
    manifest.fill(text.replace("image: greeter:1", "image: greeter:2"))
    page.get_by_role("button", name="Save as a new revision").click()
    expect(page.get_by_text("revision 2", exact=True)).to_be_visible()
    page.get_by_role("tab", name="State").click()
    expect(page.locator("dl.facts > div").filter(has_text="Revision")).to_have_text("Revision2")
    page.get_by_role("tab", name="Revisions").click()
    expect(page.get_by_label("What revision 2 changed")).to_contain_text("+  image: greeter:2")
    listed, shown = (page.locator(one).bounding_box() for one in (".revision-list", ".revision-shown"))
    assert shown["x"] >= listed["x"] + listed["width"], "what changed stands beside the list"
    page.get_by_role("button", name="1 created").click()
    page.get_by_role("button", name="Roll back to 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("revision 3", exact=True)).to_be_visible()
    services = kept(studio, "service-states")["services"]
    [service] = [one for one in services if one["name"] == "greeter"]
    assert (service["image"], service["revision"]) == ("greeter:1", 3)

    page.get_by_role("tab", name="Manifest").click()
    mine = manifest.input_value().replace("image: greeter:1", "image: greeter:3")
    manifest.fill(mine)
    project = studio.ask("GET", ACCOUNTS)["projects"][0]["id"]
    path = f"{ACCOUNTS}/{project}/rooms/lab/services/{service['id']}"
    whole = {"Bulkhead-Manifest": "whole"}
    studio.ask("PUT", path, {**studio.ask("GET", path, **whole), "enabled": False}, **whole)
    behind = page.get_by_role("alert").filter(has_text="Revision 4 was saved meanwhile")
    expect(behind).to_contain_text("This is revision 3")
    expect(manifest).to_have_value(mine)
    behind.get_by_text("What changed meanwhile").click()
    expect(page.get_by_label("What revision 4 changed")).to_contain_text("+enabled: false")
    page.get_by_role("button", name="Save over revision 4").click()
    expect(page.get_by_text("revision 5", exact=True)).to_be_visible()
    expect(behind).to_have_count(0)

    page.get_by_role("tab", name="State").click()
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(page.get_by_text("disabled", exact=True)).to_be_visible()
    expect(person.get_by_role("complementary", name="Participants")).not_to_contain_text("greeter")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/studio/services\?tab=deployed$"))
    expect(page.get_by_role("link", name="greeter")).to_have_count(0)


def test_a_template_is_a_form(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, "/studio/services/new")
    page.get_by_label("Manifest", exact=True).fill(TEMPLATE)
    owner, key = page.get_by_label("Owner"), page.get_by_label("Search key")
    expect(key).to_have_attribute("type", "password")
    owner.fill("nobody")
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_text('"tone" needs a value.')).to_be_visible()
    expect(page.get_by_text('"owner" is an e-mail address')).to_be_visible()
    page.get_by_label("Tone").select_option("brief")
    owner.fill("ada@example.org")
    key.fill(SECRET)
    page.get_by_role("button", name="Deploy").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("asker")
    page.get_by_role("tab", name="Manifest").click()
    expect(page.get_by_label("Tone")).to_have_value("brief")
    assert SECRET not in page.content()


def test_a_container_is_run_and_typed_into_from_its_room(studio: Any, visit: Any, expect: Any) -> None:
    page = visit(studio, "/studio/rooms/workshop?tab=services")
    expect(page.get_by_text("These are processes of this machine, not containers.")).to_be_visible()
    loaded = page.evaluate("() => performance.getEntriesByType('resource').map((one) => one.name).join()")
    assert "/terminal" not in loaded
    page.get_by_role("button", name="Run…").click()
    page.get_by_label("Image").fill("greeter:1")
    page.get_by_label("Command").fill("sh -c 'echo begins; sleep 600'")
    page.get_by_label("Name", exact=True).fill("hand")
    page.keyboard.press("Enter")
    row = (
        page.get_by_role("list", name="Containers of this room")
        .get_by_role("listitem")
        .filter(has_text="hand")
    )
    expect(row).to_contain_text("running")
    row.get_by_role("button", name="Log of hand").click()
    expect(page.get_by_label("Log, newest last")).to_contain_text("begins")
    page.get_by_role("button", name="Containers").click()

    row.get_by_role("button", name="Terminal in hand").press("Enter")
    screen = page.get_by_role("group", name="Terminal in hand")
    expect(page.get_by_text("Connected")).to_be_visible()
    page.keyboard.type(
        "echo $((6*7)) && test -t 0 && printf '\\033[38;2;255;90;0morange\\033[0m' && stty size\n"
    )
    expect(screen).to_contain_text("42")
    expect(screen).to_contain_text("orange")
    page.keyboard.type("exit 3\n")
    expect(page.get_by_text("The shell ended with 3")).to_be_visible()
    page.get_by_role("textbox", name="Terminal input").press("Shift+Escape")
    page.keyboard.press("Enter")
    row.get_by_role("button", name="Stop hand").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(row).to_contain_text("ended")
