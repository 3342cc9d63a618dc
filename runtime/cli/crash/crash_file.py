"""A file of ``bulkhead crash bundle``, read again."""

from __future__ import annotations

import json
import tarfile
import zlib
from pathlib import Path
from typing import Any, Final, cast

from runtime.cli.failure import CommandFailed

_MAX_BYTES: Final = 8 << 20
_TEXTS: Final = ("session", "endpoint", "identity", "room", "sentence")
_TEXTS_OF_CODE: Final = ("file", "bundle", "sha256")


def report_in(file: Path) -> dict[str, Any]:
    """The report in a bundle, as the API shows it; nothing is unpacked.

    Raises:
        CommandFailed: There is no such file, or it is no such bundle.
    """
    try:
        with tarfile.open(file) as archive:
            for entry in archive:
                if entry.name.endswith("/report.json") and entry.size <= _MAX_BYTES:
                    found = archive.extractfile(entry)
                    report = json.loads(found.read()) if found is not None else None
                    if _is_report(report):
                        return cast(dict[str, Any], report)
    except OSError as error:
        raise CommandFailed(
            f"{file} cannot be read: {error.strerror or error}",
            cure="Name a file that `bulkhead crash bundle` made, or a session's id.",
        ) from error
    except (tarfile.TarError, zlib.error, ValueError, RecursionError, EOFError) as error:
        raise _not_one(file) from error
    raise _not_one(file)


def _is_report(found: Any) -> bool:
    """Whether it has what a replay needs; the file may come from anywhere."""
    if not isinstance(found, dict) or not isinstance(found.get("generation"), int):
        return False
    code, arguments = found.get("code"), found.get("arguments")
    if not isinstance(code, dict) or not isinstance(arguments, dict):
        return False
    texts = [*(found.get(name) for name in _TEXTS), *(code.get(name) for name in _TEXTS_OF_CODE)]
    return all(isinstance(text, str) for text in texts)


def _not_one(file: Path) -> CommandFailed:
    return CommandFailed(f"{file} is no crash bundle", cure="`bulkhead crash bundle s_…` makes one.")
