"""The key that seals the secrets of a state folder: made once, for its owner alone, never anew by itself."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from runtime.errors import ConfigError
from runtime.files import kept_file, plain_file
from runtime.front.home.contents import SEAL_KEY
from runtime.wire.sealed import KEY_BYTES, Seal

_MOST_BYTES: Final = 1024


def seal_of(folder: Path) -> Seal:
    """What seals the secrets of this state folder; where it has no key, one is made.

    Raises:
        ConfigError: Its key cannot be read or written, or is none: a new one would make all secrets
            unreadable, so none is made in its place.
    """
    path = folder / SEAL_KEY
    try:
        if not path.exists():
            try:
                kept_file.make(path, secrets.token_hex(KEY_BYTES))
            except FileExistsError:
                pass  # by another, in this moment
        return read_seal(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read or made: {error.strerror}", cure="Check the folder's owner and its disk."
        ) from error


def read_seal(path: Path) -> Seal:
    """The seal of a key that is there.

    Raises:
        ConfigError: It holds no key.
        OSError: It cannot be read.
    """
    held = plain_file.read(path, most_bytes=_MOST_BYTES).strip()
    try:
        key = bytes.fromhex(held.decode("ascii"))
        return Seal(key)
    except ValueError:
        what = "is empty" if not held else "holds no key"
        cure = "Put it back from a backup; or move it away, and set every secret again."
        raise ConfigError(f"{path} {what}, which seals the secrets", cure=cure) from None
