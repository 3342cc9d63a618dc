"""Where a program comes to ``service.run()``: the line, and what stands around it.

Read from the program's own source by the position that the interpreter keeps for each instruction.  Where
there is no source to read, nothing is claimed about it.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import itertools
import linecache
import os
import sys
import threading
from collections.abc import Iterator
from types import FrameType, ModuleType
from typing import Final

_BRANCHES: Final = (ast.If, ast.IfExp, ast.BoolOp, ast.Match, ast.While, ast.ExceptHandler)
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class CallSite:
    """The call of ``run`` or ``start`` that is under way.

    Args:
        frame: Of whoever called; it is looked at now and not kept.

    Attributes:
        where: File and line, such as ``main.py:12``.
        is_for_asyncio_run: It is the argument of a plain ``asyncio.run``, so no event loop is needed to know
            which one will be.
        is_unconditional: Whoever runs the main program's file comes here, by whatever name it is imported.
        is_import: A module is being imported by an import statement.
    """

    def __init__(self, frame: FrameType) -> None:
        self.where = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        frames = list(_outwards(frame))
        self.is_import = any(each.f_code.co_filename == "<frozen importlib._bootstrap>" for each in frames)
        chain = _Source.of(frame.f_code.co_filename).chain_at(frame)
        self.is_for_asyncio_run = _is_for_asyncio_run(chain, frame)
        self.is_unconditional = _is_unconditional(frames)

    @property
    def is_thread(self) -> bool:
        """Whether this is another thread than the program's first."""
        return threading.current_thread() is not threading.main_thread()


class _Source:
    """A file's syntax tree, and who stands in whom."""

    def __init__(self, text: str) -> None:
        self._parents: dict[ast.AST, ast.AST] = {}
        self._tree = ast.parse(text)
        for node in ast.walk(self._tree):
            for child in ast.iter_child_nodes(node):
                self._parents[child] = node

    @classmethod
    def of(cls, file: str) -> _Source:
        was_collecting = gc.isenabled()
        gc.disable()  # a finalizer that runs while a tree is made is taken for an error of the interpreter's
        try:
            return cls("".join(linecache.getlines(file)))
        except (SyntaxError, ValueError, RecursionError, SystemError):
            return cls("")
        finally:
            if was_collecting:
                gc.enable()

    def chain_at(self, frame: FrameType) -> list[ast.AST]:
        """The expression that a frame is at, and all that it stands in, outwards; empty when unknown."""
        positions = list(frame.f_code.co_positions())
        at = positions[frame.f_lasti // 2] if 0 <= frame.f_lasti // 2 < len(positions) else (None,) * 4
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call | ast.Await) and at == (
                node.lineno,
                node.end_lineno,
                node.col_offset,
                node.end_col_offset,
            ):
                return list(self._outwards(node))
        return []

    def _outwards(self, node: ast.AST | None) -> Iterator[ast.AST]:
        while node is not None:
            yield node
            node = self._parents.get(node)


def _is_for_asyncio_run(chain: list[ast.AST], frame: FrameType) -> bool:
    if len(chain) < 2 or not isinstance(call := chain[1], ast.Call) or chain[0] not in call.args:
        return False
    if any(keyword.arg not in ("debug",) for keyword in call.keywords):
        return False
    return _named(call.func, frame) is asyncio.run


def _named(node: ast.expr, frame: FrameType) -> object:
    """What a plain name, or one of a module, stands for; nothing is run to find out."""
    match node:
        case ast.Name():
            return frame.f_locals.get(node.id, frame.f_globals.get(node.id))
        case ast.Attribute(value=ast.Name()):
            module = _named(node.value, frame)
            return vars(module).get(node.attr) if isinstance(module, ModuleType) else None
    return None


def _is_unconditional(frames: list[FrameType]) -> bool:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    source = _Source.of(main) if main else _Source("")
    own = [frame for frame in frames if frame.f_code.co_filename == main]
    return bool(own) and all(_is_surely_reached(source.chain_at(frame)) for frame in own)


def _is_surely_reached(chain: list[ast.AST]) -> bool:
    """Whether the function, or the module, that holds this comes to it whatever the circumstances."""
    for inner, outer in itertools.pairwise(chain):
        if isinstance(outer, _BRANCHES) and inner is not getattr(outer, "test", None):
            return False
        if isinstance(outer, _FUNCTIONS):
            return not any(_may_leave_before(inner, each) for each in ast.walk(outer))
    return bool(chain)


def _may_leave_before(node: ast.AST, other: ast.AST) -> bool:
    return isinstance(other, ast.Return | ast.Raise) and other.lineno < getattr(node, "lineno", 0)


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
