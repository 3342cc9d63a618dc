"""Make this package importable in an interpreter that has it not, or has another of its name.

A bundle with an environment of its own has neither this package nor the front's site-packages on its path,
and must not get them: they hold other versions of what it pins.  And a program may have a ``runtime.py`` of
its own, which is its own also here.  So nothing is put on the path: the package is lent from where it lies,
as ``runtime``, or under a name that nobody else has, when a program would find another module of that name.

This file is loaded by its path and imports the standard library alone.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_FOLDER = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
_NAME = "runtime"
_OTHER_NAME = "bulkhead_runtime"


def lend(first: str = "") -> str:
    """Make the package importable in this process, and nothing beside it; returns the name to import it by.

    Args:
        first: A folder that is to come before the others of the path; empty when there is none.
    """
    name = _OTHER_NAME if _is_taken([first, *sys.path] if first else sys.path) else _NAME
    if name in sys.modules:
        return name
    loader: SourceFileLoader | None = None
    if name == _OTHER_NAME:
        for each in [each for each in sys.modules if each.partition(".")[0] == _NAME]:
            del sys.modules[each]  # ours, by the name that is not ours here
        sys.meta_path.insert(0, _Finder())
        loader = _Loader(name, os.path.join(_FOLDER, "__init__.py"))
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(_FOLDER, "__init__.py"), loader=loader, submodule_search_locations=[_FOLDER]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return name


def _is_taken(path: Sequence[str]) -> bool:
    """Whether a program with this path would find another module of our name."""
    spec = PathFinder.find_spec(_NAME, list(path))
    if spec is None:
        return False
    places = [spec.origin] if spec.has_location else list(spec.submodule_search_locations or ())
    return not any(os.path.realpath(place or "").startswith(_FOLDER) for place in places)


class _Finder(MetaPathFinder):
    """Finds the modules of the package under its other name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{_OTHER_NAME}."):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    """Has a module's own import statements find the package by its other name."""

    def exec_module(self, module: ModuleType) -> None:
        # An import statement asks the builtins of its own module, which are nobody else's.
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    if level == 0 and name.partition(".")[0] == _NAME:
        name = _OTHER_NAME + name[len(_NAME) :]
    return builtins.__import__(name, globals, locals, fromlist or (), level)
