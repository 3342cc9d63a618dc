"""Who was measured after a mark: each once, the last first, nobody who is over."""

from __future__ import annotations

import pytest

from runtime.session.measured import Measured
from runtime.session.spec import SessionId

pytestmark = pytest.mark.unit

ONE, TWO, THREE = SessionId("one"), SessionId("two"), SessionId("three")


def test_each_reader_hears_of_those_that_were_measured_since_it_last_asked() -> None:
    measured = Measured()
    for session in (ONE, TWO, THREE, ONE):
        measured.note(session)
    mark, found = measured.after(0)
    assert found == [ONE, THREE, TWO]
    assert measured.after(mark) == (mark, [])
    measured.note(TWO)
    assert measured.after(mark)[1] == [TWO]
    assert measured.after(0)[1] == [TWO, ONE, THREE], "another reader has a mark of its own"


def test_what_is_over_is_kept_no_longer() -> None:
    measured = Measured()
    measured.note(ONE)
    measured.forget(ONE)
    measured.forget(TWO)
    assert measured.after(0) == (1, [])
