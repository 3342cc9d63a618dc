"""What is told of an agent that did not answer."""

from __future__ import annotations

from typing import Any, cast

import pytest

from runtime.cli.room.why import Asked

pytestmark = pytest.mark.unit

LINE = 'refused files.write /srv/data/x · a may write its own folder · allow: write=["data"] in @service.path'


class Answers:
    """A server with sessions of one room."""

    def __init__(self) -> None:
        self.live = [session("s_1", "a"), session("s_2", "b")]
        self.ended: list[dict[str, Any]] = []
        self.lines = [{"stream": "output", "text": "hello"}]

    def get(self, path: str) -> Any:
        if path.endswith("/logs"):
            return {"lines": self.lines if "s_1" in path else []}
        assert path.startswith("/workers?room=demo")
        return {"workers": [*self.live, *(self.ended if "all=1" in path else [])]}


def session(name: str, identity: str, reason: str = "") -> dict[str, Any]:
    end = {"reason": reason, "message": "its folder held more than 1 GiB."} if reason else None
    return {"id": name, "identity": identity, "exit": end, "restart": {"last_exit": None}}


def test_an_agent_that_ended_is_told_with_its_reason() -> None:
    server = Answers()
    server.ended = [session("s_0", "a", "memory")]  # before it was asked
    asked = Asked(cast(Any, server), "demo", "a")
    server.live = [session("s_2", "b")]
    server.ended.append(session("s_1", "a", "disk"))
    assert asked.why("agent 'a' has left the room") == (
        "a ended, reason disk: its folder held more than 1 GiB",
        "`bulkhead crash show s_1` says what to do.",
    )


def test_an_agent_that_is_there_again_is_told_with_how_its_last_attempt_ended() -> None:
    server = Answers()
    asked = Asked(cast(Any, server), "demo", "a")
    server.live[0]["restart"]["last_exit"] = {"reason": "exit", "message": "the program called exit: code 7"}
    told = (
        "a ended, reason exit: the program called exit: code 7",
        "`bulkhead crash show s_1` says what to do.",
    )
    assert asked.why("a left the room in mid-answer") == told
    asked.again()
    assert asked.why("a left the room in mid-answer") is None, "that was before this question"


def test_an_agent_that_does_not_answer_is_told_with_what_keeps_it_from_that() -> None:
    server = Answers()
    asked = Asked(cast(Any, server), "demo", "a")
    assert asked.why("a has answered nothing for 60 s") is None
    server.live[0]["note"] = "is frozen by an operator"
    assert asked.why("a has answered nothing for 60 s") == (
        "a has answered nothing for 60 s: it is frozen by an operator",
        "`bulkhead stacks s_1` shows where it is.",
    )


def test_a_refusal_behind_an_error_is_told_with_what_allows_it() -> None:
    server = Answers()
    asked = Asked(cast(Any, server), "demo", "a")
    error = "PermissionError: [Errno 13] Permission denied: '/srv/data/x'"
    assert asked.why(error) is None, "nothing was refused that we know of"
    other = LINE.replace("/srv/data/x", "/srv/other").replace('"data"', '"other"')
    server.lines += [{"stream": "server", "text": text} for text in (LINE, other)]
    assert asked.why(error) == (
        f"{error} (refused files.write /srv/data/x · a may write its own folder)",
        'To allow it: write=["data"] in @service.path.',
    )
    told = asked.why("OperationalError: unable to open database file")
    assert told is not None
    assert '"other"' in told[1], "the last one"
    assert asked.why("ValueError: no") is None
