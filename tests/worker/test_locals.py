"""Values as text, without running a line of the agent and without end to nothing."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import FrameType
from typing import Any

import pytest

from runtime.session.redaction import HIDDEN, Redactor
from runtime.worker.locals import MAX_LOCALS, MAX_VALUE_CHARS, locals_of, secrets_of, show, show_named

pytestmark = pytest.mark.unit


def shown(value: Any) -> str:
    return show(value, Redactor())


RAN: list[str] = []


class Hostile:
    """Whatever is asked of it by name, it answers with a failure of the test."""

    def __init__(self) -> None:
        object.__setattr__(self, "visible", 1)

    def _ran(self, *_: object) -> Any:
        RAN.append("ran")
        raise AssertionError("code of the agent was run")

    __repr__ = __str__ = __format__ = __len__ = __iter__ = __getattr__ = __getattribute__ = _ran  # type: ignore[assignment]
    __eq__ = __hash__ = __bool__ = __dir__ = _ran  # type: ignore[assignment]
    __class__ = property(_ran)  # type: ignore[assignment]


class Meta(type):
    def __eq__(cls, other: object) -> bool:
        raise AssertionError("code of the agent was run")

    __hash__ = type.__hash__

    @property
    def __mro__(cls) -> Any:  # type: ignore[override]
        raise AssertionError("code of the agent was run")


class WithMeta(metaclass=Meta):
    def __init__(self) -> None:
        self.x = 1


class LyingDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise AssertionError("code of the agent was run")

    __iter__ = __len__ = __repr__ = items  # type: ignore[assignment]


class LyingStr(str):
    def __str__(self) -> str:
        raise AssertionError("code of the agent was run")

    __len__ = __getitem__ = __repr__ = __str__  # type: ignore[assignment]


def test_no_method_of_the_agent_is_called() -> None:
    RAN.clear()
    assert shown(Hostile()) == "<Hostile visible=1>"
    assert shown(WithMeta()) == "<WithMeta x=1>"
    assert shown(LyingDict(a=1)) == "LyingDict({'a': 1})"
    assert shown(LyingStr("abc")) == "'abc'"
    assert shown([Hostile()]) == "[<Hostile>]"
    assert shown({"h": Hostile()}) == "{'h': <Hostile>}"
    assert RAN == []


class Color(Enum):
    RED = 1


class Level(IntEnum):
    HIGH = 3


@dataclass(slots=True)
class Point:
    x: int
    y: list[int]


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"), (True, "True"), (1.5, "1.5"), (2j, "2j"), (-7, "-7"), ("a'b", '"a\'b"'),
        (b"ab", "b'ab'"),
        ([1, [2, [3, [4]]]], "[1, [2, [3, …]]]"), ((1,), "(1)"), ({1: {2}}, "{1: {2}}"), (set(), "set()"),
        (deque([1]), "deque([1])"), (OrderedDict(a=1), "{'a': 1}"), (defaultdict(int, a=1), "{'a': 1}"),
        (Level.HIGH, "Level(3)"), (Point(1, [2]), "<Point x=1 y=[2]>"), (Pair(1, 2), "Pair(1, 2)"),
        (ValueError("no", 1), "ValueError('no', 1)"), (len, "<function len>"), (int, "<class int>"),
        (sys, "<module sys>"), (list(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, …]"),
    ],
)  # fmt: skip
def test_values_are_written_as_one_expects(value: Any, text: str) -> None:
    assert shown(value) == text


def test_big_values_cost_little() -> None:
    huge = {"text": "x" * 50_000_000, "number": 1 << 10_000_000, "list": [0] * 5_000_000}
    text = shown(huge)
    assert len(text) < 3 * MAX_VALUE_CHARS
    assert "<int of 10000001 bits>" in shown(1 << 10_000_000)
    assert "more characters" in shown("x" * 10**6)
    assert "more bytes" in shown(b"x" * 10**6)
    loop: list[Any] = []
    loop.append(loop)
    assert shown(loop) == "[[[…]]]"


def test_a_secret_is_hidden_by_its_name_and_by_its_looks() -> None:
    redactor = Redactor()
    assert show_named("api_key", "hunter2", redactor) == HIDDEN
    assert show_named("max_tokens", 4096, redactor) == "4096"
    assert show_named("token", None, redactor) == "None"
    assert HIDDEN in show({"password": "hunter2", b"authorization": b"x"}, redactor)
    assert "hunter2" not in show([("Cookie", "hunter2")], redactor)
    assert "sk-" not in show(["sk-abcdefghijklmnop"], redactor)
    assert "hunter2" not in shown(Point("x", {"secret": "hunter2"}))  # type: ignore[arg-type]
    # Cut after it was hidden: no half of a key remains at the end.
    assert "sk-" not in show("x" * (MAX_VALUE_CHARS - 10) + " sk-abcdefghijklmnopqrstuvw", redactor)


def frame_with(count: int = 0) -> FrameType:
    password, config = "hunter2-a", {"api_key": "hunter2-b", "headers": 1}
    holder = Point("p", [])  # type: ignore[arg-type]
    lock = threading.Lock()
    scope = {f"v{n}": n for n in range(count)}
    made: dict[str, Any] = {}
    exec("import sys\ndef f(**scope):\n    return sys._getframe()", made)
    assert all((password, config, holder, lock))
    return sys._getframe() if not count else _many(scope)


def _many(scope: dict[str, int]) -> FrameType:
    body = "".join(f"    {name} = {value}\n" for name, value in scope.items())
    made: dict[str, Any] = {}
    exec(f"import sys\ndef f():\n{body}    return sys._getframe()", made)
    return made["f"]()  # type: ignore[no-any-return]


def test_the_locals_of_a_frame_are_bounded_and_their_secrets_learnt() -> None:
    redactor = Redactor(secrets_of(frame_with()))
    text, omitted = locals_of(frame_with(), redactor)
    assert text["password"] == HIDDEN
    assert text["config"] == "{'api_key': •••, 'headers': 1}"
    assert "hunter2" not in str(text)
    assert omitted == 0
    assert set(redactor.values) == {"hunter2-a", "hunter2-b"}
    many, omitted = locals_of(frame_with(100), redactor)
    assert (len(many), omitted) == (MAX_LOCALS, 80)


def test_a_namespace_of_the_agents_own_is_not_read() -> None:
    class Space(dict):  # type: ignore[type-arg]
        def items(self) -> Any:
            raise AssertionError("code of the agent was run")

    frames: list[FrameType] = []

    class Made(type):
        @classmethod
        def __prepare__(cls, *_: Any) -> Any:
            return Space(keep=frames.append, frame=sys._getframe)

    exec("class X(metaclass=Made):\n    keep(frame())", {"Made": Made})
    assert locals_of(frames[0], Redactor()) == ({}, 0)
