"""A caller who sends as much as a call may have, over and over, fills neither memory nor the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.session.exit_reasons import ExitReason
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

MIB = 1 << 20


async def test_calls_of_a_megabyte_leave_a_bounded_history(serving: Any, tmp_path: Path) -> None:
    async with serving(history_bytes=4 * MIB) as site:
        registry = site.server.front.registry
        for number in range(30):
            text = f"{number}".encode() + b"x" * 900_000
            body = b'{"event":"room.call","data":{"room_name":"r","arguments":{"text":"%s"}}}' % text
            sid = (await site.post("/chat", body)).json["session"]
            site.placement.exit(sid, ExitReason.FINISHED)
            await registry.wait(sid, until="exited", timeout_s=10 * PATIENCE)
        kept = list(registry.ended())
        assert kept[0].spec.session_id == sid
        assert sum(len(record.spec.arguments["text"]) for record in kept) <= 4 * MIB
        await site.server.front.journal.flush()
        (rows,) = await site.server.front.journal._fetch("SELECT count(*), sum(length(record)) FROM sessions")
        assert rows[0] == len(kept)
        assert rows[1] <= 5 * MIB
        usage = (await site.get("/usage?by=endpoint")).json
        assert usage["total"]["sessions"] == 30  # what was forgotten is added up all the same
    assert (tmp_path / "state" / "journal.sqlite3").stat().st_size < 24 * MIB
