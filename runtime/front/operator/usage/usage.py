"""What sessions used: sums over those that are kept one by one and over the days before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace
from quart import Blueprint

from runtime.clock import iso
from runtime.front.http.contract import asks, belongs, gives
from runtime.front.http.refusal import Refusal
from runtime.front.openapi.shapes.usage import UsageQuery, UsageReport, Used, UsedBy
from runtime.front.state import Front, caller
from runtime.knob import parse_seconds
from runtime.model.prices import AS_OF, Price, cost_of
from runtime.session.ledger import usage_row
from runtime.session.record import SessionRecord
from runtime.session.usage import Usage, UsageRow, report, total
from runtime.settings.usage import named_prices

_YIELD_EVERY_COUNT: Final = 10


def routes(front: Front) -> Blueprint:
    """``/usage``."""
    paths = Blueprint("usage", __name__)
    belongs(paths, "usage", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/usage")
    @asks(UsageQuery)
    @gives(UsageReport)
    async def usage(query_args: UsageQuery) -> UsageReport:
        """What sessions used"""
        by, now = query_args.by, front.clock.wall()
        since = _since(query_args.since, now)
        rows: list[UsageRow] = []
        for count, record in enumerate([*front.registry.live(), *front.registry.ended()], 1):
            if record.exit is None or record.exit.at >= since:
                rows.append(await _measured(front, record, now))
            if count % _YIELD_EVERY_COUNT == 0:
                await asyncio.sleep(0)  # measuring many process trees must not stop the loop for long
        rows += front.registry.book.rows(since)
        whole, named = total(rows), named_prices(front.configuration.usage.prices)
        return UsageReport(
            by=by,
            since=iso(since) if since > 0 else None,
            rows=[UsedBy(**{by: name, **_priced(used, named)}) for name, used in report(rows, by)],
            total=Used(**_priced(whole, named)),
            prices_as_of=AS_OF,
            unpriced=sorted(cost_of(whole.models, named)[1]),
        )

    return paths


def _priced(used: Usage, named: Mapping[str, Price]) -> dict[str, Any]:
    """A sum as it is shown, with what it cost; tokens of which no model is known have no price either."""
    cost_usd, unknown = cost_of(used.models, named)
    known = sum(tokens_in + tokens_out for tokens_in, tokens_out in used.models.values())
    nobodys = max(0, used.tokens_in + used.tokens_out - known)
    return {
        **used.plain(),
        "cost_usd": round(cost_usd, 6),
        "unpriced_tokens": sum(unknown.values()) + nobodys,
    }


async def _measured(front: Front, record: SessionRecord, now: float) -> UsageRow:
    row = usage_row(record, now)
    if record.exit is not None:
        return row
    vitals = await front.placement.vitals(record.spec.session_id)
    if vitals is None:
        return row
    used = row.usage
    peak_bytes = max(used.peak_bytes, vitals.pss_bytes or vitals.rss_bytes)
    memory_byte_s = used.memory_byte_s + vitals.memory_byte_s
    cpu_s = used.cpu_s + vitals.cpu_s
    return replace(row, usage=replace(used, cpu_s=cpu_s, memory_byte_s=memory_byte_s, peak_bytes=peak_bytes))


def _since(text: str, now: float) -> float:
    """``1h`` (ago), ``2026-11-22T09:00:00Z``, or nothing for all that is known; seconds since the epoch."""
    if not text:
        return 0.0
    try:
        return max(0.0, now - parse_seconds(text))
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        cure = "since must be a length of time such as 1h, or a time such as 2026-11-22T09:00:00Z."
        raise Refusal("invalid_request", cure, field="since") from None
