"""What a template may compute: a small part of Jinja's language, counted, and never more than fits.

A template comes from whoever deploys, and is filled with what somebody typed into a form.  It may choose and
repeat, compare, join texts and use a few filters.  It reaches into no object, calls nothing but a few methods
of texts, and neither runs long nor writes much: each step and each character counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment

MAX_STEPS: Final = 50_000
MAX_CHARS: Final = 4 << 20
MAX_EXPRESSIONS: Final = 2_000
MAX_EXPRESSION_CHARS: Final = 2_000
METHODS: Final = frozenset(
    {
        "capitalize",
        "endswith",
        "isdigit",
        "lower",
        "lstrip",
        "removeprefix",
        "removesuffix",
        "replace",
        "rstrip",
        "split",
        "splitlines",
        "startswith",
        "strip",
        "title",
        "upper",
    }
)
"""Of texts; what else a value has cannot be reached."""
FILTERS: Final = frozenset(
    {
        "capitalize",
        "count",
        "d",
        "default",
        "first",
        "indent",
        "int",
        "join",
        "last",
        "length",
        "list",
        "lower",
        "replace",
        "string",
        "title",
        "tojson",
        "trim",
        "upper",
    }
)
_OF_LOOPS: Final = frozenset({"index", "index0", "first", "last", "length"})
_MAX_INDENT: Final = 64
_REFUSED: Final = (
    nodes.Import, nodes.FromImport, nodes.Include, nodes.Extends, nodes.Block, nodes.Macro, nodes.CallBlock,
    nodes.FilterBlock, nodes.AssignBlock, nodes.Mul, nodes.Pow, nodes.Mod, nodes.Div, nodes.FloorDiv,
    nodes.ScopedEvalContextModifier, nodes.Slice,
)  # fmt: skip
_ONLY: Final = "A template may use if, for, set and a few filters; no code."


class Written(str):
    """A text that is YAML already (by ``tojson``) and is put into the file as it is."""

    __slots__ = ()


class Allowance:
    """What is left of the steps and characters of one rendering."""

    def __init__(self) -> None:
        self._steps, self._chars = MAX_STEPS, MAX_CHARS

    def spend(self, value: Any) -> Any:
        """Count a value that was made.

        Raises:
            SecurityError: There is no more to spend.
        """
        self._steps -= 1
        if isinstance(value, str | list | tuple):
            self._chars -= len(value)
        if self._steps < 0 or self._chars < 0:
            raise SecurityError("it computes too much")
        return value

    def foresee(self, chars: int) -> None:
        """Count characters that are about to be made, which are counted again when they are.

        Raises:
            SecurityError: They would be too many.
        """
        if chars > self._chars:
            raise SecurityError("it computes too much")

    def each(self, values: Iterable[Any]) -> Iterable[Any]:
        """The values, each of which is a step."""
        for value in values:
            yield self.spend(value)


class Sandbox(SandboxedEnvironment):
    """Jinja with what is listed here alone.

    Args:
        put: What an expression's value becomes in the text.
    """

    intercepted_binops = frozenset({"+", "-"})

    def __init__(self, put: Callable[[Any], Any]) -> None:
        super().__init__(undefined=StrictUndefined, finalize=put, keep_trailing_newline=True, cache_size=0)
        self.allowance = allowance = Allowance()
        every = {name: one for name, one in self.filters.items() if name in FILTERS}
        own = self._own_filters()
        self.filters = {name: _counted(one, allowance) for name, one in (every | own).items()}
        self.filters[_EACH] = allowance.each
        self.tests = {
            name: one for name, one in self.tests.items()
            if name in ("defined", "undefined", "none", "string", "in", "equalto", "eq", "==", "ne", "!=")
        }  # fmt: skip
        self.globals = {}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return attr in (
            METHODS if isinstance(obj, str) else _OF_LOOPS if isinstance(obj, LoopContext) else ()
        )

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        owner = getattr(__obj, "__self__", None)
        if not isinstance(owner, str) or getattr(__obj, "__name__", "") not in METHODS:
            raise SecurityError(f"it calls something. {_ONLY}")
        if __obj.__name__ == "replace":
            __self.allowance.foresee(_replaced(owner, *args))
        return __self.allowance.spend(__obj(*args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, list) or isinstance(right, list):
            raise SecurityError(f"it adds lists. {_ONLY}")
        return self.allowance.spend(super().call_binop(context, operator, left, right))

    def checked(self, source: str) -> nodes.Template:
        """The parsed source, if it has nothing that is not allowed, and with its steps counted.

        Raises:
            TemplateSyntaxError: It has, or cannot be read.
        """
        if source.count("{{") + source.count("{%") > MAX_EXPRESSIONS:
            raise TemplateSyntaxError(f"more than {MAX_EXPRESSIONS:,} expressions", 1)
        for opened, closed in (("{{", "}}"), ("{%", "%}")):
            for part in source.split(opened)[1:]:
                if len(part.partition(closed)[0]) > MAX_EXPRESSION_CHARS:
                    line = source[: source.index(part)].count("\n") + 1
                    raise TemplateSyntaxError("an expression is too long, or has no end", line)
        try:
            tree = self.parse(source)
        except RecursionError:
            raise TemplateSyntaxError("an expression is nested too deep", 1) from None
        for refused in tree.find_all(_REFUSED):
            raise TemplateSyntaxError(
                f"{type(refused).__name__.lower()} is not taken. {_ONLY}", refused.lineno
            )
        for loop in tree.find_all(nodes.For):
            if loop.recursive:
                raise TemplateSyntaxError(f"a loop that calls itself is not taken. {_ONLY}", loop.lineno)
            loop.iter = _filtered(loop.iter, _EACH)
        for used in tree.find_all(nodes.Filter):
            if used.name not in self.filters:
                listed = ", ".join(sorted(FILTERS))
                raise TemplateSyntaxError(f"no filter {used.name}. There are: {listed}.", used.lineno)
        _join(tree)
        return tree

    def _own_filters(self) -> dict[str, Callable[..., Any]]:
        allowance = self.allowance

        def indent(text: str, width: int = 4, first: bool = False, blank: bool = False) -> str:
            if not 0 <= width <= _MAX_INDENT:
                raise SecurityError(f"it indents by more than {_MAX_INDENT}")
            allowance.foresee(len(text) + (text.count("\n") + 1) * width)
            lines = str(text).split("\n")
            put = [" " * width + line if line or blank else line for line in lines]
            return "\n".join(put if first else [lines[0], *put[1:]])

        def join(values: Iterable[Any], between: str = "") -> str:
            listed = [str(one) for one in values]
            allowance.foresee(sum(map(len, listed)) + len(listed) * len(between))
            return between.join(listed)

        def replace(text: str, old: str, new: str) -> str:
            allowance.foresee(_replaced(str(text), old, new))
            return str(text).replace(old, new)

        return {"indent": indent, "join": join, "replace": replace, "tojson": _json, _JOINED: join}


def _replaced(text: str, old: str = "", new: str = "", *_: object) -> int:
    return len(text) + (text.count(old) if old else len(text) + 1) * len(new)


_EACH: Final = " each"
_JOINED: Final = " joined"
"""Filters that no template can name."""


def _counted(one: Callable[..., Any], allowance: Allowance) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        return allowance.spend(one(*args, **kwargs))

    for mark in ("jinja_pass_arg",):  # what else Jinja is to hand in
        if hasattr(one, mark):
            setattr(counted, mark, getattr(one, mark))
    return counted


def _json(value: Any) -> Written:
    return Written(json.dumps(value, ensure_ascii=False))


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _join(tree: nodes.Node) -> None:
    """Have texts that are joined by ~ counted as well."""
    for parent in [tree, *tree.find_all(nodes.Node)]:
        for name, value in list(parent.iter_fields()):
            if isinstance(value, nodes.Concat):
                setattr(parent, name, _filtered(nodes.List(value.nodes, lineno=value.lineno), _JOINED))
            elif isinstance(value, list):
                for at, one in enumerate(value):
                    if isinstance(one, nodes.Concat):
                        value[at] = _filtered(nodes.List(one.nodes, lineno=one.lineno), _JOINED)
