"""Which bundles there are: the programs in a folder of agents, or the ones that were named."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from runtime.errors import BundleNotFound


def bundles_in(sources: Iterable[Path]) -> dict[str, Path]:
    """Find the bundles: name -> file, or folder with a ``main.py``.

    A folder stands for what is in it: each ``*.py`` and each folder with a ``main.py``.  Names that begin
    with ``_`` or ``.`` are left out, so a module that others import is best called ``_something.py``.

    Raises:
        BundleNotFound: A source does not exist, or is no Python program.
    """
    found: dict[str, Path] = {}
    for source in sources:
        if source.is_dir():
            for entry in sorted(source.iterdir()):
                if is_bundle(entry):
                    found[_free_name(entry, found)] = entry
        elif source.is_file():
            if source.suffix != ".py":
                raise BundleNotFound(
                    f"{source} is not a Python program", cure="Name a file that ends in .py."
                )
            found[_free_name(source, found)] = source
        else:
            raise BundleNotFound(
                f"there is no {source}", cure="Name an agents folder or a program that exists."
            )
    return found


def is_bundle(entry: Path) -> bool:
    """Whether an entry of an agents folder is a bundle."""
    if entry.name.startswith(("_", ".")):
        return False
    return entry.suffix == ".py" if entry.is_file() else (entry / "main.py").is_file()


def _free_name(entry: Path, taken: dict[str, Path]) -> str:
    return entry.stem if entry.stem not in taken else entry.name
