"""Of what a worker says no more is kept than has been agreed, whichever field it is in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runtime.session.exit_reasons import ExitReason
from runtime.session.record import Exit, Failure
from runtime.supervisor import verdict
from runtime.wire import bounds, control
from runtime.wire.trace import Excerpt, Frame, TaskTrace, Trace

pytestmark = pytest.mark.unit

MIB = "x" * (1 << 20)
BIG = Trace(
    frames=[Frame(MIB, 1, MIB, True, MIB, {MIB: MIB})],
    tasks=[TaskTrace(MIB, MIB, [MIB])],
    excerpt=Excerpt(MIB, 1, 1, [MIB], MIB),
    bases=[MIB],
    hide=[MIB] * 3,
)
SAID: list[Any] = [
    control.Failed(MIB, MIB, MIB, MIB, MIB, MIB, BIG),
    control.Exiting(MIB, MIB, MIB, MIB, BIG),
    control.Ended(MIB, MIB),
    control.ReadyNow(MIB),
    control.Refused([(MIB, MIB)] * 100, {f"{n}{MIB}": n for n in range(100)}),
    control.StatusNow({f"{n}{MIB}": MIB for n in range(100)}),
    control.StatusNow({"a": [MIB], "b": {MIB: MIB}, "c": MIB.encode(), "d": float("nan")}),
]


@pytest.mark.parametrize("said", SAID, ids=lambda said: type(said).__name__)
def test_every_text_of_a_worker_is_cut_once(said: Any) -> None:
    kept = bounds.heard(said)
    assert len(control.encode(kept)) < 64 << 10
    assert bounds.heard(kept) == kept


@pytest.mark.parametrize(
    "said",
    [control.ImportFailed(MIB, MIB, MIB, MIB, MIB, near=MIB, refused=(MIB, MIB)), control.ForkFailed(1, MIB)],
)
def test_every_text_of_a_zygote_is_cut(said: Any) -> None:
    assert len(control.encode(bounds.told(said))) < 64 << 10


def test_what_is_within_the_bounds_stays_as_it_is() -> None:
    trace = Trace(frames=[Frame("main.py", 3, "start", True, "raise", {"key": "•••"})], hide=["secret"])
    said = control.Failed("start", "ValueError", "no model", "main.py:3 in start", "Traceback", "", trace)
    assert bounds.heard(said) == said
    counts = control.StatusNow({"turns": 3, "note": "busy", "load": 0.5, "on": True, "off": None})
    assert bounds.heard(counts) == counts
    assert bounds.heard(packet := control.Packet(b"p" * 100)) is packet


def test_an_end_is_told_in_bounded_words_whoever_cut_before() -> None:
    failed = verdict.of_failure(SAID[0])
    assert failed.failure is not None
    assert len(msgspec.json.encode(failed)) < 64 << 10
    assert len(verdict.of_last_word(SAID[2]).message) <= bounds.TEXT_CHARS


def test_a_record_keeps_no_traceback_and_bounds_what_an_older_version_wrote() -> None:
    failure = Failure(stage=MIB, kind=MIB, message=MIB, where=MIB, traceback=MIB)
    kept = Exit(reason=ExitReason.AGENT_ERROR, message=MIB, failure=failure).recorded()
    assert len(msgspec.json.encode(kept)) < 8 << 10
    assert kept.failure is not None
    assert kept.failure.traceback == ""
