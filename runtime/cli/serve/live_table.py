"""The table of agents where it can be redrawn: on a terminal, also when that changes its size."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from runtime.cli.serve.agent_table import Row
from runtime.cli.serve.agent_table_fit import GAP, fit

if TYPE_CHECKING:
    from rich.console import Console

_INDENT = 2


class LiveTable:
    """Draws the table below what was written so far, while it is entered.

    Args:
        footer: The line below the table; empty for none.
        console: Where to draw; the standard output when None.
    """

    def __init__(self, footer: str, console: Console | None = None) -> None:
        from rich.live import Live

        # What does not fit is left out by the table itself, which knows what matters least.
        self._live = Live(console=console, auto_refresh=False, transient=False, vertical_overflow="crop")
        self._console = self._live.console
        self._footer = f"\n  {footer}" if footer else ""
        self._drawn: Any = None
        self._width = self._console.width

    def __enter__(self) -> LiveTable:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, rows: Sequence[Row]) -> None:
        """Draw these rows in the place of the last ones."""
        width, height = self._console.size
        if self._drawn is not None and width < self._width:
            self._take_back(width)
        self._width = width
        self._drawn = self._renderable(rows, width, height)
        self._live.update(self._drawn, refresh=True)

    def tell(self, text: str, color: str = "") -> None:
        """A line above the table."""
        from rich.text import Text

        self._console.print(Text(text, style=color))

    def _take_back(self, width: int) -> None:
        """Go up by as many lines as what is drawn has grown by: a narrower terminal wrapped it."""
        from rich.control import Control
        from rich.segment import ControlType, Segment

        drawn = self._console.options.update_width(self._width)
        lines = self._console.render_lines(self._drawn, drawn, pad=False)
        more = sum(-(-max(1, Segment.get_line_length(line)) // width) - 1 for line in lines)
        erased = (ControlType.ERASE_IN_LINE, 2)
        up = [(ControlType.CURSOR_UP, 1), erased] * more
        self._console.control(Control(ControlType.CARRIAGE_RETURN, erased, *up))

    def _renderable(self, rows: Sequence[Row], width: int, height: int) -> Any:
        from rich.console import Group
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        footer_lines = 1 + -(-len(self._footer) // width) if self._footer else 0
        # One line stays free for the cursor.
        fitted = fit(rows, width=width - _INDENT, height=height - footer_lines - 1)
        grid = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
        for title in fitted.header:
            grid.add_column(title, no_wrap=True, overflow="crop")
        for line, color in fitted.rows:
            *cells, state = (Text(cell) for cell in line)
            state.stylize(color)
            grid.add_row(*cells, state)
        # Not filled up to the edge: a narrower terminal would make lines of blanks of it.
        parts: list[Any] = [Padding(grid, (0, 0, 0, _INDENT), expand=False)]
        if fitted.more:
            parts.append(Text(f"  {fitted.more_text}", style="dim"))
        if self._footer:
            parts.append(Text(self._footer, style="dim"))
        return Group(*parts)
