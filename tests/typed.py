"""A command that is typed beside a server of this very process."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from runtime.cli import main

_LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[")


async def typed(capture: Any, *words: str, status: int = 0) -> tuple[str, str]:
    """What it wrote to its two streams, without what the server logs meanwhile.

    Args:
        capture: pytest's `capsys`, or `capfd`.
        status: With which it has to end.
    """
    found = await asyncio.to_thread(main.run, list(words))
    out, err = capture.readouterr()
    assert found == status, err
    return "".join(line for line in out.splitlines(keepends=True) if not _LOGGED.match(line)), err
