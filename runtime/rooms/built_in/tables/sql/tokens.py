"""The words of a filter or an expression, as participants and models write them.  Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from runtime.errors import InvalidRequest
from runtime.wire.text import utf8_text

MAX_CHARS: Final = 262_144
_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<bytes>[xX]'[0-9a-fA-F]*')
  | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<text>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"\\]|\\.|"")*")
  | (?P<given>\$\w+)
  | (?P<name>`[^`]+`|[^\W\d]\w*)
  | (?P<sign><=|>=|<>|!=|==|\|\||::|[=<>+\-*/%(),.\[\]])
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(msgspec.Struct, frozen=True):
    """One word.

    Attributes:
        kind: name, word (a name that is not quoted), literal, sign, or end.
        value: The name as written, the literal's value, or the sign.
        at: Where it begins, in characters.
    """

    kind: str
    value: Any
    at: int

    @property
    def word(self) -> str:
        """A name that is not quoted, or a sign, in capitals; empty for anything else."""
        return self.value.upper() if self.kind in ("word", "sign") else ""


def tokens(text: str, *, quotes_are_text: bool, given: Mapping[str, Any] | None = None) -> list[Token]:
    """Split it; the last token is the end.

    Args:
        quotes_are_text: ``"x"`` is a text, escaped as JSON is (so write releases up to 0.35); else a name.

        given: What stands for ``$name``.

    Raises:
        InvalidRequest: There is something in it that no expression has.
    """
    if len(text) > MAX_CHARS:
        raise InvalidRequest(f"an expression has at most {MAX_CHARS} characters")
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise InvalidRequest(f"the expression cannot be read at {text[at : at + 20]!r}")
        kind, word = str(match.lastgroup), match[0]
        if kind == "given":
            found.append(Token("literal", _given(word, given), at))
        elif kind != "space":
            found.append(_token(kind, word, at, quotes_are_text))
        at = match.end()
    return [*found, Token("end", "the end", at)]


def _token(kind: str, word: str, at: int, quotes_are_text: bool) -> Token:
    match kind:
        case "bytes":
            if len(word) % 2:
                return Token("literal", bytes.fromhex(word[2:-1]), at)
            raise InvalidRequest(f"{word[:40]} has half a byte")
        case "number":
            return Token("literal", int(word) if word.isdecimal() and len(word) < 19 else float(word), at)
        case "text":
            return Token("literal", utf8_text(word[1:-1].replace("''", "'")), at)
        case "quoted" if quotes_are_text:
            return Token("literal", _json_text(word), at)
        case "quoted":
            return Token("name", word[1:-1].replace('""', '"'), at)
        case "name":
            return Token("name", word[1:-1], at) if word[0] == "`" else Token("word", word, at)
        case _:
            return Token("sign", word, at)


def _given(word: str, given: Mapping[str, Any] | None) -> Any:
    try:
        value = ({} if given is None else given)[word[1:]]
    except KeyError:
        raise InvalidRequest(f"nothing is given for {word:.80}") from None
    match value:
        case str():
            return utf8_text(value)
        case list():
            return tuple(value)
        case int() if not -(2**63) <= value < 2**63:
            raise InvalidRequest(f"{word:.80} has more than 64 bits")
        case None | bool() | int() | float() | bytes():
            return value
    raise InvalidRequest(f"{word:.80} is nothing that stands in an expression")


def _json_text(word: str) -> str:
    try:
        return utf8_text(str(json.loads(word, strict=False)))
    except ValueError:
        return utf8_text(word[1:-1].replace('""', '"'))
