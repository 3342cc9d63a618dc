"""Take secrets out of what is shown: by the names they stand under, by their looks, and by their values.

A report outlives its session and is read by more people than may know the keys an agent works with.  What
looks like a secret is replaced whole; a text that is hidden without need costs less than one that is not.
Every pattern is linear in the length of the text, whatever stands in it.  Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from runtime.wire.text import utf8_text

HIDDEN: Final = "•••"
MAX_VALUES: Final = 500
_MIN_VALUE_CHARS: Final = 6  # shorter ones ("1", "true", "test") would tear holes into everything
_MAX_VALUE_CHARS: Final = 4096
MAX_HIDDEN: Final = 2_000
MAX_HIDDEN_OF_ROOMS: Final = 500
_MIN_ROOM_CHARS: Final = 8
MAX_HIDDEN_CHARS: Final = 64 << 10
_MIN_LINE_CHARS: Final = 16
_MAX_DEPTH: Final = 8
_MAX_ITEMS: Final = 100

_WORDS: Final = frozenset(
    {
        *("key", "keys", "apikey", "token", "tokens", "secret", "secrets", "password", "passwords"),
        *("passwd", "pwd", "passphrase", "passcode", "authorization", "auth", "cookie", "cookies"),
        *("credential", "credentials", "creds", "bearer", "jwt", "private", "signature", "pin", "otp"),
        *("dsn", "salt"),
    }
)
_ENDINGS: Final = ("apikey", "token", "secret", "password", "passwd", "passphrase", "credentials", "cookie")
_COUNTING: Final = frozenset(
    {
        *("max", "min", "count", "num", "n", "total", "used", "usage", "limit", "prompt", "completion"),
        *("input", "output", "cached", "reasoning", "tokens", "keys"),
    }
)
_FOLDERS: Final = ("PWD", "OLDPWD")
_ABOUT: Final = frozenset({"file", "path", "dir", "sock", "type", "name", "count"})
"""Last words of names that tell where a secret is or of what kind, not what it is."""
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_NAMES_IN_TEXT: Final = (
    r"(?:api[_-]?key|access[_-]?key|private[_-]?key|secret(?:[_-]?key)?|client[_-]?secret|token|password|passwd"
    r"|passphrase|authorization|cookie|credentials?)"
)
_LOOKS: Final = tuple(
    (re.compile(pattern, flags), put)
    for pattern, flags, put in (
        (
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
            0,
            HIDDEN,
        ),
        (r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?", 0, HIDDEN),
        (r"(?<![A-Za-z0-9])(?:sk|ma|pk|rk|whsec)[-_][A-Za-z0-9_-]{12,}", 0, HIDDEN),
        (r"(?<![A-Za-z0-9])(?:gh[pousr]_|github_pat_|xox[abprs]-|hf_|AIza)[A-Za-z0-9_-]{16,}", 0, HIDDEN),
        (r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])", 0, HIDDEN),
        (r"(://[^/\s:@]{0,200}:)[^/\s@]{1,500}@", 0, rf"\g<1>{HIDDEN}@"),
        (r"\b(Bearer|Basic)\s{1,4}[A-Za-z0-9._~+/=-]{4,}", re.I, rf"\g<1> {HIDDEN}"),
        # name = value, "name": "value", --name value; a number under such a name is a count, not a secret
        (
            rf"({_NAMES_IN_TEXT}\\?[\"']?\s{{0,4}}[:=]\s{{0,4}})"
            r"(?![0-9.]{1,12}(?![\w.])|None|null|True|False|true|false|Bearer |Basic |•••)"
            r"(\\?\"[^\"]*\"?|\\?'[^']*'?|[^\s,;&)}\]\"']+)",
            re.I,
            rf"\g<1>{HIDDEN}",
        ),
    )
)


def is_secret_name(name: str) -> bool:
    """A variable, key or header of this name probably holds a secret."""
    parts = [part.lower() for part in _PARTS.findall(name[:200])]
    if not parts or name in _FOLDERS or parts[-1] in _ABOUT:
        return False
    return any(part in _WORDS for part in parts) or "".join(parts).endswith(_ENDINGS)


def is_count_name(name: str) -> bool:
    """A number under this name counts something (``max_tokens``), also where the name sounds secret."""
    return any(part.lower() in _COUNTING for part in _PARTS.findall(name[:200]))


def secrets_in(values: Mapping[str, Any]) -> list[str]:
    """The texts that stand under secret names in an environment or in arguments, nested ones too."""
    found: list[str] = []
    _collect(values, False, found, 0)
    return found


def _collect(value: Any, is_secret: bool, found: list[str], depth: int) -> None:
    if depth > _MAX_DEPTH or len(found) >= MAX_VALUES:
        return
    if isinstance(value, Mapping):
        for name, inner in list(value.items())[:1000]:
            _collect(inner, is_secret or is_secret_name(str(name)), found, depth + 1)
    elif isinstance(value, list | tuple):
        is_pair = len(value) == 2 and isinstance(value[0], str) and is_secret_name(value[0])
        for inner in value[1:] if is_pair else value[:_MAX_ITEMS]:
            _collect(inner, is_secret or is_pair, found, depth + 1)
    elif is_secret and isinstance(value, str):
        found.append(value)


class Redactor:
    """Hides secrets in texts and plain data.

    Args:
        values: Secrets known as such, such as those of the environment (see `secrets_in`).
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.learn(values)

    @property
    def values(self) -> list[str]:
        """What is hidden because it is known, longest first."""
        return sorted(self._values, key=lambda value: (-len(value), value))

    def learn(self, values: Iterable[str]) -> None:
        """Hide these, too, wherever they stand; ones too short to tell from common words are left out."""
        for value in values:
            if len(self._values) >= MAX_VALUES:
                break
            if _MIN_VALUE_CHARS <= len(value.strip()) <= _MAX_VALUE_CHARS:
                self._values.add(value.strip())
        self._known = None

    def text(self, text: str) -> str:
        """The text without secrets, and as one that can be stored: half a surrogate pair cannot."""
        text = utf8_text(text)
        if self._values:
            if self._known is None:
                self._known = re.compile("|".join(re.escape(value) for value in self.values))
            text = self._known.sub(HIDDEN, text)
        for pattern, put in _LOOKS:
            text = pattern.sub(put, text)
        return text

    def plain(self, value: Any, *, max_chars: int = 500) -> Any:
        """JSON-like data without secrets: bounded in depth, items and the length of texts."""
        return self._plain(value, max_chars, 0)

    def _plain(self, value: Any, max_chars: int, depth: int) -> Any:
        if isinstance(value, str):
            # Hide first: a cut could leave a half of a secret that no pattern knows any more.
            shown = self.text(value[: 20 * max_chars])
            return shown if len(shown) <= max_chars else f"{shown[:max_chars]}…"
        if value is None or isinstance(value, bool | int | float):
            return value
        if depth >= _MAX_DEPTH:
            return "…"
        if isinstance(value, Mapping):
            shown_items: dict[str, Any] = {}
            for name, inner in list(value.items())[:_MAX_ITEMS]:
                hide = is_secret_name(str(name)) and not _is_harmless(str(name), inner)
                key = self.text(str(name))[:100]
                shown_items[key] = HIDDEN if hide else self._plain(inner, max_chars, depth + 1)
            return shown_items
        if isinstance(value, list | tuple):
            shown_list = [self._plain(inner, max_chars, depth + 1) for inner in value[:_MAX_ITEMS]]
            if len(value) == 2 and isinstance(value[0], str) and is_secret_name(value[0]):
                shown_list[1] = HIDDEN  # a header: its name and its value
            return shown_list
        return f"<{type(value).__name__}>"


