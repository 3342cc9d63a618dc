"""Which tool a sentence asks for, with which arguments; and how to say what a tool answered.

Runs in: anywhere (pure).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec

from runtime.model.contract import FunctionSpec
from runtime.model.offline_arguments import guess_arguments, stem, words

# Words that stand in many names and descriptions and so say nothing about which tool is meant.
COMMON = """
a an and any are as at be by can current do does for from get give has have how i if in into is it
its list make me my not of on one or other out please return returns run send set show some tell
that the their them these this to tool tools use uses using want was what when where which who will
with you your much many between two given number numbers value values text call
"""
EMPTY_WORDS = frozenset(stem(word) for word in COMMON.split())
NAME_WEIGHT = 3
ENOUGH = 3
CLAUSE = re.compile(r"[;?!]\s+|\.\s+|,?\s+(?:and then|then|and also|and)\s+", re.I)


class Wanted(msgspec.Struct, frozen=True):
    """A tool the sentence asks for; `missing` lists required arguments that it does not give."""

    function: FunctionSpec
    arguments: Mapping[str, Any]
    missing: tuple[str, ...]


def wanted_tools(sentence: str, functions: Sequence[FunctionSpec], *, today: date) -> list[Wanted]:
    """The calls a sentence asks for: none, one, or one for each clause when clauses want different tools."""
    clauses = [clause for clause in CLAUSE.split(sentence) if clause and clause.strip()]
    if 1 < len(clauses) <= 8:
        each = [_wanted(clause, functions, today) for clause in clauses]
        found = [wanted for wanted in each if wanted is not None and not wanted.missing]
        if len(found) == len(clauses) and len({wanted.function.name for wanted in found}) > 1:
            return found
    one = _wanted(sentence, functions, today)
    return [one] if one else []


def _wanted(sentence: str, functions: Sequence[FunctionSpec], today: date) -> Wanted | None:
    scored = [(_score(sentence, function), -index) for index, function in enumerate(functions)]
    if not scored:
        return None
    score, index = max(scored)
    function = functions[-index]
    if score < ENOUGH:
        return _wanted_by_its_arguments(sentence, functions, today)
    guess = guess_arguments(sentence, function.parameters, today=today)
    return Wanted(function, guess.arguments, tuple(guess.missing))


def _wanted_by_its_arguments(sentence: str, functions: Sequence[FunctionSpec], today: date) -> Wanted | None:
    """The tool whose arguments the sentence has all, two named options among them."""
    for function in functions:
        properties: Mapping[str, Any] = function.parameters.get("properties") or {}
        guess = guess_arguments(sentence, function.parameters, today=today)
        options = [name for name in guess.arguments if "enum" in properties[name]]
        if len(options) >= 2 and not guess.missing:
            return Wanted(function, guess.arguments, ())
    return None


def _score(sentence: str, function: FunctionSpec) -> int:
    said = {stem(word) for word in words(sentence)} - EMPTY_WORDS
    # "agenda_add_item" of toolkit "agenda": each word of the name counts, once.
    named = {stem(word) for word in words(function.name)} - EMPTY_WORDS
    described = {stem(word) for word in words(function.description)} - EMPTY_WORDS - named
    score = NAME_WEIGHT * len(said & named) + len(said & described)
    if named and named <= said:
        score += 2  # "add durations" means add_durations rather than add
    literally = re.search(rf"(?<!\w){re.escape(function.name)}(?!\w)", sentence, re.I)
    return max(score, ENOUGH) if literally else score


def ask_for(wanted: Wanted) -> str:
    """The question that gets the missing arguments."""
    properties: Mapping[str, Any] = wanted.function.parameters.get("properties") or {}
    lines = [f"- {name}{_hint(properties.get(name) or {})}" for name in wanted.missing]
    return f"I can call {wanted.function.name} for that, but I still need:\n" + "\n".join(lines)


def _hint(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        options = [str(option) for option in schema["enum"][:12]]
        return f" (one of {', '.join(options)})"
    description = " ".join(str(schema.get("description") or schema.get("type") or "").split())
    return f" ({description})" if description else ""


def report(outputs: Sequence[tuple[str, str]]) -> str:
    """Say what tools answered: (tool's name, output as JSON or text) in the order of the calls."""
    if len(outputs) == 1:
        return _sentence(*outputs[0])
    return "\n".join(f"- {_sentence(name, output)}" for name, output in outputs)


def _sentence(name: str, output: str) -> str:
    value = _parse(output)
    if isinstance(value, dict) and isinstance(value.get("error"), str):
        return f"The tool {name} failed: {value['error']}"
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if value in (None, "", {}, []):
        return f"Done: {name} has run."
    if isinstance(value, dict):
        inner = ", ".join(f"{key.replace('_', ' ')}: {_plain(entry)}" for key, entry in value.items())
        return f"{name} says {inner}."
    said = _plain(value)
    if isinstance(value, str) and " " in said.strip() and len(said.split()) > 2:
        return said if said[-1:] in ".!?" else f"{said}."  # a sentence needs no introduction
    return f"{name} says: {said}" + ("" if said[-1:] in ".!?" else ".")


def _parse(output: str) -> Any:
    try:
        return json.loads(output)
    except ValueError:
        return output


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and all(isinstance(entry, (str, int, float)) for entry in value):
        return ", ".join(_plain(entry) for entry in value)
    return json.dumps(value, ensure_ascii=False)


def sample(schema: Mapping[str, Any], sentence: str, *, today: date, depth: int = 4) -> Any:
    """A value that fits a schema, filled from the sentence where something fits."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        found = guess_arguments(sentence, {"properties": {"it": schema}}, today=today).arguments
        return found.get("it", schema["enum"][0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = next((entry for entry in kind if entry != "null"), "string") if isinstance(kind, list) else kind
    if kind == "object":
        properties: Mapping[str, Any] = schema.get("properties") or {}
        guess = guess_arguments(sentence, schema, today=today).arguments
        for name in properties:
            if name not in guess and depth > 0:
                guess[name] = sample(properties[name], sentence, today=today, depth=depth - 1)
        return {name: guess[name] for name in properties if name in guess}
    if kind == "array":
        found = guess_arguments(sentence, {"properties": {"it": schema}}, today=today).arguments
        return found.get("it", [])
    simple: dict[str, Any] = {"number": 0, "integer": 0, "boolean": False, "null": None}
    if kind in simple:
        found = guess_arguments(sentence, {"properties": {"it": schema}}, today=today).arguments
        return found.get("it", simple[kind])
    return " ".join(sentence.split())[:200]
