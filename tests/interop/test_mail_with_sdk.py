"""Mail agents of the real SDK that our server runs: a letter comes, and its answer goes out."""

from __future__ import annotations

import email
import json
import smtplib
import time
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest

from tests.interop.conftest import HERE, KEY, Bulkhead, Drive, Sdk, free_port, serve
from tests.interop.environments import installed, provide, write_bundle
from tests.interop.fake_model import ANSWER, FakeModel
from tests.patience import PATIENCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

ADDRESS = "bot@here.example"
ROOM = "post"


@pytest.fixture(params=["0.7.1", pytest.param("0.35.8", marks=pytest.mark.long)])
def release(request: pytest.FixtureRequest) -> Sdk:
    return installed(request.param)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def posting(
    release: Sdk, tmp_path_factory: pytest.TempPathFactory, model: FakeModel, port: int
) -> Iterator[Bulkhead]:
    """A server that takes mail and runs the mail agent of a release."""
    folder = tmp_path_factory.mktemp("posting")
    program = (HERE / "mail_agent.py").read_text()
    bundle = write_bundle(folder / "agents" / "post", release.version, program)
    provide(bundle, release.version, folder / "state" / "environments")
    yield from serve(folder, model, folder / "agents", BULKHEAD_MAIL_PORT=str(port))


def ask(server: Bulkhead, path: str, body: bytes | None = None) -> bytes:
    headers = {
        "Authorization": f"Bearer {KEY.format()}",
        "Content-Type": "application/json",
        "Prefer": "wait=60",
    }
    with urllib.request.urlopen(
        urllib.request.Request(server.url + path, body, headers), timeout=90
    ) as answer:
        content: bytes = answer.read()
    return content


def letter(subject: str, text: str, **headers: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "ada@there.example", ADDRESS, subject
    made["Message-ID"] = f"<{subject.replace(' ', '.')}@there.example>"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(text)
    return made


def answers(server: Bulkhead, count: int) -> list[EmailMessage]:
    """What went out, once there is so much of it."""
    until = time.monotonic() + 60 * PATIENCE
    while True:
        sent = [one for one in json.loads(ask(server, "/mail"))["letters"] if one["place"] == "sent"]
        if len(sent) >= count:
            break
        assert time.monotonic() < until, json.loads(ask(server, "/mail"))
        time.sleep(0.1)
    found = [
        email.message_from_bytes(ask(server, f"/mail/letters/{one['id']}"), policy=default) for one in sent
    ]
    return [one for one in found if isinstance(one, EmailMessage)]


def test_a_mail_agent_answers_what_comes_and_knows_what_was_before(
    release: Sdk, posting: Bulkhead, drive: Drive, model: FakeModel, port: int
) -> None:
    work: dict[str, Any] = {"base": posting.url, "key": KEY.format(), "address": ADDRESS, "room": ROOM}
    drive(release, posting, "mailboxes", **work)
    first = letter("tides", "When does the tide turn?")
    with smtplib.SMTP("127.0.0.1", port, timeout=30 * PATIENCE) as client:  # before the agent is there
        client.send_message(first)
    call = json.dumps({"event": "room.call", "data": {"room_name": ROOM, "arguments": {}}}).encode()
    assert json.loads(ask(posting, "/post", call))["state"] == "ready"
    (answer,) = answers(posting, 1)
    body = answer.get_body(("plain",))
    assert body is not None
    assert ANSWER in " ".join(body.get_content().split())
    assert answer["To"] == "ada@there.example"
    assert answer["In-Reply-To"] == first["Message-ID"]
    # The answer to it brings the whole exchange before the model.
    before = len(model.requests)
    more = letter("tides again", "And the octopus?", In_Reply_To=answer["Message-ID"])
    with smtplib.SMTP("127.0.0.1", port, timeout=30 * PATIENCE) as client:
        client.send_message(more)
    answers(posting, 2)
    asked = json.dumps([body for _, body in model.requests[before:]])
    assert "When does the tide turn?" in asked
    assert "And the octopus?" in asked
