"""Guess a tool call's arguments from a sentence and a JSON Schema, without a model.

Theory: each property takes from the sentence what fits its type, in the order of the schema, and what one
property took is gone for the next.  Enumerations go first, as they are the surest; then numbers, dates and
quoted text; free text last.  Deterministic: the same sentence, schema and day give the same arguments.

Runs in: anywhere (pure).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import msgspec

Schema = Mapping[str, Any]

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?!\d)")
QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|(?<!\w)'([^']+)'(?!\w)|`([^`]+)`")
DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
# Longest first: "2026-11-22T10:00" is one date, not a date and two numbers.
DATE_TIME = re.compile(r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2})?")
RELATIVE_DAYS = {"today": 0, "tomorrow": 1, "yesterday": -1}
WORD = re.compile(r"[^\W_]+(?:['/-][^\W_]+)*")
NAME = re.compile(r"\b(?:in|at|for|of|about|from|to|on)\s+((?:[A-Z][\w./-]*)(?:\s+[A-Z][\w./-]*)*)")
NEGATIONS = {"no", "not", "without", "off", "false", "never", "don't"}
ABBREVIATIONS = {
    "km": "kilometers", "m": "meters", "cm": "centimeters", "mi": "miles", "ft": "feet", "foot": "feet",
    "inch": "inches", "kg": "kilograms", "g": "grams", "lb": "pounds", "lbs": "pounds", "oz": "ounces",
    "c": "celsius", "°c": "celsius", "f": "fahrenheit", "°f": "fahrenheit", "l": "liters", "litre": "liters",
    "kilometre": "kilometers", "metre": "meters", "gal": "gallons",
    "h": "hours", "min": "minutes", "s": "seconds",
}  # fmt: skip
UNIT_PLACE = re.compile(r"(?:\d\s*|\b(?:to|from|into|in)\s+)$")
MAX_DEPTH = 4


def stem(word: str) -> str:
    """A word without the endings that English puts on plurals and verbs; crude on purpose."""
    word = word.lower()
    for ending in ("ations", "ation", "ings", "ing", "ies", "ers", "ed", "er", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word.removesuffix("e") if len(word) > 3 else word


def words(text: str) -> list[str]:
    """The words of a text or of an identifier (`unit_converter`, `unitConverter`), lower case."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).replace("_", " ")
    return [word.lower() for word in WORD.findall(spaced)]


class Guess(msgspec.Struct):
    """Arguments found so far, and the required properties that nothing was found for."""

    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    missing: list[str] = msgspec.field(default_factory=list)


def guess_arguments(sentence: str, schema: Schema, *, today: date) -> Guess:
    """Fill an object schema from a sentence."""
    return _Reader(sentence, today).read_object(schema, MAX_DEPTH)