def _is_harmless(name: str, value: Any) -> bool:
    return (
        value is None or isinstance(value, bool) or (isinstance(value, int | float) and is_count_name(name))
    )


class Hidden:
    """Secrets that are kept here: no line and no report of this server shows one, from when it was set.

    A text is looked for as it is, as JSON writes it, and, where it has several lines, line by line: that is
    how it comes in a log.  At most `MAX_HIDDEN` are known, the ones that were set last; and beside them
    `MAX_HIDDEN_OF_ROOMS` that participants of rooms keep, who push out nobody's but their own.
    """

    def __init__(self) -> None:
        self._values: dict[str, None] = {}
        self._of_rooms: dict[str, None] = {}
        self._own_first: tuple[str, ...] | None = ()
        self._longest_first: tuple[str, ...] = ()

    def learn(self, values: Iterable[str]) -> None:
        """Hide these from now on; ones too short to tell from common words are left out."""
        self._learn(self._values, values, _MIN_VALUE_CHARS, MAX_HIDDEN)

    def learn_of_room(self, values: Iterable[str]) -> None:
        """Hide what a participant keeps.  A single word of letters stays: whoever keeps it as a secret would
        tear holes into what all the others write."""
        values = [value for value in values if not value.strip().isalpha()]
        self._learn(self._of_rooms, values, _MIN_ROOM_CHARS, MAX_HIDDEN_OF_ROOMS)

    def _learn(self, known: dict[str, None], values: Iterable[str], least_chars: int, most: int) -> None:
        for value in values:
            for text in (value.strip(), *_long_lines(value)):
                if least_chars <= len(text) <= MAX_HIDDEN_CHARS:
                    known.pop(text, None)
                    known[text] = None
                    if (written := json.dumps(text)[1:-1]) != text:
                        known[written] = None
        for old in list(known)[: max(0, len(known) - most)]:
            del known[old]
        self._own_first = None

    def __iter__(self) -> Iterator[str]:
        """What is hidden: this server's own first, since a reader may take so many and no more."""
        return iter(self._sorted()[0])

    def _sorted(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self._own_first is None:
            own, of_rooms = (sorted(known, key=_longest) for known in (self._values, self._of_rooms))
            self._own_first = tuple(dict.fromkeys((*own, *of_rooms)))
            self._longest_first = tuple(sorted(self._own_first, key=_longest))
        return self._own_first, self._longest_first

    def text(self, text: str) -> str:
        """The text without them.  Costs a search for each, and nothing while there are none."""
        for value in self._sorted()[1]:  # the longest first: nothing is left of one that has another in it
            if value in text:
                text = text.replace(value, HIDDEN)
        return text

    def plain(self, value: Any) -> Any:
        """What a log line may have, without them; what is neither text, list nor map is left as it is."""
        if not self._values and not self._of_rooms:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.plain(name): self.plain(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.plain(inner) for inner in value]
        return value


def _longest(value: str) -> tuple[int, str]:
    return -len(value), value


def _long_lines(value: str) -> list[str]:
    lines = value.split("\n")
    return [line.strip() for line in lines if len(line.strip()) >= _MIN_LINE_CHARS] if len(lines) > 1 else []
