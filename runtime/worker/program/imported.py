"""Which files a program's import read, or looked for in vain: what makes its code, and when it changed.

The interpreter's own library, installed packages and this package are left out: they do not change under a
server.  Modules that were missing count by the files that would make them, in the folders from which the
program imports, so that the one that mends the import is noticed when it is written.
"""

from __future__ import annotations

import difflib
import itertools
import os
import re
import site
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, NamespaceLoader
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final

from runtime.wire.text import utf8_text

MAX_BYTES: Final = 64 << 10
"""All of it travels in one message."""

_MAX_MISSES: Final = 200
_MOST_FILES: Final = 2000
_MAX_LATER: Final = 500
_PACKAGES: Final = ("/site-packages/", "/dist-packages/")
_OURS: Final = str(Path(__file__).resolve().parents[2]) + "/"


class Misses(MetaPathFinder):
    """Asked last of all: notes the modules that nobody found, and finds none itself.

    Args:
        folders: Where the program finds modules beside its path.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._names: dict[str, Sequence[str] | None] = {}

    def note(self) -> None:
        """Begin; `files` ends it."""
        sys.meta_path.append(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if len(self._names) < _MAX_MISSES:
            self._names.setdefault(fullname, None if path is None else list(path))
        return None

    def paths(self) -> Iterator[str]:
        """The files and folders that would make the missing modules."""
        for fullname, path in self._names.items():
            name = fullname.rpartition(".")[2]
            for folder in (*sys.path, *map(str, self._folders)) if path is None else path:
                if (own := _own(os.path.join(folder, name))) is not None:
                    base = os.path.join(*own)
                    yield from (f"{base}.py", base, f"{base}/__init__.py")


def files(misses: Misses, error: BaseException | None = None) -> dict[str, list[str]]:
    """Folder by folder: what was imported so far, and what was looked for.

    Args:
        misses: Notes no more after this.
        error: What ended the import; the files in which it happened count, though their modules are no more.
    """
    if misses in sys.meta_path:
        sys.meta_path.remove(misses)
    found: dict[str, set[str]] = defaultdict(set)
    size = 0
    for path in (*_of_modules(), *(_of_error(error) if error is not None else ()), *misses.paths()):
        if (own := _own(path)) is None or own[1] in found.get(own[0], ()):
            continue
        folder, name = own
        size += len(name) + 8 + (0 if folder in found else len(folder) + 8)
        if size > MAX_BYTES:
            break
        found[folder].add(name)
    return {folder: sorted(names) for folder, names in found.items()}


class Later:
    """What a session imports while it runs: its bundle's code, too, though its start does not wait for it.

    Made when the session begins; asking it costs nothing while nothing was imported.
    """

    def __init__(self) -> None:
        self._count = len(sys.modules)

    def files(self) -> dict[str, list[str]]:
        """Folder by folder: what was imported since this was asked last."""
        count = len(sys.modules)
        if count <= self._count:
            return {}
        found: dict[str, list[str]] = {}
        for path in _files_of(list(itertools.islice(sys.modules.values(), self._count, None))[:_MAX_LATER]):
            if (own := _own(path)) is not None:
                found.setdefault(own[0], []).append(own[1])
        self._count = count
        return found


def _of_modules() -> Iterator[str]:
    yield from _files_of(list(sys.modules.values()))


def _files_of(modules: list[ModuleType]) -> Iterator[str]:
    for module in modules:
        try:
            # Not getattr: it would load a module that is to be loaded when it is first used.
            file = object.__getattribute__(module, "__dict__").get("__file__")
        except AttributeError:
            continue  # whatever a program has put there
        if isinstance(file, str):
            yield file


def _of_error(error: BaseException) -> Iterator[str]:
    """The files in which it was raised, and the one that could not be compiled."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        one = pending.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, SyntaxError) and one.filename:
            yield one.filename
        trace: TracebackType | None = one.__traceback__
        while trace is not None:
            yield trace.tb_frame.f_code.co_filename
            trace = trace.tb_next
        pending += [one.__cause__, one.__context__]


def _own(path: str) -> tuple[str, str] | None:
    """Its folder and name, if it is the author's, who may edit it while it is served."""
    if path.startswith("<"):
        return None
    try:
        whole = os.path.abspath(path)
        whole.encode()
    except (OSError, ValueError):  # the working folder is gone, or the name is not text and fits no message
        return None
    if whole.startswith((_OURS, *_LIBRARIES)) or any(part in whole for part in _PACKAGES):
        return None
    return os.path.split(whole)


def _libraries() -> tuple[str, ...]:
    folders = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {*site.getsitepackages(), site.getusersitepackages()}
    with_links = folders | {os.path.realpath(folder) for folder in folders if folder}
    return tuple(f"{folder.rstrip('/')}/" for folder in with_links if folder)


_LIBRARIES: Final = _libraries()


_NO_NAME: Final = re.compile(r"cannot import name '(?P<name>\w{1,100})' from")


def missing_module(error: ImportError, folder: Path) -> tuple[str, bool]:
    """The module that an import did not find, and whether its package is one that distributions share.

    ``from package import name`` says only that there is no such name.  Of a package that has no code of its
    own, and of one of the program's in `folder`, it is a module that is missing.
    """
    name = error.name or ""
    package = sys.modules.get(name.rpartition(".")[0])
    if not isinstance(error, ModuleNotFoundError):
        asked = _NO_NAME.match(str(error.msg))
        package = sys.modules.get(name)
        file = getattr(package, "__file__", None) or ""
        is_own = os.path.basename(file) == "__init__.py" and file.startswith(f"{folder}/")
        if asked is None or "partially initialized" in str(error.msg) or not (is_own or _is_shared(package)):
            return "", False
        name = f"{name}.{asked['name']}"
    places = [str(place) for place in getattr(package, "__path__", ())]
    is_theirs = not any(place.startswith(f"{folder}/") for place in places)
    return utf8_text(name[:200]), _is_shared(package) and is_theirs


def _is_shared(package: Any) -> bool:
    return isinstance(getattr(getattr(package, "__spec__", None), "loader", None), NamespaceLoader)


def near_module(name: str, folder: Path) -> str:
    """The file below `folder`, such as ``tools.py`` or ``pkg/``; empty when none is like it."""
    package, _, last = name.rpartition(".")
    places = (
        [Path(place) for place in getattr(sys.modules.get(package), "__path__", ())] if package else [folder]
    )
    files = {module: file for place in places for module, file in _modules_in(place)}
    for module in difflib.get_close_matches(last, files, n=1, cutoff=0.6):
        with suppress(ValueError):
            return str(files[module].relative_to(folder)) + ("/" if files[module].is_dir() else "")
    return ""


def _modules_in(folder: Path) -> Iterator[tuple[str, Path]]:
    with suppress(OSError):
        for number, entry in enumerate(folder.iterdir()):
            if number >= _MOST_FILES:
                return
            if entry.suffix == ".py" and entry.stem != "__init__":
                yield entry.stem, entry
            elif entry.is_dir() and entry.name.isidentifier() and entry.name != "__pycache__":
                yield entry.name, entry
