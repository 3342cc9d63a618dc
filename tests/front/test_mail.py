"""Mail over HTTP: addresses, what a provider posts, what is kept here; and where sessions hand it in."""

from __future__ import annotations

import asyncio
import base64
import json
import smtplib
from typing import Any

import pytest

from runtime.process.environment import MAIL_DOOR, mail_door
from tests.front.conftest import JSON, Site
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

BASE = "/accounts/projects/p"
BOX = {"address": "bot@here.example", "room": "lab", "queue": "mail"}
RAW = b"From: b@there.example\nSubject: hi\n\nhello\n"
MIME = {"Content-Type": "message/rfc822"}


async def send(site: Site, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await site.ask(method, path, json.dumps(body).encode() if body is not None else b"", JSON)
    return answer.status, answer.json


async def test_addresses_as_meshagents_clients_ask_for_them(serving: Any) -> None:
    async with serving() as site:
        assert await send(site, "POST", f"{BASE}/mailboxes", BOX) == (200, {})
        assert (await send(site, "POST", f"{BASE}/mailboxes", BOX))[0] == 409
        shown = {**BOX, "public": False, "annotations": {}}
        (found,) = (await send(site, "GET", f"{BASE}/mailboxes"))[1]["mailboxes"]
        assert {**shown, "room_id": found["room_id"]} == found
        assert (await send(site, "GET", f"{BASE}/rooms/lab/mailboxes"))[1]["mailboxes"] == [found]
        assert (await send(site, "GET", f"{BASE}/rooms/other/mailboxes"))[1]["mailboxes"] == []
        place = {"room": "other", "queue": "q", "public": True, "annotations": {"for": "support"}}
        assert await send(site, "PUT", f"{BASE}/mailboxes/Bot@here.example", place) == (200, {})
        changed = (await send(site, "GET", f"{BASE}/mailboxes/bot@here.example"))[1]["mailbox"]
        assert (changed["room"], changed["public"], changed["annotations"]) == (
            "other",
            True,
            {"for": "support"},
        )
        assert await send(site, "DELETE", f"{BASE}/mailboxes/bot@here.example") == (200, {})
        assert (await send(site, "GET", f"{BASE}/mailboxes/bot@here.example"))[0] == 404
        assert (await send(site, "POST", f"{BASE}/mailboxes", {**BOX, "address": "none"}))[0] == 400


async def test_a_provider_posts_a_message_with_its_password_alone(serving: Any) -> None:
    async with serving(mail={"secret": "provider"}, api_token="operator") as site:
        token = {"Authorization": "Bearer operator"}
        body = json.dumps(BOX).encode()
        assert (await site.ask("POST", f"{BASE}/mailboxes", body, {**JSON, **token})).status == 200
        path = "/mail/bot@here.example"
        basic = base64.b64encode(b"anybody:provider").decode()
        for header, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": "Bearer provider"}, 200),
            ({"Authorization": f"Basic {basic}"}, 200),
            (token, 200),
        ):
            assert (await site.ask("POST", path, RAW, {**MIME, **header})).status == status
        # Its password opens nothing else, and only addresses that there are.
        for method, other in (("GET", "/mail"), ("GET", f"{BASE}/mailboxes")):
            assert (await site.ask(method, other, headers={"Authorization": "Bearer provider"})).status == 401
        posted = {**MIME, "Authorization": "Bearer provider"}
        assert (await site.ask("POST", "/mail/nobody@here.example", RAW, posted)).status == 404
        assert (await site.ask("POST", path, b" ", posted)).status == 400
        letters = (await site.ask("GET", "/mail", headers=token)).json["letters"]
        assert [(one["place"], one["recipients"]) for one in letters] == [
            ("waiting", ["bot@here.example"])
        ] * 3
        whole = await site.ask("GET", f"/mail/letters/{letters[0]['id']}", headers=token)
        assert whole.body == RAW.replace(b"\n", b"\r\n")
        assert "attachment" in whole.headers["content-disposition"]
        for missing in ("nothing", "..%2f..%2fseal.key"):
            assert (await site.ask("GET", f"/mail/letters/{missing}", headers=token)).status == 404


async def test_a_message_may_be_larger_than_a_webhook_and_no_larger_than_it_may(serving: Any) -> None:
    async with serving(mail={"max_bytes": 100_000}, max_body_bytes=1024) as site:
        await send(site, "POST", f"{BASE}/mailboxes", BOX)
        for size, status in ((50_000, 200), (100_001, 400)):
            assert (await site.ask("POST", "/mail/bot@here.example", b"x" * size, MIME)).status == status


async def test_sessions_are_told_where_mail_is_taken(serving: Any, unused_tcp_port: int) -> None:
    assert mail_door("127.0.0.1", 0) == {}
    assert mail_door("0.0.0.0", 2525) == {MAIL_DOOR: "127.0.0.1:2525"}
    async with serving(mail={"port": unused_tcp_port}):

        def greeted() -> int:
            with smtplib.SMTP("127.0.0.1", unused_tcp_port, timeout=30 * PATIENCE) as client:
                return client.ehlo()[0]

        assert await asyncio.to_thread(greeted) == 250


async def test_a_provider_s_mail_for_a_mailbox_that_is_not_public_is_of_members(serving: Any) -> None:
    async with serving(mail={"secret": "provider", "members": ("b@there.example",)}) as site:
        assert (await send(site, "POST", f"{BASE}/mailboxes", BOX))[0] == 200
        path, posted = "/mail/bot@here.example", {**MIME, "Authorization": "Bearer provider"}
        assert (await site.ask("POST", path, RAW, posted)).status == 200
        refused = await site.ask("POST", f"{path}?sender=c@there.example", RAW, posted)
        assert (refused.status, "Add the sender to mail.members" in str(refused.json)) == (403, True)
        assert (await site.ask("POST", path, b"Subject: hi\n\nfrom nobody\n", posted)).status == 403
        # Who operates the server tries what it likes.
        assert (await site.ask("POST", f"{path}?sender=c@there.example", RAW, MIME)).status == 200
