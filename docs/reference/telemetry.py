"""The page of all spans and their attributes, read from the table that names what is emitted."""

from __future__ import annotations

from docs.reference.table import stacked, table
from runtime.telemetry.table import ATTRIBUTES, LOG_KEYS, SPANS, SpanRow


def page() -> str:
    """Every span, every attribute, every key of a log line."""
    parts = [
        "## Spans\n",
        stacked(("Span", "Kind", "Part of", ""), (_row(row) for row in SPANS)),
        "## Attributes\n",
        table(("Attribute", ""), ((f"`{name}`", text) for name, text in ATTRIBUTES.items())),
        "## Lines of the log\n",
        table(("Key", ""), ((f"`{name}`", text) for name, text in LOG_KEYS.items())),
    ]
    return "\n".join(parts)


def _row(row: SpanRow) -> tuple[str, str, str, str]:
    attributes = ", ".join(f"`{one}`" for one in row.attributes)
    above = row.parent if " " in row.parent else f"`{row.parent}`"
    return f"`{row.name}`", row.kind, above, f"{row.text}<br>{attributes}"
