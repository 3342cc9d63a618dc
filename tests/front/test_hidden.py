"""What a server keeps as a secret stands in none of its lines."""

from __future__ import annotations

from typing import Any

import pytest

from runtime import logs
from runtime.settings import LogSettings

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_a_server_hides_what_its_store_keeps(serving: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async with serving() as site:
        logs.configure(LogSettings(format="json"))
        await site.server.front.store.secrets.create("K", b"value-of-a-secret", by="a")
        logs.get_logger("test").warning("c.happened", text="it is value-of-a-secret")
        assert '"it is •••"' in capsys.readouterr().out
