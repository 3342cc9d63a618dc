"""The text of a template with values put in, so that none can become structure; and where each line is from.

Each value that an expression gives is put into the text as a marker, the text is read as YAML, and then the
markers are replaced in its scalars.  So a value may hold whatever YAML would take for its own: colons,
quotes, newlines.  Ends of lines are marked as well, with the line of the source that they are from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from jinja2 import TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.meta import find_undeclared_variables
from msgspec.structs import replace

from runtime.errors import ManifestInvalid
from runtime.wire.manifest import document
from runtime.wire.manifest.document import Key, Node
from runtime.wire.manifest.problem import Problem, Problems, refuse, shown
from runtime.wire.manifest.sandbox import Sandbox, Written

OPEN_TEXT: Final = "…"
"""What stands for a value that is not known yet."""
_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}")
_BLOCK: Final = re.compile(r"\{[%#]")
_PRIVATE: Final = range(0xE000, 0xF8FF)


def is_jinja(text: str) -> bool:
    """Whether a text is to be rendered as a whole."""
    return any(mark in text for mark in ("{{", "{%", "{#"))


class Filling:
    """One rendering of a template's text.

    Args:
        source: The template.
        values: By name; `Undefined` for what may be left out.
        is_open: Values are not known: what they are put into is not judged.

    Raises:
        ManifestInvalid: It is no template, or has what is not allowed in one, or computes too much.
    """

    def __init__(self, source: str, values: Mapping[str, Any], *, is_open: bool = False) -> None:
        document.check_size(source)
        self._source = source.split("\n")
        self._is_open = is_open
        self._slots: list[str] = []
        self._begin, self._end = _unused([source, *(str(one) for one in values.values())])
        self._marker = re.compile(f"{self._begin}([0-9]+){self._end}")
        sandbox = Sandbox(self._put)
        try:
            tree = sandbox.checked(source)
            self.names = find_undeclared_variables(tree)
            self.uses = [(one.name, one.lineno) for one in tree.find_all(nodes.Name) if one.ctx == "load"]
            for data in tree.find_all(nodes.TemplateData):
                data.data = self._marked(data.data, data.lineno)
            given = dict.fromkeys(self.names, "") | dict(values) if is_open else values
            rendered = "".join(sandbox.from_string(tree).generate(given))
        except TemplateSyntaxError as error:
            raise refuse(error.lineno or 1, 1, f"the template cannot be read: {_said(error)}") from None
        except UndefinedError as error:
            raise refuse(1, 1, f"the template uses what is not there: {_said(error)}") from None
        except SecurityError as error:
            raise refuse(1, 1, f"the template may not do this: {_said(error)}") from None
        except (TemplateError, TypeError, ValueError, ArithmeticError, RecursionError, SyntaxError) as error:
            raise refuse(1, 1, f"the template cannot be filled in: {_said(error)}") from None
        self._lines, self._origin = self._unmarked(rendered)

    def parse(self, problems: Problems) -> document.Mapping:
        """The tree of what was rendered, each value with its place in the source.

        Raises:
            ManifestInvalid: It is no YAML.
        """
        here = Problems()
        try:
            root = document.parse("\n".join(self._lines), here, fill=self._fill)
        except ManifestInvalid as error:
            told = tuple(self._at_source(one) for one in error.problems)
            raise ManifestInvalid(str(told[0]).rstrip("."), problems=told) from None
        problems.extend(self._at_source(one) for one in here)
        for node in document.walk(root):
            node.line, node.column = self.place(node.line, node.column)
            if isinstance(node, document.Mapping):
                node.items = [(self._key(key), inner) for key, inner in node.items]
        return root

    def text(self) -> str:
        """What was rendered, as a text."""
        return self._fill("\n".join(self._lines))[0]

    def place(self, line: int, column: int) -> tuple[int, int]:
        """Where in the source is what stands at a place of the rendered text."""
        if not 0 < line <= len(self._lines):
            return min(line, len(self._source)), 1
        rendered, origin = self._lines[line - 1], self._origin[line - 1]
        source = self._source[origin - 1] if origin <= len(self._source) else ""
        if _BLOCK.search(source):
            at = source.find(self._marker.split(rendered[column - 1 :])[0][:20].rstrip())
            return origin, at + 1 if at >= 0 else 1
        markers, expressions = list(self._marker.finditer(rendered)), list(_EXPRESSION.finditer(source))
        shift = 0
        for marker, expression in zip(markers, expressions, strict=False):
            if marker.end() >= column:
                break
            shift = expression.end() - marker.end()
        return origin, column + shift

    def used_at(self, name: str) -> tuple[int, int]:
        """Where in the source a name is used first."""
        line = next((line for used, line in self.uses if used == name), 1)
        text = self._source[line - 1] if line <= len(self._source) else ""
        found = re.search(rf"\{{[{{%].*?\b({re.escape(name)})\b", text)
        return line, (found.start(1) if found else text.find(name)) + 1

    def _put(self, value: Any) -> str:
        if isinstance(value, Written):
            return value
        if isinstance(value, Undefined):
            value = str(value)  # strict ones raise here
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise SecurityError("an expression gives no text")
        self._slots.append(str(value))
        return f"{self._begin}{len(self._slots) - 1}{self._end}"

    def _fill(self, text: str) -> tuple[str, bool, bool]:
        if self._begin not in text:
            return text, False, False
        if self._is_open:
            return self._marker.sub(OPEN_TEXT, text), True, True
        return self._marker.sub(lambda found: self._slots[int(found[1])], text), True, False

    def _marked(self, data: str, line: int) -> str:
        parts = data.split("\n")
        marked = [f"{part}{self._begin}L{line + at}{self._end}" for at, part in enumerate(parts[:-1])]
        return "\n".join([*marked, parts[-1]])

    def _unmarked(self, rendered: str) -> tuple[list[str], list[int]]:
        mark = re.compile(f"{self._begin}L([0-9]+){self._end}")
        lines, origin = [], []
        for line in rendered.split("\n"):
            found = mark.findall(line)
            lines.append(mark.sub("", line))
            origin.append(int(found[-1]) if found else len(self._source))
        return lines, origin

    def _at_source(self, problem: Problem) -> Problem:
        line, column = self.place(problem.line, problem.column)
        text = self._marker.sub(OPEN_TEXT, problem.text)
        return replace(problem, line=line, column=column, text=text)

    def _key(self, key: Key) -> Key:
        line, column = self.place(key.line, key.column)
        return replace(key, line=line, column=column)


def path_at(root: Node, line: int, column: int) -> str:
    """The path of what stands at a place: of the last value that begins there or before it in its line."""
    best = ("", 0)
    for node in document.walk(root):
        if node.line == line and best[1] <= node.column <= column:
            best = (node.path, node.column)
    return best[0]


def _unused(texts: Iterable[str]) -> tuple[str, str]:
    """Two characters of Unicode's private ones that none of the texts has."""
    used = set("".join(texts))
    free = (chr(code) for code in _PRIVATE if chr(code) not in used)
    try:
        return next(free), next(free)
    except StopIteration:
        raise refuse(1, 1, "it uses all of Unicode's private characters.") from None


def _said(error: BaseException) -> str:
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    return f"{shown(text) if len(text) > 300 else text}".rstrip(".") + "."
