from __future__ import annotations

import pytest

from runtime.front.openapi.shapes import sessions as shapes
from runtime.front.operator.usage.recent_use import KEPT, RecentUse, resampled, shares
from runtime.session.use import UsePoint

pytestmark = pytest.mark.unit


def point(t_s: float, cpu_s: float = 0.0, rss_bytes: int = 0) -> UsePoint:
    return UsePoint(t_s=t_s, rss_bytes=rss_bytes, pss_bytes=0, cpu_s=cpu_s, processes=1)


def test_a_share_is_what_was_used_since_the_reading_before() -> None:
    spark = RecentUse().meet("s", ())
    assert spark.take(10.0, 1.0, 5) == 0.0  # there was none before
    assert spark.take(12.0, 2.0, 6) == 0.5
    assert spark.take(12.0, 2.0, 6) == 0.5  # nobody measured meanwhile: the last share holds
    assert spark.take(13.0, 1.0, 7) == 0.0  # a child was lost with its time
    assert spark.shown() == shapes.RecentUse(cpu=[0.0, 0.5, 0.5, 0.0], rss=[5, 6, 6, 7])
    assert spark.shown(2) == shapes.RecentUse(cpu=[0.5, 0.0], rss=[6, 7])


def test_of_who_was_not_measured_the_seconds_are_filled_in() -> None:
    sparks = RecentUse()
    spark = sparks.meet("s", ())
    spark.rest_until(5)
    assert spark.shown().rss == [], "nothing is known of it yet"
    spark.take(10.0, 1.0, 5)
    spark.take(11.0, 1.5, 6)
    spark.rest_until(8)
    spark.rest_until(8)
    assert spark.shown() == shapes.RecentUse(cpu=[0.0, 0.5, 0.0, 0.0, 0.0], rss=[5, 6, 6, 6, 6])
    spark.rest_until(10_000)
    assert spark.shown().cpu == [0.0] * KEPT


def test_a_spark_is_bounded_and_forgotten_with_its_session() -> None:
    sparks = RecentUse()
    spark = sparks.meet("s", ())
    for second in range(3 * KEPT):
        spark.take(float(second), 0.0, second)
    assert spark.shown().rss == list(range(2 * KEPT, 3 * KEPT))
    assert len(sparks) == 1
    sparks.forget("s")
    sparks.forget("s")
    assert len(sparks) == 0
    assert sparks.of("s") is None


def test_a_session_that_is_met_late_brings_its_curve_at_whole_seconds() -> None:
    curve = [point(1.0, 1.0, 10), point(3.0, 2.0, 20), point(4.0, 2.0, 30)]
    assert shares(curve) == [1.0, 0.5, 0.0]
    # At 0, 1, 2, 3 and 4 seconds; what lies between two points belongs to the later one.
    assert resampled(curve) == [(1.0, 10), (1.0, 10), (0.5, 20), (0.5, 20), (0.0, 30)]
    assert resampled([]) == []
    assert len(resampled([point(10_000.0)])) == KEPT
