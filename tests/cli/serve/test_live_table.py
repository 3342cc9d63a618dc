"""The table on a terminal that changes its size."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from runtime.cli.serve.agent_table import Row
from runtime.cli.serve.live_table import LiveTable

pytestmark = pytest.mark.unit

ROWS = [
    Row(f"/chat{n}", "chatbot", "SimpleChatbot", str(n), "ready", "● in room demo  (joined 38 ms)")
    for n in range(3)
]
UP = "\x1b[1A"


def test_lines_that_a_narrower_terminal_wrapped_are_taken_back() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120, height=30, _environ={})
    with LiveTable("q to quit", console) as table:
        table.show(ROWS)
        assert UP not in written.getvalue()
        table.show(ROWS)
        lines = len(ROWS) + 3  # the header, an empty one and the footer
        assert written.getvalue().count(UP) == lines - 1
        written.seek(written.truncate(0))
        console.width = 60
        table.show(ROWS)
        # Each row was wider than that, the footer was not; and the header is as wide as the rows.
        assert written.getvalue().count(UP) == (lines - 1) + len(ROWS) + 1
        shown = written.getvalue().rpartition(UP)[2]
        assert "SimpleChatbot" not in shown
        written.seek(written.truncate(0))
        console.width = 120
        table.show(ROWS)
        assert written.getvalue().count(UP) == lines - 1
