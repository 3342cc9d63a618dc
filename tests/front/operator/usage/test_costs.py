"""What model tokens cost, as ``/usage`` tells it."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.session.events import Status

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_tokens_are_priced_by_model_and_those_without_a_price_are_told(serving: Any) -> None:
    async with serving() as site:
        session = (await site.post("/chat")).json["session"]
        await site.server.front.registry.wait(session, until="settled", timeout_s=5)
        said = {"tokens_in": 1_000_010, "tokens_out": 100_000}
        said |= {"tokens_in:gpt-4o": 1_000_000, "tokens_out:gpt-4o": 100_000, "tokens_in:nobodys": 7}
        site.placement.emit(Status(session_id=session, at=site.server.front.clock.wall(), values=said))
        while not (found := (await site.get("/usage?by=day")).json)["total"]["tokens_in"]:
            pass
        (row,) = found["rows"]
        assert len(row["day"]) == len("2026-11-30")
        assert (row["cost_usd"], row["unpriced_tokens"]) == (
            3.5,
            10,
        )  # three are of a model that nobody named
        assert row["models"]["gpt-4o"] == [1_000_000, 100_000]
        assert found["unpriced"] == ["nobodys"]
        assert found["total"]["cost_usd"] == 3.5
