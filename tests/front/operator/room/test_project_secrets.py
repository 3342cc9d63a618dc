"""Secrets of the project by the accounts API, as both generations of clients send them, and by commands."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.cli import main
from runtime.front.access.rules import LOCAL_PROJECT
from tests.services.conftest import manifest

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SECRETS = f"/accounts/projects/{LOCAL_PROJECT}/secrets"
VALUE = "correct-horse-battery"
JSON = {"Content-Type": "application/json"}


async def test_a_secret_is_set_listed_changed_and_deleted_and_never_answered(serving: Any) -> None:
    async with serving() as site:
        store = site.server.front.store
        older = {"name": "older", "type": "keys", "data": {"A": VALUE, "B": VALUE}}
        made = (await site.post(SECRETS, json.dumps(older).encode())).json
        docker = {"server": "r.example", "username": "me", "password": VALUE, "email": ""}
        encoded = base64.b64encode(json.dumps(docker).encode()).decode()
        newer = {"name": "newer", "type": "docker", "data_base64": encoded}
        assert (await site.post(SECRETS, json.dumps(newer).encode())).status == 200
        listed = await site.get(SECRETS)
        by_name = {one["name"]: one for one in listed.json["secrets"]}
        assert by_name["older"]["data"] == {"A": "", "B": ""}
        assert set(by_name["newer"]["data"]) == {"server", "username", "password", "email"}
        one = await site.get(f"{SECRETS}/{made['id']}")
        assert json.loads(base64.b64decode(one.json["data_base64"])) == {"A": "", "B": ""}
        assert VALUE not in (listed.body + one.body).decode()
        await store.services.create(manifest(secrets=["older"]), by="a")
        changed = {**older, "data": {"A": "another-value-of-it"}}
        answer = await site.ask("PUT", f"{SECRETS}/{made['id']}", json.dumps(changed).encode(), JSON)
        assert answer.json == {"id": made["id"], "behind": ["greeter"]}
        assert json.loads(await store.secrets.value(made["id"], 2)) == {"A": "another-value-of-it"}
        assert (await site.ask("DELETE", f"{SECRETS}/{made['id']}")).status == 409  # a service is given it
        assert (await site.ask("DELETE", f"{SECRETS}/{by_name['newer']['id']}")).status == 200


async def test_what_is_no_secret_is_refused_without_being_repeated(serving: Any) -> None:
    async with serving() as site:
        for wrong in (
            {"type": "keys"},
            {"type": "text", "data": {"A": VALUE}},
            {"type": "keys", "data_base64": base64.b64encode(VALUE.encode()).decode()},
            {"type": "text", "data_base64": f"{VALUE}!"},
            {"type": "other", "data": {"A": VALUE}},
        ):
            answer = await site.post(SECRETS, json.dumps({"name": "x", **wrong}).encode())
            assert answer.status == 400, answer.body
            assert VALUE not in answer.body.decode()


async def test_commands_set_list_and_delete(serving: Any, monkeypatch: Any, capsys: Any) -> None:
    async def typed(*words: str, status: int = 0) -> str:
        argv = ["secret", *words, "--url", site.server.url]
        assert await asyncio.to_thread(main.run, argv) == status
        out, err = capsys.readouterr()
        return str(out + err)

    async with serving() as site:
        for value in (VALUE, "another-value-of-it"):
            stdin = SimpleNamespace(isatty=lambda: False, buffer=io.BytesIO(f"{value}\n".encode()))
            monkeypatch.setattr(sys, "stdin", stdin)
            assert "set api " in await typed("set", "api")
        (kept,) = await site.server.front.store.secrets.listed()
        assert kept.current == 2
        assert await site.server.front.store.secrets.value(kept.id, 2) == b"another-value-of-it"
        listed = await typed("list")
        assert "api" in listed
        assert VALUE not in listed
        await typed("delete", "api")
        assert "no secret is kept" in await typed("list")
        assert "there is no secret 'api'" in await typed("delete", "api", status=1)
