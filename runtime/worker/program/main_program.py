"""Run a bundle's program as ``python main.py`` would: same compiler, path, globals and arguments."""

from __future__ import annotations

import hashlib
import io
import linecache
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from runtime.sdk.program.call_site import CallSite

Bare = tuple[frozenset[str], frozenset[str]]
"""What an interpreter has that ran nothing yet: modules, and variables of its ``__main__``; by name."""

_USUAL: Final[Bare] = (frozenset(sys.stdlib_module_names), frozenset({"__annotations__", "__cached__"}))


def program_of(source: Path) -> Path:
    """The program of a bundle: the file itself, or ``main.py`` in the folder."""
    return source / "main.py" if source.is_dir() else source


class Program:
    """A program that is about to be this process's ``__main__``.

    Args:
        source: The bundle's file or folder.
        is_flat: It is one of several programs of its folder.  Then the others are not to be found as
            modules: only what begins with an underscore, and nothing of it before the library's.
        bare: What the interpreter had before anything of ours.
        arguments: Its ``sys.argv``, when somebody gave it one.

    Attributes:
        file: Its ``__file__``.
        folder: Where its own modules lie.
        is_flat: As above.
        sha256: Of the file as it was run, in hexadecimal; empty before.
        modified_at: When the file was last changed, seconds since the epoch.
        is_unguarded: Whoever imports it comes to ``service.run()``.
        served_at: Where that stands, such as ``main.py:12``; empty before.
    """

    def __init__(
        self, source: Path, *, is_flat: bool = False, bare: Bare = _USUAL, arguments: Sequence[str] = ()
    ) -> None:
        self.file = Path(os.path.abspath(program_of(source)))
        self.folder = self.file.parent
        self.sha256 = ""
        self.modified_at = 0.0
        self.is_unguarded, self.served_at = False, ""
        self.is_flat = is_flat
        self._bare = bare
        self._arguments = list(arguments) or [self.file.name]

    def came_to(self, site: CallSite) -> None:
        """It has come to ``service.run()`` there."""
        self.is_unguarded, self.served_at = site.is_unconditional, site.where

    def has_sibling(self, name: str) -> bool:
        """Whether a module that was not found is another program of the folder."""
        return self.is_flat and bool(name) and (self.folder / f"{name}.py").is_file()

    def prepare(self) -> ModuleType:
        """Make this process the program's; returns the module it is to run in."""
        main = self._main_module()
        sys.modules["__main__"] = main
        sys.argv = list(self._arguments)
        sys.orig_argv = [sys.orig_argv[0], *self._arguments]
        self.find_modules()
        return main

    def find_modules(self) -> None:
        """Let this process import what the program may."""
        if self.is_flat:
            sys.meta_path.append(SharedModules(self.folder))
        elif not sys.flags.safe_path:
            # As the interpreter does: where the file itself lies, also when it was named by a link.
            folder = os.path.dirname(os.path.realpath(self.file))
            sys.path.insert(0, folder)
            _give_back(folder, self._bare[0])

    def run(self) -> None:
        """Run it to its end, in this process.  Whatever it raises is passed on."""
        main = self.prepare()
        exec(self.code(), vars(main))

    def code(self) -> CodeType:
        """Read it and compile it as the interpreter would."""
        source = self.file.read_bytes()
        self.modified_at = self.file.stat().st_mtime
        self.sha256 = hashlib.sha256(source).hexdigest()
        _remember(self.file, source)
        # `dont_inherit`: a `from __future__` of this file's must not be one of the program's.
        code: CodeType = compile(source, str(self.file), "exec", dont_inherit=True)
        return code

    def _main_module(self) -> ModuleType:
        module = ModuleType("__main__")
        given: dict[str, Any] = {"__annotations__": {}, "__cached__": None}
        vars(module).update((name, value) for name, value in given.items() if name in self._bare[1])
        module.__loader__ = SourceFileLoader("__main__", str(self.file))
        module.__dict__["__builtins__"] = sys.modules["builtins"]
        module.__file__ = str(self.file)
        return module


class SharedModules(MetaPathFinder):
    """Finds the modules that programs of one folder share: those that begin with an underscore.

    It asks last, so nothing in the folder stands in for a module of the library or of a package.
    """

    def __init__(self, folder: Path) -> None:
        self._path = [str(folder)]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or not fullname.startswith("_"):
            return None
        return PathFinder.find_spec(fullname, self._path)


def _give_back(folder: str, bare: frozenset[str]) -> None:
    """Let the program's own modules be found where we have loaded others of the same name.

    Its ``calendar.py`` beside ``main.py`` comes before the library's, whoever has imported that already.
    What every interpreter has loaded before a program begins, no program can replace.
    """
    try:
        entries = os.listdir(folder)
    except OSError:
        return
    for entry in entries:
        name, suffix = os.path.splitext(entry)
        if suffix not in ("", ".py") or name not in sys.modules or name in bare or name == "__main__":
            continue
        spec = PathFinder.find_spec(name, [folder])
        if spec is not None and spec.has_location:
            for loaded in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
                del sys.modules[loaded]


def _remember(program: Path, source: bytes) -> None:
    """Tracebacks show the lines that run here, also when the file is edited later."""
    try:
        lines = io.TextIOWrapper(io.BytesIO(source), "utf-8").readlines()
    except UnicodeDecodeError:
        return  # another encoding: read from the file when it is needed
    linecache.cache[str(program)] = (len(source), None, lines, str(program))
