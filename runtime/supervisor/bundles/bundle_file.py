"""The file with a bundle's own settings, that lies with it.

A folder has ``bulkhead.toml`` in it; a program ``chat.py`` has ``chat.toml`` beside it.  What is not a
bundle's there is not ours to judge: in the folder of a project it is the server's own file, too.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import structlog

from runtime.files import plain_file
from runtime.process.leftovers.forkability import Fork

log = structlog.get_logger("supervisor")

MAX_BYTES: Final = 64 << 10


def file_of(source: Path) -> Path:
    """Where a bundle's own settings are, or would be."""
    return source / "bulkhead.toml" if source.is_dir() else source.with_suffix(".toml")


def tables_of(source: Path) -> dict[str, Any]:
    """What stands in the file; nothing when there is none.

    Raises:
        OSError, UnicodeDecodeError, tomllib.TOMLDecodeError: It cannot be read.
    """
    try:
        return tomllib.loads(plain_file.read(file_of(source), most_bytes=MAX_BYTES).decode())
    except FileNotFoundError:
        return {}


def fork_of(source: Path) -> Fork:
    """What a bundle says of being forked from (``fork = "always"``).  What cannot be read is logged, and it
    is decided by what is found."""
    try:
        said = tables_of(source).get("fork", Fork.AUTO)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return Fork.AUTO  # told where its limits are read
    try:
        return Fork(said)
    except ValueError:
        log.error(
            "bundle.fork_unusable",
            file=str(file_of(source)),
            error=f"fork = {said!r} is unknown",
            cure=f'Write fork = "{Fork.AUTO}", "{Fork.ALWAYS}" or "{Fork.NEVER}", above the first table.',
        )
        return Fork.AUTO
