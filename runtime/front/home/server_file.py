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
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)  # in a shared folder anybody may have made it, to read what is written
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(about, file)
    scratch.replace(path)  # a reader sees all of it or none

    def remove() -> None:
        with suppress(OSError, ValueError, KeyError):
            if json.loads(path.read_text())["pid"] == os.getpid():
                path.unlink()

    return remove
