"""``bulkhead usage``: what sessions used, by whom."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from runtime.cli.options import Form, Url
from runtime.cli.terminal import Output, clean, note, say, show, table
from runtime.wire.text import size

_COLUMNS = ("sessions", "turns", "cpu·s", "gib·s", "tokens in/out", "cost")
_HEADINGS = {"cpu·s": "CPU·s", "gib·s": "GiB·s", "tokens in/out": "TOKENS in/out"}


class By(StrEnum):
    """What to add up by."""

    IDENTITY = "identity"
    ENDPOINT = "endpoint"
    ROOM = "room"
    SESSION = "session"
    DAY = "day"


def usage(
    by: Annotated[By, typer.Option("--by", help="Add up by this.")] = By.IDENTITY,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", help="Only what ended since: 1h (ago), or 2026-11-22T09:00:00Z.", show_default=False
        ),
    ] = None,
    url: Url = None,
    output: Form = Output.TABLE,
) -> None:
    """Show what sessions used, by whom.

    Processor time, memory, model tokens and what those cost. Costs are by list prices, without discounts; `?`
    stands where a model has no price.
    """
    from runtime.cli.api import find_server, told_paths

    if since is not None:
        _check_since(since)
    query = {"by": by.value} | ({"since": since} if since else {})
    api = find_server(url)
    answer = api.get(f"/usage?{urlencode(query)}")
    rows = answer["rows"]
    if by is By.ENDPOINT and output in (Output.TABLE, Output.WIDE):
        told = told_paths(api, (row["endpoint"] for row in rows))
        rows = [{**row, "endpoint": told[row["endpoint"]]} for row in rows]
    say(render(rows, by.value, output))
    if output in (Output.TABLE, Output.WIDE) and answer.get("unpriced"):
        names = ", ".join(clean(one) for one in answer["unpriced"])
        note(f"? No price for {names}: BULKHEAD_USAGE_PRICES=MODEL=IN/OUT, dollars a million tokens.", "dim")


def _check_since(text: str) -> None:
    from datetime import datetime

    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.knob import parse_seconds

    try:
        parse_seconds(text)
    except ValueError:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            cure = "Write a length of time such as 1h, or a time such as 2026-11-22T09:00:00Z."
            raise CommandFailed(f"--since {text!r} is no time", cure=cure, exit_code=ExitCode.USAGE) from None


def render(rows: list[dict[str, Any]], by: str, output: Output) -> str:
    """The rows in the form asked for."""
    if output not in (Output.TABLE, Output.WIDE):
        return show(rows, output, name=by, columns={})
    more = ("restarts", "messages", "peak", "logs", "relayed")
    columns = (by, *_COLUMNS) if output is Output.TABLE else (by, *_COLUMNS, *more)
    if not rows:
        return "no sessions yet"
    cells = [[shown[column] for column in columns] for shown in (_row(row, by) for row in rows)]
    return "\n".join(table([_HEADINGS.get(column, column.upper()) for column in columns], cells))


def _row(row: Mapping[str, Any], by: str) -> dict[str, str]:
    return {
        by: str(row.get(by) or "-"),
        "sessions": str(row["sessions"]),
        "turns": str(row["turns"]),
        "cpu·s": f"{row['cpu_s']:.1f}",
        "gib·s": _few(row["memory_gib_s"]),
        "tokens in/out": f"{_count(row['tokens_in'])} / {_count(row['tokens_out'])}",
        "cost": _cost(row),
        "restarts": str(row["restarts"]),
        "messages": str(row["messages"]),
        "peak": size(row["peak_bytes"]),
        "logs": size(row["log_bytes"]),
        "relayed": size(row["relay_bytes"]),
    }


def _cost(row: Mapping[str, Any]) -> str:
    """``$1.94``; with ``+ ?`` where a part of the tokens has no price."""
    cost, unknown = row.get("cost_usd", 0.0), row.get("unpriced_tokens", 0)
    if not cost:
        return "?" if unknown else "-" if not row["tokens_in"] + row["tokens_out"] else "$0"
    shown = f"${cost:.2f}" if cost >= 0.01 else "<$0.01"
    return f"{shown} + ?" if unknown else shown


def _few(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.2f}"


def _count(number: int) -> str:
    """``812345`` -> ``812k``."""
    for unit in ("", "k", "M", "G"):
        if number < 1000:
            return f"{number}{unit}"
        number //= 1000
    return f"{number}T"
