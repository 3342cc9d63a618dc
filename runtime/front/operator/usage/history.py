"""``/metrics/history``: the figures of the last hours, days and weeks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from quart import Blueprint

from runtime.clock import iso
from runtime.front.http.contract import asks, belongs, gives
from runtime.front.openapi.shapes.usage import HistoryQuery, MetricsHistory
from runtime.front.state import Front, caller
from runtime.telemetry.history.figures import Figures, lines, quantile
from runtime.telemetry.history.recorder import Past

QUANTILES: Final[Mapping[str, float]] = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
Line = list[float | None]


def routes(front: Front) -> Blueprint:
    """The one route."""
    paths = Blueprint("history", __name__)
    belongs(paths, "usage", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/metrics/history")
    @asks(HistoryQuery)
    @gives(MetricsHistory)
    async def history(query_args: HistoryQuery) -> MetricsHistory:
        """Metrics over hours: what the server kept of them, also of its earlier runs"""
        return await asyncio.to_thread(told, await front.history.past(query_args.hours))

    return paths


def told(past: Past) -> MetricsHistory:
    """As the API shows it."""
    steps = past.steps

    def by(name: str, *, counted: bool) -> dict[str, Line]:
        return lines(steps, name, counted=counted)

    def one(name: str, *, counted: bool) -> Line:
        return by(name, counted=counted).get("") or [None if step is None else 0.0 for step in steps]

    def most(name: str) -> Line:
        return [None if step is None else round(step.most.get(name, 0.0), 3) for step in steps]

    def times(name: str) -> dict[str, Line]:
        return {word: [_time(step, name, share) for step in steps] for word, share in QUANTILES.items()}

    return MetricsHistory(
        since=iso(past.begin),
        step_s=past.step_s,
        at_ms=[(past.begin + place * past.step_s) * 1000 for place in range(len(steps))],
        sessions=one("sessions", counted=False),
        sessions_most=most("sessions"),
        queued_most=most("queued"),
        lag_ms_most=most("lag_ms"),
        cpu=by("cpu", counted=False),
        memory_bytes=by("memory", counted=False),
        webhooks=by("webhooks", counted=True),
        answer_s=times("answer"),
        start_s=times("start"),
        starts=one("starts", counted=True),
        ends=by("ends", counted=True),
        crashes=by("crashes", counted=True),
        restarts=one("restarts", counted=True),
        turns=one("turns", counted=True),
        tokens_in=one("tokens_in", counted=True),
        tokens_out=one("tokens_out", counted=True),
        failing=past.failing,
    )


def _time(step: Figures | None, name: str, share: float) -> float | None:
    found = None if step is None else quantile(step.counts.get(name, {}), share)
    return None if found is None else round(found, 6)
