"""``server.json`` in the state folder: how commands find the server that runs there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import runtime
from runtime.clock import iso
from runtime.files import kept_file

NAME: Final = "server.json"


def write(state_dir: Path, *, url: str, at: float, key: str) -> Callable[[], None]:
    """Write the file, readable for its owner alone; the returned function removes it again.

    Args:
        at: When the server started, in seconds since the epoch.
        key: A bearer of the operator API, for whoever may read the file.
    """
    path = state_dir / NAME
    about = {
        "pid": os.getpid(),
        "url": url,
        "started_at": iso(at),
        "version": runtime.__version__,
        "key": key,
    }
    kept_file.write(path, json.dumps(about))

    def remove() -> None:
        with suppress(OSError, ValueError, KeyError):
            if json.loads(path.read_text())["pid"] == os.getpid():
                path.unlink()

    return remove
