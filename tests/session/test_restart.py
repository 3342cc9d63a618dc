"""Delays between restarts."""

from __future__ import annotations

import pytest

from runtime.session.restart import Backoff

pytestmark = pytest.mark.unit


def test_delays_double_up_to_the_most_and_begin_anew_after_a_stable_life() -> None:
    backoff = Backoff(first_s=0.1, most_s=1.0, stable_s=30)
    assert [backoff.after(0.5) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff.after(31) == 0.1
    assert backoff.after(0) == 0.2


def test_a_year_of_failures_does_not_overflow() -> None:
    backoff = Backoff()
    for _ in range(5000):
        delay_s = backoff.after(0)
    assert delay_s == backoff.most_s