class _Reader:
    """A sentence from which values are taken one after the other."""

    def __init__(self, sentence: str, today: date) -> None:
        self.sentence = sentence
        self.rest = sentence
        self.today = today

    def read_object(self, schema: Schema, depth: int) -> Guess:
        properties: Mapping[str, Schema] = schema.get("properties") or {}
        required = set(schema.get("required") or ())
        guess = Guess()
        order = sorted(properties, key=lambda name: _certainty(properties[name]))  # a stable sort
        for name in order:
            value = self._read(name, properties[name], required=name in required, depth=depth)
            if value is not None:
                guess.arguments[name] = value
            elif "default" in properties[name]:
                if name in required:
                    guess.arguments[name] = properties[name]["default"]
            elif name in required:
                guess.missing.append(name)
        guess.arguments = {name: guess.arguments[name] for name in properties if name in guess.arguments}
        return guess

    def _read(self, name: str, schema: Schema, *, required: bool, depth: int) -> Any:
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._enum(schema["enum"])
        kind = _kind(schema)
        if kind in ("number", "integer"):
            return self._number(integer=kind == "integer")
        if kind == "boolean":
            return self._boolean(name)
        if kind == "array":
            return self._array(schema.get("items") or {}, depth)
        if kind == "object" and depth > 0:
            inner = self.read_object(schema, depth - 1)
            return inner.arguments if inner.arguments and not inner.missing else None
        return self._text(name, schema, required=required)

    def _take(self, match: re.Match[str]) -> str:
        self.rest = f"{self.rest[: match.start()]} {self.rest[match.end() :]}"
        return match.group(0)

    def _enum(self, options: list[Any]) -> Any:
        wanted = {stem(str(option)): option for option in reversed(options)}
        for match in re.finditer(r"°?[^\W_]+(?:[_/-][^\W_]+)*", self.rest):
            # "5km": the unit sticks to its number.
            word = re.sub(r"^\d+(?:\.\d+)?", "", match.group(0)).lower()
            start = match.end() - len(word)
            option = wanted.get(stem(word)) if word else None
            # The "m" of "I'm" is no unit: a single letter counts only where a unit can stand.
            if option is None and (len(word) > 1 or UNIT_PLACE.search(self.rest[:start])):
                option = wanted.get(stem(ABBREVIATIONS.get(word, word)))
            if option is not None:
                self.rest = f"{self.rest[:start]} {self.rest[match.end() :]}"
                return option
        return None

    def _number(self, *, integer: bool) -> float | int | None:
        for match in NUMBER.finditer(self.rest):
            value = float(match.group(0).replace(",", ""))
            if integer and not value.is_integer():
                continue
            self._take(match)
            return int(value) if value.is_integer() else value
        return None

    def _boolean(self, name: str) -> bool | None:
        said = words(self.rest)
        stems = [stem(word) for word in said]
        named = [stems.index(part) for part in map(stem, words(name)) if part in stems]
        if not named:
            return None
        return not NEGATIONS.intersection(said[max(0, named[0] - 2) : named[0] + 2])

    def _array(self, items: Schema, depth: int) -> list[Any] | None:
        found: list[Any] = []
        if _kind(items) in ("number", "integer") or "enum" in items:
            while len(found) < 100:
                value = self._read("", items, required=False, depth=depth)
                if value is None:
                    break
                found.append(value)
            return found or None
        while match := QUOTED.search(self.rest):
            self._take(match)
            found.append(next(group for group in match.groups() if group))
        if found:
            return found
        listed = self.rest.rsplit(":", 1)[-1] if ":" in self.rest else ""
        parts = [part.strip(" .!?") for part in re.split(r",|\band\b", listed)]
        return [part for part in parts if part] or None

    def _text(self, name: str, schema: Schema, *, required: bool) -> str | None:
        form = schema.get("format") or ("date" if words(name)[-1:] == ["date"] else "")
        if form in ("date", "date-time"):
            return self._date(form)
        quoted = QUOTED.search(self.rest)
        if quoted:
            self._take(quoted)
            return next(group for group in quoted.groups() if group)
        for part in words(name):
            after = rf"\b{re.escape(part)}\b\s*(?:is|=|:|of)?\s+([\w./@:+-]*[\w/])"
            named = re.search(after, self.rest, re.I)
            if named and len(part) > 2:
                self._take(named)
                return named.group(1)
        place = NAME.search(self.rest)
        if place:
            self._take(place)
            return place.group(1).rstrip(".")
        after_colon = self.rest.split(":", 1)[1].strip() if ":" in self.rest else ""
        if not required:
            return None
        return after_colon or None

    def _date(self, form: str) -> str | None:
        for pattern in (DATE_TIME, DATE):
            match = pattern.search(self.rest)
            if match:
                found = self._take(match).replace(" ", "T")
                return found if form == "date-time" or pattern is DATE else found[:10]
        for word, days in RELATIVE_DAYS.items():
            match = re.search(rf"\b{word}\b", self.rest, re.I)
            if match:
                self._take(match)
                day = (self.today + timedelta(days=days)).isoformat()
                return f"{day}T00:00:00Z" if form == "date-time" else day
        return None


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((entry for entry in kind if entry != "null"), "string")
    if kind is None:
        kind = "object" if "properties" in schema else "string"
    return str(kind)


def _certainty(schema: Schema) -> int:
    """The order in which properties take from a sentence: what is recognised by its form goes first."""
    if "const" in schema or "enum" in schema:
        return 0
    if schema.get("format") in ("date", "date-time"):
        return 1
    order = {"number": 2, "integer": 2, "array": 3, "boolean": 4, "string": 5, "object": 6}
    return order.get(_kind(schema), 7)
