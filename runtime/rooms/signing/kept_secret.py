"""The room server's own secret: made once, for its owner alone, and anew only when somebody asks for it."""

from __future__ import annotations

import secrets
import shlex
from pathlib import Path
from typing import Final

from runtime.errors import ConfigError
from runtime.files import kept_file

MIN_CHARS: Final = 32


def kept_secret(path: Path) -> str:
    """What the file holds; where there is no file, it is made.

    Raises:
        ConfigError: It cannot be read or written, or what it holds is no secret.
    """
    try:
        if not path.exists():
            try:
                kept_file.make(path, secrets.token_hex(32))
            except FileExistsError:
                pass  # by another server, in this moment
        return read_secret(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read or made: {error.strerror}", cure="Check the folder's owner and its disk."
        ) from error


def renew_secret(path: Path) -> None:
    """Put a new secret in the place of whatever is there; tokens signed by the old one are void."""
    kept_file.write(path, secrets.token_hex(32))


def read_secret(path: Path) -> str:
    """What the file holds.

    Raises:
        ConfigError: It is no secret: a new one would make all tokens void, so none is made by itself.
        OSError: It cannot be read.
    """
    held = path.read_bytes().strip()
    if len(held) >= MIN_CHARS and held.isascii() and held.decode("ascii").isprintable():
        return held.decode("ascii")
    what = "is empty" if not held else "holds no secret"
    command = shlex.join(["bulkhead", "doctor", "--new-secret", "--state-dir", str(path.parent.parent)])
    raise ConfigError(
        f"{path} {what}, which signs the tokens of the rooms",
        cure=f"Put it back from a backup, or make a new one, which makes all tokens void: {command}",
    )
