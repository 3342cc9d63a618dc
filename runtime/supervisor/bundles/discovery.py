"""Which bundles there are: the programs in a folder of agents, or the ones that were named.

Paths stay as they were given.  A link in one of them is followed anew at each look, so that a release which
is swapped by its link is found where the link points to now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from runtime.errors import BundleNotFound


class Look(msgspec.Struct, frozen=True):
    """What one look at the sources found.

    Attributes:
        bundles: name -> file, or folder with a ``main.py``.
        away: Those of them whose program is not there now, though it was.
    """

    bundles: Mapping[str, Path]
    away: frozenset[str]


class Discovery:
    """The sources of one server, looked at again and again.

    What a source is stays what it was when it was first seen: while a service's ``main.py`` is missing (a
    branch is switched, a release swapped), its folder does not become one of agents whose every module is
    run; and a source that is gone altogether keeps its bundles, which serve on.

    Args:
        sources: Files, folders with a ``main.py``, and folders of agents.
    """

    def __init__(self, sources: Iterable[Path]) -> None:
        self.sources = tuple(sources)
        self._services: set[Path] = set()
        self._seen: dict[Path, list[Path]] = {}

    def look(self) -> Look:
        """Look at every source.

        Raises:
            BundleNotFound: A source was never there, or is no Python program.
        """
        found: dict[str, Path] = {}
        away: set[str] = set()
        for source in self.sources:
            entries = self._entries(source)
            for entry in entries or self._seen.get(source, []):
                name = _free_name(entry, found)
                found[name] = entry
                if entries is None or not program_of(entry).is_file():
                    away.add(name)
            if entries is not None:
                self._seen[source] = entries
        return Look(found, frozenset(away))

    def _entries(self, source: Path) -> list[Path] | None:
        """The bundles of a source; None while it is gone."""
        is_known = source in self._seen
        if source in self._services or (not is_known and is_service(source)):
            self._services.add(source)
            return [source] if source.is_dir() else None
        if source.is_dir():
            try:
                return [entry for entry in sorted(source.iterdir()) if is_bundle(entry)]
            except OSError as error:
                if is_known:
                    return None
                raise BundleNotFound(
                    f"{source} cannot be read: {error.strerror}", cure="Let the server's user read it."
                ) from None
        if source.is_file() and source.suffix == ".py":
            return [source]
        if is_known:
            return None
        if source.exists():
            raise BundleNotFound(f"{source} is not a Python program", cure="Name a file that ends in .py.")
        raise BundleNotFound(f"there is no {source}", cure="Name an agents folder or a program that exists.")


def bundles_in(sources: Iterable[Path]) -> dict[str, Path]:
    """Find the bundles: name -> file, or folder with a ``main.py``.

    A folder with a ``main.py`` is one bundle, whose other modules are its own.  Any other folder stands for
    what is in it: each ``*.py`` and each folder with a ``main.py``.  Names that begin with ``_`` or ``.`` are
    left out, so a module that its bundles share is best called ``_something.py``.

    Raises:
        BundleNotFound: A source does not exist, or is no Python program.
    """
    return dict(Discovery(sources).look().bundles)


def program_of(bundle: Path) -> Path:
    """The program of a bundle: the file itself, or ``main.py`` in the folder."""
    return bundle if bundle.suffix == ".py" and not bundle.is_dir() else bundle / "main.py"


def is_service(folder: Path) -> bool:
    """Whether a folder is one bundle, instead of one of agents."""
    return (folder / "main.py").is_file()


def is_bundle(entry: Path) -> bool:
    """Whether an entry of an agents folder is a bundle."""
    if entry.name.startswith(("_", ".")):
        return False
    return entry.suffix == ".py" if entry.is_file() else is_service(entry)


def is_flat(source: Path, sources: Iterable[Path], found: Iterable[Path]) -> bool:
    """Whether a bundle is one of several programs of its folder, which are no modules to each other."""
    if source.is_dir():
        return False
    return source.parent in sources or any(
        other != source and other.parent == source.parent and not other.is_dir() for other in found
    )


def _free_name(entry: Path, taken: dict[str, Path]) -> str:
    # `..` and a drive's root have no name of their own.
    name = entry.name if entry.name not in ("", "..") else entry.resolve().name
    stem = name.removesuffix(".py")
    return stem if stem not in taken else name
