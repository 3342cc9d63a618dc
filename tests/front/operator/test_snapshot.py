"""Copies of the databases of a running server: in its folder, for its owner, and not without end."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process


@pytest.mark.asyncio
async def test_copies_are_bounded_and_nobody_elses(serving: Any, tmp_path: Path) -> None:
    async with serving() as site:
        for _ in range(5):
            answer = await site.post("/snapshot", b"")
            assert answer.status == 200
        folder = Path(answer.json["folder"])
        assert len(list(folder.parent.iterdir())) == 2
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder, *folder.iterdir())]
        assert modes == [0o700, 0o700, 0o600, 0o600, 0o600, 0o600]
    async with serving(api_token="a-token-of-an-operator") as site:
        assert (await site.post("/snapshot", b"")).status == 401
