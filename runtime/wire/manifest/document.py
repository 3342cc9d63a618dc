"""The text of a manifest as a tree of values, each with its place; bounded, and without YAML's surprises.

YAML or JSON, one document.  Anchors, aliases and merge keys are refused, so nothing stands for more than it
is;
so are tags that make other things than data, and keys that are there twice.  What a plain scalar means is
decided as PyYAML does, which is what other tools read these files with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import yaml

from runtime.errors import ManifestInvalid
from runtime.wire.manifest.problem import Edit, Problem, Problems, refuse, shown

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 20_000
MAX_DEPTH: Final = 24
IS_ONE_MAP: Final = 'a manifest is one map that begins with "version: v1".'
TEMPLATE_TAG: Final = "!template"
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Final[Any] = yaml.SafeLoader("")
_STAR: Final = re.compile(r"^(?P<before>.*?(?P<key>[\w-]+)[\"']?\s*:\s*)\*\s*(?:[,}\]#]|$)")
_STARRED: Final = 'an unquoted * means something else in YAML. Write "*" in quotes.'
_HALF: Final = "\\ud"
_KINDS: Final = {
    "tag:yaml.org,2002:str": "text",
    "tag:yaml.org,2002:value": "text",
    "tag:yaml.org,2002:merge": "text",
    "tag:yaml.org,2002:int": "number",
    "tag:yaml.org,2002:float": "number",
    "tag:yaml.org,2002:bool": "truth value",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:timestamp": "date",
    "tag:yaml.org,2002:seq": "list",
    "tag:yaml.org,2002:map": "map",
}


class Key(msgspec.Struct, frozen=True):
    """The name of an entry of a map."""

    text: str
    line: int
    column: int
    path: str = ""


class Scalar(msgspec.Struct, kw_only=True):
    """A single value.

    Attributes:
        kind: ``text``, ``number``, ``truth value``, ``nothing`` or ``date``.
        value: What it means.
        raw: What stands there, without quotes.
        is_soft: It was put in by a template, so a number there is as good as a text of digits.
        is_open: What will stand there is not known before the template is rendered.
        is_template: It has the tag ``!template``.
    """

    line: int
    column: int
    path: str
    kind: str
    value: Any
    raw: str
    is_soft: bool = False
    is_open: bool = False
    is_template: bool = False


class Sequence(msgspec.Struct, kw_only=True):
    """A list."""

    line: int
    column: int
    path: str
    items: list[Node] = msgspec.field(default_factory=list)


class Mapping(msgspec.Struct, kw_only=True):
    """A map, in the order of the file."""

    line: int
    column: int
    path: str
    items: list[tuple[Key, Node]] = msgspec.field(default_factory=list)

    def get(self, name: str) -> Node | None:
        return next((node for key, node in self.items if key.text == name), None)

    def key(self, name: str) -> Key | None:
        return next((key for key, _ in self.items if key.text == name), None)

    def names(self) -> list[str]:
        return [key.text for key, _ in self.items]


Node = Scalar | Sequence | Mapping
Fill = Callable[[str], tuple[str, bool, bool]]
"""What a template put into a scalar: its text, whether some of it was put in, whether it is not known yet."""


def parse(text: str, problems: Problems, *, fill: Fill | None = None) -> Mapping:
    """The tree of one document.

    Args:
        problems: Gets what is wrong with it but does not keep it from being read.
        fill: Puts what a template's markers stand for into each scalar.

    Raises:
        ManifestInvalid: It is too large, too deep, no YAML or JSON, or no map.
    """
    check_size(text)
    if text.lstrip("\ufeff \t\r\n").startswith("{") and _is_json(text):
        text = text.replace("\t", " ")  # which YAML does not take for a blank, and JSON has in no text
    return _Building(text.removeprefix("\ufeff"), problems, fill).tree()


def check_size(text: str) -> None:
    """Raises ManifestInvalid for a text that is longer than any manifest."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        cure = "Keep large texts in files of the image or of the room."
        raise refuse(1, 1, f"{size >> 10} KiB: a manifest has at most {MAX_BYTES >> 10} KiB. {cure}")


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it."""
    yield node
    match node:
        case Mapping():
            for _, inner in node.items:
                yield from walk(inner)
        case Sequence():
            for inner in node.items:
                yield from walk(inner)


def kind_of(node: Node) -> str:
    """``a number``, ``a list`` …, for a sentence."""
    match node:
        case Mapping():
            return "a map"
        case Sequence():
            return "a list"
        case Scalar(kind="nothing"):
            return "nothing"
        case Scalar():
            return f"a {node.kind}"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class _Building:
    def __init__(self, text: str, problems: Problems, fill: Fill | None) -> None:
        self._text = text
        self._problems = problems
        self._fill = fill
        self._count = 0
        self._above: list[Sequence | Mapping] = []
        self._keys: list[Key | None] = []
        self._named: list[dict[str, Key]] = []

    def tree(self) -> Mapping:
        try:
            found = self._document()
        except yaml.YAMLError as error:
            raise self._unreadable(error) from None
        except (UnicodeError, ValueError) as error:
            raise refuse(1, 1, f"this is no text that YAML can have: {error}.") from None
        if not isinstance(found, Mapping):
            raise refuse(1, 1, IS_ONE_MAP)
        return found

    def _document(self) -> Node | None:
        root: Node | None = None
        above, keys = self._above, self._keys
        loader = yaml.SafeLoader if _HALF in self._text else _LOADER  # libyaml takes no halves of pairs
        for event in yaml.parse(self._text, Loader=loader):
            match event:
                case yaml.DocumentStartEvent() if root is not None:
                    line, column = self._place(event)
                    raise refuse(line, column, f"a second document begins here; {IS_ONE_MAP}")
                case yaml.AliasEvent():
                    raise self._aliased(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    above.pop()
                    keys.pop()
                    self._named.pop()
                case yaml.ScalarEvent() | yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._bound(event, len(above))
                    if above and isinstance(above[-1], Mapping) and keys[-1] is None:
                        keys[-1] = self._key(event, above[-1])
                        continue
                    node = self._node(event)
                    root = root or node
                    if not isinstance(node, Scalar):
                        above.append(node)
                        keys.append(None)
                        self._named.append({})
        return root

    def _bound(self, event: Any, depth: int) -> None:
        line, column = self._place(event)
        self._count += 1
        if self._count > MAX_NODES:
            raise refuse(line, column, f"more than {MAX_NODES:,} values: a manifest describes one service.")
        if depth > MAX_DEPTH:
            raise refuse(line, column, f"nested more than {MAX_DEPTH} deep: no field of a manifest is.")
        if event.anchor is not None:
            cure = "Write out what it stands for."
            raise refuse(line, column, f"anchors (&{shown(event.anchor)}) are not taken. {cure}")

    def _node(self, event: Any) -> Node:
        keys = self._keys
        parent = self._above[-1] if self._above else None
        path, key = "", None
        if isinstance(parent, Mapping):
            key = keys[-1]
            assert key is not None  # a value comes behind its key
            path, keys[-1] = key.path, None
        elif isinstance(parent, Sequence):
            path = f"{parent.path}[{len(parent.items)}]"
        node = self._made(event, path)
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif parent is not None and key is not None:
            parent.items.append((key, node))
        return node

    def _made(self, event: Any, path: str) -> Node:
        line, column = self._place(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path, line, column)
        wanted = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
        if event.tag is not None and _KINDS.get(event.tag) != wanted:
            raise refuse(line, column, f"the tag {shown(event.tag)} is not taken here. Leave it out.", path)
        if wanted == "map":
            return Mapping(line=line, column=column, path=path)
        return Sequence(line=line, column=column, path=path)

    def _scalar(self, event: Any, path: str, line: int, column: int) -> Scalar:
        text, is_soft, is_open = self._fill(event.value) if self._fill else (event.value, False, False)
        is_template = event.tag == TEMPLATE_TAG
        tag = event.tag
        if tag in (None, "!", TEMPLATE_TAG):
            is_plain = not event.style and tag is None
            tag = _RESOLVER.resolve(yaml.ScalarNode, text, (is_plain, not is_plain))
        if tag not in _KINDS:
            cure = "Leave it out, or write the value in quotes."
            raise refuse(
                line, column, f"{shown(tag.removeprefix('tag:yaml.org,2002:'))} is not taken. {cure}", path
            )
        kind, value = _KINDS[tag], self._value(tag, text)
        if value is _NONE_SUCH:
            kind, value = "text", _whole(text)
        return Scalar(
            line=line, column=column, path=path, kind=kind, value=value, raw=_whole(text),
            is_soft=is_soft and not event.style, is_open=is_open, is_template=is_template,
        )  # fmt: skip

    def _value(self, tag: str, text: str) -> Any:
        node = yaml.ScalarNode(tag, text)
        make = {
            "number": _RESOLVER.construct_yaml_int if tag.endswith("int") else _RESOLVER.construct_yaml_float,
            "truth value": _RESOLVER.construct_yaml_bool,
        }.get(_KINDS[tag])
        if _KINDS[tag] == "nothing":
            return None
        if make is None:
            return _whole(text)
        try:
            return make(node)
        except (ValueError, KeyError, OverflowError):
            return _NONE_SUCH  # it looks like a number to YAML, and is none: 0b, a number of a million digits

    def _key(self, event: Any, parent: Mapping) -> Key:
        line, column = self._place(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise refuse(line, column, "a list or a map cannot be a key.", parent.path)
        name = self._fill(event.value)[0] if self._fill else event.value
        name = _whole(name)
        if name == "<<" and not event.style:
            raise refuse(
                line, column, "merge keys (<<) are not taken. Write out what they stand for.", parent.path
            )
        path = f"{parent.path}.{name}" if parent.path else name
        key = Key(name, line, column, path)
        before = self._named[-1].setdefault(name, key)
        if before is not key:
            text = f"this key is there twice, first in line {before.line}. Keep one."
            self._problems.add(Problem(line=line, column=column, path=path, text=text))
        return key

    def _place(self, event: Any) -> tuple[int, int]:
        return event.start_mark.line + 1, event.start_mark.column + 1

    def _aliased(self, event: Any) -> Exception:
        line, column = self._place(event)
        return self._starred(line) or refuse(
            line, column, f"aliases (*{shown(event.anchor)}) are not taken. Write out what it stands for."
        )

    def _unreadable(self, error: yaml.YAMLError) -> Exception:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        if starred := self._starred(line):
            return starred
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        return refuse(line, column, f"this cannot be read as YAML: {shown(what)}.")

    def _starred(self, line: int) -> Exception | None:
        """What there is to say of ``num: *``."""
        lines = self._text.splitlines()
        for number in (line, line - 1):
            found = _STAR.match(lines[number - 1]) if 0 < number <= len(lines) else None
            if found is not None:
                key = self._keys[-1] if self._keys else None
                above = self._above[-1].path if self._above else ""
                if self._above and isinstance(self._above[-1], Sequence):
                    above += f"[{len(self._above[-1].items)}]"
                path = key.path if key is not None else f"{above}.{found['key']}".lstrip(".")
                at, star = len(found["before"]) + 1, Edit("*", '"*"')
                problem = Problem(line=number, column=at, path=path, text=_STARRED, edit=star)
                return ManifestInvalid(str(problem).rstrip("."), problems=(problem,))
        return None


_NONE_SUCH: Final = object()


def _whole(text: str) -> str:
    """A text whose halves of surrogate pairs, which JSON writes apart, are together."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
