"""Which variable of a program holds an object of the kernel, and the line that gives the variable its value.

For what a native library opened (a database, a file, a shared map): nobody saw it being opened, but some name
of the program leads to it.  Looked for only where something was found that is in the way of forking.
"""

from __future__ import annotations

import ast
import gc
import io
import linecache
import mmap
import select
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from runtime.process.leftovers.threads import package_of

_MOST_OBJECTS: Final = 50_000
_NOT_ENTERED: Final = (
    types.ModuleType,
    type,
    types.FunctionType,
    types.CodeType,
    types.FrameType,
    str,
    bytes,
)
_ROOTS = Iterator[tuple[str, str, Any]]


def holder_of(wanted: Callable[[Any], bool], folder: Path) -> str:
    """Where the program in `folder` gives a value to the variable that leads to such an object.

    Args:
        wanted: Whether an object is the one; may raise.

    Returns:
        ``main.py:12``; empty when no variable of the program leads there.
    """
    seen: set[int] = set()
    for file, name, value in _variables(folder):
        if _leads_to(value, wanted, seen):
            line = _line_of(file, name)
            return f"{file.removeprefix(f'{folder}/')}:{line}" if line else ""
    return ""


def import_of(package: str, folder: Path) -> tuple[str, str]:
    """Where the program in `folder` imports a package, and by way of which other one.

    Returns:
        ``main.py:12`` and ``magika``, which imports the package; the latter is empty where the program does
        so itself, and both are when neither is known.
    """
    found = sorted({one for file in {file for file, _, _ in _variables(folder)} for one in _imports(file)})
    direct = [one for one in found if one[2] == package]
    for file, line, imported in direct or [one for one in found if package in _imported_by(one[2])]:
        return f"{file.removeprefix(f'{folder}/')}:{line}", "" if direct else imported
    return "", ""


def _imports(file: str) -> Iterator[tuple[str, int, str]]:
    """File, line and package, of each import statement."""
    for node in ast.walk(_tree(file)):
        match node:
            case ast.Import():
                yield from ((file, node.lineno, one.name.split(".")[0]) for one in node.names)
            case ast.ImportFrom(level=0):
                yield file, node.lineno, (node.module or "").split(".")[0]


def _imported_by(package: str) -> set[str]:
    """The packages that its modules lead to, by the names that they have."""
    found, waiting = {package}, [package]
    modules: dict[str, list[Any]] = {}
    for name, module in list(sys.modules.items()):
        modules.setdefault(name.split(".")[0], []).append(module)
    while waiting:
        for module in modules.get(waiting.pop(), ()):
            for value in list(getattr(module, "__dict__", {}).values()):
                named = value.__name__ if type(value) is types.ModuleType else None
                if type(value) in (type, types.FunctionType):
                    named = value.__module__
                top = named.split(".")[0] if isinstance(named, str) else ""
                if top and top not in found:
                    found.add(top)
                    waiting.append(top)
    return found - {package}


def is_on_descriptor(fd: int) -> Callable[[Any], bool]:
    """Whether an object is open on this descriptor."""

    def wanted(value: Any) -> bool:
        if isinstance(value, io.IOBase | select.epoll):
            return value.fileno() == fd
        # Objects of native modules: a method of Python's own would be code of somebody's, to be run by us.
        method = getattr(type(value), "fileno", None)
        return (
            isinstance(method, types.MethodDescriptorType | types.BuiltinMethodType) and value.fileno() == fd
        )

    return wanted


def is_database(path: str) -> Callable[[Any], bool]:
    """Whether an object is a connection of SQLite to this file."""

    def wanted(value: Any) -> bool:
        sqlite3 = sys.modules.get("sqlite3")
        if sqlite3 is None or not isinstance(value, sqlite3.Connection):
            return False
        listed = sqlite3.Connection.execute(value, "PRAGMA database_list").fetchall()
        return any(len(row) > 2 and row[2] == path for row in listed)

    return wanted


def is_shared_map(value: Any) -> bool:
    """Whether an object is a map of memory."""
    return isinstance(value, mmap.mmap)


def _variables(folder: Path) -> _ROOTS:
    """The program's own: of its modules, and of its functions that are running."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.startswith(f"{folder}/") and not package_of(file):
            for name, value in list(vars(module).items()):
                if not name.startswith("__"):
                    yield file, name, value
    frame = sys._getframe()
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(f"{folder}/") and not package_of(file) and frame.f_locals is not frame.f_globals:
            for name, value in list(frame.f_locals.items()):
                yield file, name, value
        frame = frame.f_back  # type: ignore[assignment]


def _leads_to(value: Any, wanted: Callable[[Any], bool], seen: set[int]) -> bool:
    waiting = deque([value])
    while waiting and len(seen) < _MOST_OBJECTS:
        one = waiting.popleft()
        if id(one) in seen or isinstance(one, _NOT_ENTERED):
            continue
        seen.add(id(one))
        try:
            if wanted(one):
                return True
        except Exception:  # noqa: BLE001 - closed, of another thread, or half made: not this one
            continue
        waiting.extend(gc.get_referents(one))
    return False


def _line_of(file: str, name: str) -> int:
    lines = [
        node.lineno
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    ]
    return min(lines, default=0)


def _tree(file: str) -> ast.AST:
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])
