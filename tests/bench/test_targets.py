"""What a run of the benchmarks says of its targets: reached, missed, noisy, worse than the run before."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from bench import report as reports
from bench import since
from bench.__main__ import BY_NAME, NAMES
from bench.report import Report, mark
from bench.rounds import by_rounds

pytestmark = pytest.mark.unit


def ran(ours: list[float], limit: float = 1.0) -> Report:
    made = Report("start", "a start", "ms")
    made.at_most("over a bare fork", by_rounds(ours, [limit] * len(ours)), 1.15)
    return made


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(reports, "RESULTS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("ours", "word", "shown"),
    [
        ([1.1] * 10, "reached", "1.1x"),
        ([1.4] * 10, "MISSED ", "1.4x"),
        ([1.3, 1.3, 1.4, 1.4, 1.5, 1.5], "MISSED ", "1.4x (1.3-1.5)"),
        ([1.0, 1.0, 1.2, 1.2, 1.6, 1.6], "noisy  ", "1.2x (1-1.6)"),
    ],
)
def test_a_ratio_has_the_spread_of_its_rounds(ours: list[float], word: str, shown: str) -> None:
    [target] = ran(ours).targets

    assert (mark(target), target.found) == (word, shown)


def test_each_part_of_a_ratio_has_the_same_moods_of_the_machine() -> None:
    moods = [1.0, 1.0, 5.0, 5.0, 2.0, 2.0]
    found = by_rounds([1.2 * mood for mood in moods], moods)

    assert found is not None
    assert found.high == pytest.approx(found.low) == pytest.approx(1.2)


@pytest.mark.parametrize(("found_ms", "word"), [(7.0, "noisy  "), (4.0, "reached")])
def test_a_machine_that_is_late_by_itself_says_nothing_of_a_bound_it_misses(
    found_ms: float, word: str
) -> None:
    made = Report("siblings", "answers", "ms")
    made.at_most("p99", found_ms, 5, "ms", quiet=False)

    assert mark(made.targets[0]) == word


def test_the_99th_percentile_of_few_is_the_largest() -> None:
    made = Report("start", "a start", "ms")
    made.times("ours", [1.0, 3.0])

    assert made.rows[0].p99 == 3.0


@pytest.mark.parametrize(
    ("now", "is_told"),
    [([1.12] * 10, False), ([1.2] * 10, True), ([2.0] * 10, True), ([1.0, 1.0, 1.2, 1.2, 1.6, 1.6], False)],
)
def test_what_became_worse_than_the_last_run_is_told(kept: Path, now: list[float], is_told: bool) -> None:
    ran([1.1] * 10).keep()

    told = since.worse(ran(now), kept, quick=False)

    assert [line.split(", was ")[0] for line in told] == (
        [f"start: over a bare fork: {ran(now).targets[0].found}"] if is_told else []
    )


def test_a_short_run_is_not_compared_with_a_long_one(kept: Path) -> None:
    ran([1.1] * 10).keep()

    assert since.worse(ran([2.0] * 10), kept, quick=True) == []


@pytest.mark.parametrize("text", ["", "[]", '{"targets": 1'])
def test_results_that_cannot_be_read_are_no_results(kept: Path, text: str) -> None:
    (kept / "start.json").write_text(text)

    assert since.worse(ran([2.0] * 10), kept, quick=False) == []


def test_every_benchmark_is_there_to_be_run() -> None:
    for name in (*NAMES, *BY_NAME):
        assert callable(importlib.import_module(f"bench.{name}").run), name
