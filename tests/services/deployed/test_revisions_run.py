"""Which revision a session runs is known by its bundle and its begin, whatever is in force now."""

from __future__ import annotations

import pytest

from runtime.services.deployed.revisions_run import RevisionsRun
from runtime.services.service import Revision
from runtime.session.calls.deployed import path_of, reference

pytestmark = pytest.mark.unit

FIRST, SECOND = "1" * 64, "2" * 64
PATH = path_of("id-1", "/chat")


def revision(number: int, at: float, digest: str) -> Revision:
    spec = {"metadata": {"name": "bot"}, "container": {"image": reference("bot", digest)}}
    more = {"by": "", "what": "", "image_digest": "", "secret_versions": {}}
    return Revision(number=number, at=at, spec=spec, **more)


def test_a_session_goes_on_with_the_revision_that_it_began_with() -> None:
    known = RevisionsRun()
    history = [revision(1, 10.0, FIRST), revision(2, 20.0, SECOND), revision(3, 30.0, FIRST)]
    known.learn("id-1", history)
    first, second = "bot@11111111", "bot@22222222"
    assert [
        known.of(PATH, *one) for one in ((first, 15.0), (second, 25.0), (first, 29.0), (first, 31.0))
    ] == [*(1, 2, 1, 3)]
    assert known.of(PATH, second, 19.9) == 2  # by the clock of another machine
    assert [
        known.of("/chat", "chat", 15.0),
        known.of(PATH, "bot@33333333", 15.0),
        known.of(PATH, first, None),
    ] == [*(0, 0, 0)]


def test_a_revision_with_other_variables_alone_is_run_from_when_it_serves() -> None:
    known = RevisionsRun()
    history = [revision(1, 10.0, FIRST), revision(2, 20.0, FIRST)]
    known.learn("id-1", history, newest_since=24.0)
    bundle = "bot@11111111"
    assert [known.of(PATH, bundle, at) for at in (15.0, 22.0, 25.0)] == [1, 1, 2]
    known.forget("id-1")
    assert known.of(PATH, bundle, 25.0) == 0
