"""How a program that is its own server imports that server.

Modules of the program stand before those of the same name which the server needs.

``calendar.py`` beside ``main.py`` is what the program imports by that name.  The server's packages, which run
in the same process where a program is its own server, mean the library's.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_modules_aside() -> Iterator[None]:
    """Within, modules are imported as if the program had none of its own; afterwards it has them again."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    if not file:
        yield
        return
    folder = os.path.dirname(os.path.realpath(file))
    path = list(sys.path)
    theirs = {
        name: module for name, module in sys.modules.items() if name != "__main__" and _is_in(module, folder)
    }
    sys.path[:] = [entry for entry in path if os.path.realpath(entry) != folder]
    for name in theirs:
        del sys.modules[name]
    try:
        yield
    finally:
        sys.path[:] = path
        sys.modules.update(theirs)


@contextmanager
def uncollected() -> Iterator[None]:
    """Within, nobody looks for garbage: what is imported stays, and a sixth of the time would be looking."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _is_in(module: object, folder: str) -> bool:
    """Whether a module, or the package that it belongs to, lies beside the program."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.startswith(f"{folder}/"):
        return False
    return "/site-packages/" not in file[len(folder) :] and not file.startswith(_OURS)


_OURS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + "/"
