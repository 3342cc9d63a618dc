from __future__ import annotations

import pytest

from runtime.session.calls.call_ids import CallId, CallIds, digest
from runtime.session.spec import SessionId, SessionSpec

pytestmark = pytest.mark.unit


def called(number: int, at: float = 0.0) -> CallId:
    return CallId("/a", f"x{number}", SessionId(f"s_{number}"), digest("r", "", {"n": number}), at)


def test_a_digest_is_of_what_was_said_in_whatever_order() -> None:
    assert digest("r", "", {"a": 1, "b": {"c": 2, "d": 3}}) == digest(
        "r", "", {"b": {"d": 3, "c": 2}, "a": 1}
    )
    others = [("s", "", {}), ("r", "wss://x", {}), ("r", "", {"a": 1}), ("r", "", {"a": "1"})]
    assert len({digest("r", "", {}), *(digest(*other) for other in others)}) == 5


def test_a_session_without_an_id_has_none() -> None:
    spec = SessionSpec(session_id=SessionId("s_1"), bundle="b", endpoint="/a", identity="a", room="r")
    assert CallId.of(spec) is None


def test_an_id_is_forgotten_when_it_is_too_old_or_one_of_too_many() -> None:
    ids = CallIds(most=2, window_s=10.0)
    ids.restore([called(3, at=3.0), called(1, at=1.0), called(2, at=2.0)])
    assert ids.find("/a", "x1", 3.0) is None
    assert ids.find("/a", "x2", 12.0) == called(2, at=2.0)
    assert ids.find("/a", "x2", 12.1) is None
    assert ids.find("/b", "x3", 3.0) is None
    assert len(ids) == 2


def test_the_id_of_what_never_came_to_be_is_free() -> None:
    ids = CallIds()
    ids.remember(called(1))
    assert ids.forget(SessionId("s_1")) == called(1)
    assert ids.find("/a", "x1", 0.0) is None
    assert ids.forget(SessionId("s_1")) is None
