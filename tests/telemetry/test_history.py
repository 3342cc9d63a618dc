"""Metrics over hours: added up to the minute and the hour, bounded, there again after a restart."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SystemClock
from runtime.metrics import Metrics
from runtime.telemetry import table
from runtime.telemetry.history import recorder as recorders
from runtime.telemetry.history.figures import (
    COUNTED,
    MAX_LABELS,
    OTHER,
    Figures,
    gathered,
    lines,
    quantile,
    risen,
    totals,
)
from runtime.telemetry.history.file import HOUR_S, KEPT_S, MINUTE_S, FiguresFile
from runtime.telemetry.history.recorder import MAX_WAITING, Recorder

NOON = 1_800_000_000 // HOUR_S * HOUR_S


@pytest.mark.unit
def test_what_is_counted_is_what_the_server_measures() -> None:
    assert set(COUNTED) <= table.known_series()
    labels = {series: {*row.labels, "le", ""} for row in table.METRICS for series in row.series}
    assert all(label in labels[series] for series, (_, label) in COUNTED.items())


@pytest.mark.unit
def test_counters_are_added_up_over_endpoints_and_buckets_stand_by_themselves() -> None:
    metrics = Metrics(version="1")
    metrics.session_crashed("/a", "memory")
    before = totals(metrics.counted())
    for path in ("/a", "/b"):
        metrics.session_crashed(path, "memory")
        metrics.session_ready(path, 0.02)
    metrics.session_ready("/b", 0.2)
    rose = risen(before, totals(metrics.counted()))
    assert rose["crashes"] == {"memory": 2}
    assert {bound: count for bound, count in rose["start"].items() if count} == {"0.025": 2, "0.25": 1}
    assert quantile(rose["start"], 0.5) == pytest.approx(0.01 + 0.015 * 0.75)
    assert quantile(rose["start"], 1.0) == 0.25
    assert quantile({}, 0.5) is None


@pytest.mark.unit
def test_an_hour_is_the_sum_of_its_minutes_and_a_gap_stays_one() -> None:
    quiet, busy = Figures(), Figures()
    quiet.look({"sessions": 1, "memory": {"/a": 10}})
    busy.look({"sessions": 2, "memory": {"/a": 10, "/b": 30}})
    busy.look({"sessions": 6, "memory": {"/b": 30}})
    busy.rose({"crashes": {"memory": 2}})
    points = [(0, quiet), (60, busy), (180, quiet)]
    by_minute = gathered(points, begin=0, end=240, step_s=60)
    assert lines(by_minute, "sessions", counted=False) == {"": [1, 4, None, 1]}
    assert lines(by_minute, "memory", counted=False) == {"/a": [10, 5, None, 10], "/b": [0, 30, None, 0]}
    (hour,) = gathered(points, begin=0, end=240, step_s=3600)
    assert hour is not None
    assert (hour.mean("sessions"), hour.most["sessions"], hour.most["memory"]) == ({"": 2.5}, 6, 40)
    assert lines([hour], "crashes", counted=True) == {"memory": [2]}


@pytest.mark.unit
def test_callers_cannot_make_a_figure_have_ever_more_parts() -> None:
    figures = Figures()
    for number in range(3 * MAX_LABELS):
        figures.rose({"crashes": {f"reason{number}": 1}})
    assert len(figures.counts["crashes"]) == MAX_LABELS + 1
    assert figures.counts["crashes"][OTHER] == 2 * MAX_LABELS


class SetClock(SystemClock):
    """Shows the time that it is set to."""

    at: float = NOON

    def wall(self) -> float:
        return self.at


@pytest.mark.process
@pytest.mark.asyncio
async def test_the_file_has_minutes_of_a_day_and_hours_of_weeks_and_no_more(tmp_path: Path) -> None:
    history = await FiguresFile.open(tmp_path / "figures.sqlite3")
    try:
        day = KEPT_S[MINUTE_S] // MINUTE_S
        figures = Figures()
        figures.look({"sessions": 1})
        await history.add([(NOON + number * MINUTE_S, figures) for number in range(day + 100)])
        weeks = KEPT_S[HOUR_S] // HOUR_S
        await history.add([(NOON + (number + 100) * HOUR_S, figures) for number in range(weeks)])
        minutes, hours = await history.points(MINUTE_S, 0), await history.points(HOUR_S, 0)
        assert len(minutes) <= day
        assert len(hours) == weeks
        assert hours[-1][0] - hours[0][0] < KEPT_S[HOUR_S]
    finally:
        await history.aclose()


@pytest.mark.process
@pytest.mark.asyncio
async def test_a_minute_goes_on_after_a_restart(tmp_path: Path) -> None:
    path, clock = tmp_path / "figures.sqlite3", SetClock()
    for _ in range(2):
        metrics = Metrics(version="1")  # counters begin anew with each server
        recorder = Recorder(path, clock, metrics.counted)
        metrics.session_crashed("/a", "memory")
        recorder.look({"sessions": 2})
        past = await recorder.past(1)
        await recorder.aclose()
        clock.at += 10
    assert path.stat().st_mode & 0o077 == 0
    assert lines(past.steps, "crashes", counted=True)["memory"][-1] == 2  # before the second was written
    assert lines(past.steps, "sessions", counted=False)[""][-1] == 2
    later = Recorder(path, clock, Metrics(version="1").counted)
    clock.at += MINUTE_S
    past = await later.past(24 * 7)
    await later.aclose()
    assert past.step_s == HOUR_S
    assert len(past.steps) == 24 * 7
    assert lines(past.steps, "crashes", counted=True)["memory"][-1] == 2
    assert past.steps[-2] is None


@pytest.mark.process
@pytest.mark.asyncio
async def test_nothing_is_added_to_a_minute_while_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, metrics, counted_again = SetClock(), Metrics(version="1"), threading.Event()
    looks = 0

    def counted() -> Iterable[Any]:
        nonlocal looks
        looks += 1
        if looks > 1:
            counted_again.set()
        return metrics.counted()

    def slowly(points: list[tuple[int, Figures]], **how: int) -> list[Figures | None]:
        counted_again.wait(0.1)  # by whoever writes the minute down, once it is told
        return gathered(points, **how)

    monkeypatch.setattr(recorders, "gathered", slowly)
    recorder = Recorder(tmp_path / "figures.sqlite3", clock, counted)
    recorder.look({"sessions": 2})
    metrics.session_crashed("/a", "memory")
    clock.at += MINUTE_S
    recorder.look({"sessions": 2})
    past = await recorder.past(1)
    await recorder.aclose()
    assert sum(filter(None, lines(past.steps, "crashes", counted=True)["memory"])) == 1


@pytest.mark.process
@pytest.mark.asyncio
async def test_what_cannot_be_written_waits_and_is_told(tmp_path: Path) -> None:
    path, clock = tmp_path / "figures.sqlite3", SetClock()
    path.write_bytes(b"no database at all" * 100)
    recorder = Recorder(path, clock, Metrics(version="1").counted)
    for _ in range(MAX_WAITING + 10):
        recorder.look({"sessions": 3})
        clock.at += MINUTE_S
    past = await recorder.past(24)
    assert "figures.sqlite3 is damaged" in past.failing
    known = [step for step in past.steps if step is not None]
    assert sum(step.looks for step in known) <= MAX_WAITING + 1
    path.unlink()
    recorder.look({"sessions": 3})
    await recorder.aclose()
    with closing(sqlite3.connect(path)) as db:
        (count,) = db.execute("SELECT count(*) FROM figures WHERE step_s = 60").fetchone()
    assert MAX_WAITING <= count <= MAX_WAITING + 1
