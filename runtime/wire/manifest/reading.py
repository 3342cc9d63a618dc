"""A tree of values read as a record of the vocabulary: what it comes to, and whatever is wrong with it.

What comes out is the normal form: fields in the order of the vocabulary, without nothings and defaults, but
for the few defaults that are always written.  What is wrong is told, all of it, and left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping as Names
from typing import Any, Final, assert_never

import msgspec

from runtime.knob import parse_bytes, parse_seconds
from runtime.wire.manifest.document import Key, Mapping, Node, Scalar, Sequence, kind_of
from runtime.wire.manifest.problem import Edit, Problems, instead, nearest, shown
from runtime.wire.manifest.shape import (
    OWN,
    Families,
    Field,
    Free,
    ListOf,
    MapOf,
    PortNumber,
    Quantity,
    Record,
    Shape,
    Text,
    Truth,
    Whole,
)
from runtime.wire.manifest.vocabulary.words import MAX_PORT

MISSING: Final = object()
"""What a value comes to that is not one."""
_HINTS: Final[Names[str, str]] = {"version": 'Write "version: v1".', "kind": 'Write "kind: Service".'}
_NOT_A_PORT: Final = f'is not a port. Write "*" or 1–{MAX_PORT}.'


class Reading(msgspec.Struct):
    """One manifest of one kind.

    Args:
        kind: Decides which fields it may and must have.
        problems: Gets what is wrong.
        is_flat: It was written in the flat form, which has maps where lists are today.
    """

    kind: str
    problems: Problems
    is_flat: bool = False

    def record(self, node: Node, record: Record, at: Key | Node | None = None) -> Any:
        """A map with the fields of a record, in normal form; `MISSING` when it is no map."""
        if isinstance(node, Scalar) and record.short and node.kind != "nothing":
            inner = record.field(record.short)
            assert inner is not None
            found = self.value(node, inner.shape)
            return found if found is MISSING else {record.short: found}
        if not isinstance(node, Mapping):
            return self._no(node, f"{kind_of(node)}. A map is wanted: {self._names(record)}.")
        meant = self._unknown(node, record)
        read: dict[str, Any] = {}
        for field in record.fields:
            key, inner_node = node.key(field.name), node.get(field.name)
            is_there = inner_node is not None and not _is_nothing(inner_node)
            if not is_there and isinstance(field.shape, ListOf) and inner_node is not None:
                read[field.name] = []
            elif not is_there and field.name in meant:
                continue  # it is there by another name, which was told
            elif not is_there:
                self._absent(node, field, key or at or node, read)
            elif field.only and field.only != self.kind:
                self.problems.error(key, key.path if key else "", f"only a {field.only} can have this.")
            else:
                assert inner_node is not None
                value = self.value(inner_node, field.shape, key)
                if value is not MISSING and (
                    field.is_written or field.default is None or value != field.default
                ):
                    read[field.name] = value
        for key, inner_node in node.items:
            if record.takes_own and key.text.startswith(OWN) and record.field(key.text) is None:
                read[key.text] = self.value(inner_node, Free())
        return read

    def value(self, node: Node, shape: Shape, at: Key | None = None) -> Any:
        """What a node comes to as a shape; `MISSING` when it is none, which was told."""
        match shape:
            case Record():
                return self.record(node, shape, at)
            case ListOf():
                return self._list(node, shape)
            case MapOf():
                return self._map(node, shape)
            case Families():
                return self._families(node, shape)
            case Free():
                return self._free(node)
        if not isinstance(node, Scalar):
            return self._no(node, f"{kind_of(node)}. A single value is wanted.")
        if node.is_open:
            return node.raw
        match shape:
            case Text():
                return self._text(node, shape)
            case Truth():
                return self._truth(node)
            case Whole():
                return self._whole(node, shape)
            case PortNumber():
                if node.raw.strip() == "*":
                    return "*"
                number = _number(node)
                if number is None or not 1 <= number <= MAX_PORT:
                    return self._no(node, f"{shown(node.raw)} {_NOT_A_PORT}")
                return number
            case Quantity():
                return self._quantity(node, shape)
            case _:
                assert_never(shape)

    def _text(self, node: Scalar, shape: Text) -> Any:
        if node.kind == "nothing" and not node.is_soft:
            return self._no(node, 'nothing. Write "" for an empty text.')
        if node.kind != "text" and not node.is_soft:
            quoted = f'"{node.raw}"'
            return self._no(node, f"{kind_of(node)}. Write {quoted} in quotes.", Edit(node.raw, quoted))
        text = node.raw if node.kind != "text" else str(node.value)
        if shape.is_folded:
            text = text.strip().lower()
        if shape.words and text not in shape.words:
            listed = f'"{shown(text)}" is none of {", ".join(shape.words)}.'
            meant = nearest(text, shape.words)
            cure = f"{listed} Did you mean {meant}?" if meant else listed
            return self._no(node, cure, Edit(node.raw, meant) if meant and node.raw else None)
        if shape.is_filled and not text.strip():
            return self._no(node, "it is empty.")
        if shape.is_path and not text.startswith("/"):
            return self._no(node, f'"{shown(text)}" does not begin with a slash. Write "/{shown(text)}".')
        if shape.form is not None and re.fullmatch(shape.form[0], text, re.ASCII) is None:
            return self._no(node, f'"{shown(text)}" is not made of {shape.form[1]}.')
        return text

    def _truth(self, node: Scalar) -> Any:
        if node.kind == "truth value":
            return node.value
        plain = node.raw.strip().lower()
        if plain in ("true", "false"):
            edit = Edit(f'"{node.raw}"', plain)
            return self._no(node, f"a text. Write {plain} without quotes.", edit)
        return self._no(node, f"{kind_of(node)}. Write true or false.")

    def _whole(self, node: Scalar, shape: Whole) -> Any:
        number = _number(node)
        if number is None or not shape.least <= number <= shape.most:
            bounds = f"Write {shape.least}–{shape.most}."
            return self._no(node, f"{shown(node.raw)} is not a {shape.what} that this can be. {bounds}")
        return number

    def _quantity(self, node: Scalar, shape: Quantity) -> Any:
        value = node.value if node.kind == "number" else node.raw
        try:
            read = {"bytes": parse_bytes, "seconds": parse_seconds}.get(shape.unit, float)
            amount = read(value)
        except ValueError:
            amount = -1
        if not (math.isfinite(amount) and amount > 0) or node.kind in ("truth value", "date", "nothing"):
            example = {"bytes": "256 MiB", "seconds": "30s"}.get(shape.unit, "0.5")
            return self._no(node, f"{shown(node.raw)} is no number of {shape.unit}. Write {example}.")
        return value

    def _list(self, node: Node, shape: ListOf) -> Any:
        if isinstance(node, Mapping) and shape.pairs is not None:
            name, value = shape.pairs
            if not self.is_flat:
                self.problems.note(node, node.path, f"a map, read as a list of {{{name}, {value}}}.")
            found = [(key.text, self.value(inner, Text())) for key, inner in node.items]
            return [{name: key, value: text} for key, text in found if text is not MISSING]
        if isinstance(node, Scalar) and (node.kind == "nothing" or node.is_open):
            return []
        if not isinstance(node, Sequence):
            return self._no(node, f"{kind_of(node)}. A list is wanted: begin each item with a dash.")
        if shape.is_filled and not node.items:
            return self._no(node, "it is empty.")
        read = [self.value(item, shape.item) for item in node.items]
        return [one for one in read if one is not MISSING]

    def _map(self, node: Node, shape: MapOf) -> Any:
        if not isinstance(node, Mapping):
            return self._no(node, f"{kind_of(node)}. A map is wanted.")
        read = {key.text: self.value(inner, shape.value, key) for key, inner in node.items}
        return {name: value for name, value in read.items() if value is not MISSING}

    def _families(self, node: Node, shape: Families) -> Any:
        if not isinstance(node, Mapping):
            return self._no(
                node, f"{kind_of(node)}. A map of families is wanted, such as {{messaging: {{}}}}."
            )
        known = dict(shape.known)
        read: dict[str, Any] = {}
        for key, inner in node.items:
            if key.text not in known:
                told = f"no such family. {instead(key.text, known)}"
                self.problems.error(key, key.path, told, _renamed(key.text, known))
            elif isinstance(inner, Mapping):
                for right, _ in inner.items:
                    if right.text not in known[key.text]:
                        told = f"no such right is known here. {instead(right.text, known[key.text])}".rstrip()
                        self.problems.warn(right, right.path, told)
                read[key.text] = self._free(inner)
            elif not _is_nothing(inner):
                self._no(inner, f"{kind_of(inner)}. Write {{}} for the whole family.")
        return read

    def _free(self, node: Node) -> Any:
        match node:
            case Mapping():
                return {key.text: self._free(inner) for key, inner in node.items}
            case Sequence():
                return [self._free(inner) for inner in node.items]
            case Scalar(kind="number") if isinstance(node.value, float) and not math.isfinite(node.value):
                self._no(node, f"{shown(node.raw)} is no number that JSON has.")
                return None
            case Scalar():
                return node.value

    def _unknown(self, node: Mapping, record: Record) -> set[str]:
        """Tell of keys that no field has; the names that they probably stand for."""
        meant = set[str]()
        known = [one.name for one in record.fields]
        for key, _ in node.items:
            own = record.takes_own and key.text.startswith(OWN)
            if key.text not in known and not own:
                # Looking for the nearest one takes time, of which thousands of keys would take much.
                cure = "" if self.problems.is_full else instead(key.text, known)
                edit = None if self.problems.is_full else _renamed(key.text, known)
                self.problems.error(key, key.path, f"no such key. {cure}", edit)
                meant |= {edit.new} if edit else set()
        return meant

    def _absent(self, node: Mapping, field: Field, at: Any, read: dict[str, Any]) -> None:
        if field.is_required or field.required_of == self.kind:
            path = f"{node.path}.{field.name}" if node.path else field.name
            self.problems.error(at, path, f"missing. {_HINTS.get(path, '')}".rstrip())
        elif field.is_written:
            read[field.name] = field.default

    def _no(self, node: Node, text: str, edit: Edit | None = None) -> Any:
        self.problems.error(node, node.path, text, edit)
        return MISSING

    def _names(self, record: Record) -> str:
        return ", ".join(one.name for one in record.fields if one.only in ("", self.kind))


def _is_nothing(node: Node) -> bool:
    """Whether a value is as good as left out; not one that is a template's text, such as ``null``."""
    if not isinstance(node, Scalar) or node.is_open:
        return False
    return node.kind == "nothing" and not (node.is_soft and node.raw)


def _number(node: Scalar) -> int | None:
    """A whole number, also one that somebody wrote in quotes."""
    if node.kind == "number":
        return node.value if isinstance(node.value, int) else None
    text = node.raw.strip()
    return (
        int(text) if node.kind == "text" and text.isascii() and text.isdecimal() and len(text) < 10 else None
    )


def _renamed(name: str, known: Any) -> Edit | None:
    meant = nearest(name, known)
    return Edit(name, meant) if meant else None
