from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_every_setting_is_told_with_what_set_it_and_no_secret_is(serving: Any) -> None:
    secrets = {
        "webhook_secret": "s3cret-s3cret",
        "api_token": "t0ken-t0ken",
        "model_key": "sk-abcdefghijklmnop",
    }
    async with serving(**secrets, model_url="https://ada:p4ssw0rd@models.example/v1") as site:
        answer = await site.get("/settings", Authorization="Bearer t0ken-t0ken")
        listed = {one["name"]: one for one in answer.json["settings"]}
        port = listed["server.port"]
        assert (port["value"], port["source"], port["env"]) == (0, "flag --port", "BULKHEAD_PORT")
        assert port["help"].startswith("port to listen on")
        assert listed["supervisor.stop_s"]["source"] == "default"
        for name in secrets:
            assert (listed[f"server.{name}"]["value"], listed[f"server.{name}"]["secret"]) == ("•••", True)
        assert listed["server.room_secret"]["value"] == ""
        for secret in (*secrets.values(), "p4ssw0rd"):
            assert secret not in answer.body.decode()
        assert (await site.get("/settings", X_Forwarded_For="203.0.113.7")).status == 401
