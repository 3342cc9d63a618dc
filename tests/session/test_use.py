"""What a session used: totals and peaks are exact, the curve is bounded, the last reading is never lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.session.use import MAX_POINTS, UseMeter

pytestmark = pytest.mark.unit


def test_peaks_totals_and_the_area_under_the_memory() -> None:
    meter = UseMeter(began=100.0)
    meter.read(100.0, rss_bytes=1000, cpu_s=0.0)
    meter.read(102.0, rss_bytes=3000, cpu_s=1.5, processes=4)
    meter.read(103.0, rss_bytes=2000, cpu_s=1.2)  # a child ended unwaited: what was used stays used
    use = meter.use(now=105.0)
    assert (use.peak_rss_bytes, use.cpu_s, use.peak_processes) == (3000, 1.5, 4)
    assert use.memory_byte_seconds == 1000 * 2 + 3000 * 1 + 2000 * 2
    assert [point.t_s for point in use.curve] == [0.0, 2.0, 3.0]


def test_memory_is_charged_without_what_is_shared() -> None:
    meter = UseMeter(began=0.0)
    meter.read(0.0, rss_bytes=1000, pss_bytes=200, cpu_s=0.0)
    meter.read(10.0, rss_bytes=1100, cpu_s=0.0)  # not read this time: as much is shared as before
    assert meter.use(now=20.0).memory_byte_seconds == 200 * 10 + 300 * 10
    assert meter.use().peak_pss_bytes == 200


def test_the_kernels_account_at_the_end_counts_when_it_knows_more() -> None:
    meter = UseMeter(began=0.0)
    meter.read(1.0, rss_bytes=1, cpu_s=1.0)
    meter.cpu(0.5)
    meter.cpu(3.0)
    meter.peak_rss(77)
    assert (meter.use().cpu_s, meter.use().peak_rss_bytes) == (3.0, 77)


@given(st.lists(st.floats(min_value=0.001, max_value=1000.0), min_size=1, max_size=600))
def test_the_curve_is_bounded_in_order_and_ends_with_the_last_reading(gaps: list[float]) -> None:
    meter = UseMeter(began=0.0)
    now = 0.0
    for count, gap in enumerate(gaps):
        now += gap
        meter.read(now, rss_bytes=count, cpu_s=float(count))
    curve = meter.use().curve
    assert 1 <= len(curve) <= MAX_POINTS
    assert [point.t_s for point in curve] == sorted(point.t_s for point in curve)
    assert curve[-1].rss_bytes == len(gaps) - 1
