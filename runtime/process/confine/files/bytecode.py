"""Where an interpreter keeps what it compiled, when it may not write beside the sources.

Packages that were installed without being compiled would be compiled anew at every start of a zygote, which
takes seconds for large ones.  So a bundle whose packages are not compiled gets a folder for that, which its
import may write and its sessions may only read: what one wrote there another would run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

_FOLDER: Final = "bytecode"
_LOOKED_AT: Final = 40


def folder_for(state: str, source: Path, python: str, packages: str) -> str:
    """The folder, made; empty where the packages are compiled.

    Args:
        packages: The folder of the interpreter's packages.

    Raises:
        OSError: The state folder cannot be written.
    """
    if _are_compiled(packages):
        return ""
    mark = hashlib.sha256(f"{source}:{python}".encode()).hexdigest()[:12]
    top = os.path.join(state, _FOLDER)
    os.makedirs(top, mode=0o711, exist_ok=True)  # who has a user of its own has to get through
    folder = os.path.join(top, mark)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


def _are_compiled(packages: str) -> bool:
    """Most of those that are looked at."""
    found = list(islice(_packages(packages), _LOOKED_AT))
    return not found or 2 * sum(map(_is_compiled, found)) >= len(found)


def _packages(folder: str) -> Iterable[str]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if os.path.isfile(os.path.join(folder, name, "__init__.py")):
            yield os.path.join(folder, name)


def _is_compiled(package: str) -> bool:
    try:
        return any(name.endswith(".pyc") for name in os.listdir(os.path.join(package, "__pycache__")))
    except OSError:
        return False
