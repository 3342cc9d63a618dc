"""The questions that a memory is asked in: a small part of Cypher, made into conditions for SQLite.  Pure.

    MATCH (e:Entity) WHERE e.entity_type = 'person' AND e.name CONTAINS 'Ada'
    RETURN e.name AS name, e.context ORDER BY e.valid_at DESC LIMIT 20

One node (`Entity`) or relationship (`RELATIONSHIP`), its fields, and comparisons of them.  What a text holds
never becomes SQL: fields are of a list, everything else is a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import msgspec

from runtime.errors import InvalidRequest

ENTITY: Final = (
    "entity_id", "name", "entity_type", "context", "confidence", "created_at", "valid_at", "metadata",
)  # fmt: skip
RELATIONSHIP: Final = (
    "source_entity_id", "target_entity_id", "relationship_type", "description", "confidence", "created_at",
    "valid_at", "expired_at", "invalid_at", "source_entity_name", "target_entity_name", "metadata",
)  # fmt: skip
KINDS: Final[Mapping[str, tuple[str, ...]]] = {"entity": ENTITY, "relationship": RELATIONSHIP}

MAX_CHARS: Final = 10_000
_MAX_DIGITS: Final = 18
MAX_DEPTH: Final = 30
MAX_LIMIT: Final = 1000
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*(?:\.\w+)?)|(?P<sign><>|<=|>=|!=|[=<>(),:\[\]]))"
)
_COMPARE: Final = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_CURE: Final = "MATCH (e:Entity) WHERE e.name = 'x' RETURN e.name AS name ORDER BY e.name LIMIT 10"


class Question(msgspec.Struct, frozen=True):
    """What to look up.

    Attributes:
        kind: ``entity`` or ``relationship``.
        where: A condition of SQLite, with a `?` for each of the parameters.
        columns: Fields, and the names under which they are given.
    """

    kind: str
    where: str
    parameters: tuple[Any, ...]
    columns: tuple[tuple[str, str], ...]
    order: tuple[tuple[str, bool], ...]
    limit: int


def parse(statement: str) -> Question:
    """Read one question; raises InvalidRequest."""
    if len(statement) > MAX_CHARS:
        raise InvalidRequest(f"a statement has at most {MAX_CHARS} characters")
    return _Reader(_tokens(statement)).question()


def _tokens(statement: str) -> list[tuple[str, str]]:
    found, at = list[tuple[str, str]](), 0
    text = statement.rstrip().removesuffix(";").rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise InvalidRequest(
                f"the statement cannot be read at {text[at : at + 20]!r}", cure=f"Like {_CURE}"
            )
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class _Reader:
    """Descends through the tokens of one statement."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at = tokens, 0
        self._variable, self._fields = "", tuple[str, ...](ENTITY)
        self._parameters: list[Any] = []

    def question(self) -> Question:
        self._expect("MATCH")
        self._expect("(")
        self._variable = self._word()
        self._expect(":")
        kind = self._word().lower()
        if kind not in KINDS:
            self._wrong("Entity or RELATIONSHIP")
        self._fields = KINDS[kind]
        self._expect(")")
        where = self._either(0) if self._took("WHERE") else "1"
        self._expect("RETURN")
        columns = self._columns()
        order = self._order() if self._took("ORDER") else ()
        limit = self._limit() if self._took("LIMIT") else MAX_LIMIT
        if self._at < len(self._tokens):
            self._wrong("the end")
        return Question(kind, where, tuple(self._parameters), columns, order, limit)

    def _columns(self) -> tuple[tuple[str, str], ...]:
        found = []
        while True:
            field = self._field()
            found.append((field, self._word() if self._took("AS") else field))
            if not self._took(","):
                return tuple(found)

    def _order(self) -> tuple[tuple[str, bool], ...]:
        self._expect("BY")
        found = []
        while True:
            field = self._field()
            down = self._took("DESC")
            if not down:
                self._took("ASC")
            found.append((field, down))
            if not self._took(","):
                return tuple(found)

    def _limit(self) -> int:
        kind, text = self._next("a number")
        if kind != "number" or not text.isdigit() or len(text) > _MAX_DIGITS:
            self._wrong("a number")
        return min(int(text), MAX_LIMIT)

    # ---- conditions

    def _either(self, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise InvalidRequest(f"conditions are nested deeper than {MAX_DEPTH}")
        parts = [self._all(depth)]
        while self._took("OR"):
            parts.append(self._all(depth))
        return f"({' OR '.join(parts)})"

    def _all(self, depth: int) -> str:
        parts = [self._one(depth)]
        while self._took("AND"):
            parts.append(self._one(depth))
        return f"({' AND '.join(parts)})"

    def _one(self, depth: int) -> str:
        if depth > MAX_DEPTH:
            raise InvalidRequest(f"conditions are nested deeper than {MAX_DEPTH}")
        if self._took("NOT"):
            return f"NOT {self._one(depth + 1)}"
        if self._took("("):
            inner = self._either(depth + 1)
            self._expect(")")
            return inner
        field = self._field()
        if self._took("IS"):
            negated = self._took("NOT")
            self._expect("NULL")
            return f"{field} IS {'NOT ' if negated else ''}NULL"
        if self._took("IN"):
            return self._among(field)
        for words, shape in (("CONTAINS", "%{}%"), ("STARTS", "{}%"), ("ENDS", "%{}")):
            if self._took(words):
                if words != "CONTAINS":
                    self._expect("WITH")
                escaped = re.sub(r"([%_\\])", r"\\\1", str(self._value()))
                self._parameters.append(shape.format(escaped))
                return f"{field} LIKE ? ESCAPE '\\'"
        _, sign = self._next("a comparison")
        if sign not in _COMPARE:
            self._wrong("a comparison")
        self._parameters.append(self._value())
        return f"{field} {_COMPARE[sign]} ?"

    def _among(self, field: str) -> str:
        self._expect("[")
        count = 0
        while not self._took("]"):
            if count:
                self._expect(",")
            self._parameters.append(self._value())
            count += 1
        return f"{field} IN ({', '.join('?' * count)})"

    # ---- words

    def _field(self) -> str:
        variable, _, field = self._word().partition(".")
        if variable != self._variable or field not in self._fields:
            self._wrong(f"a field of {self._variable}: {', '.join(self._fields)}")
        return field

    def _value(self) -> Any:
        kind, text = self._next("a value")
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "number" and ("." in text or len(text) <= _MAX_DIGITS):
            return float(text) if "." in text else int(text)
        if text.lower() in ("true", "false", "null"):
            return {"true": 1, "false": 0, "null": None}[text.lower()]
        return self._wrong("a text, or a number of 64 bits")

    def _word(self) -> str:
        kind, text = self._next("a name")
        if kind != "word":
            self._wrong("a name")
        return text

    def _took(self, word: str) -> bool:
        is_next = self._at < len(self._tokens) and self._tokens[self._at][1].upper() == word
        if is_next and self._tokens[self._at][0] != "text":
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._took(word):
            self._at += 1
            self._wrong(word)

    def _next(self, wanted: str) -> tuple[str, str]:
        self._at += 1
        if self._at > len(self._tokens):
            self._wrong(wanted)
        return self._tokens[self._at - 1]

    def _wrong(self, wanted: str) -> NoReturn:
        found = self._tokens[self._at - 1][1][:40] if self._at <= len(self._tokens) else "its end"
        raise InvalidRequest(f"the statement has {found!r} where {wanted} is expected", cure=f"Like {_CURE}")
