"""A file of ``bulkhead crash bundle``, read again."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any, Final

from runtime.cli.failure import CommandFailed

_MAX_BYTES: Final = 8 << 20


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
                    if isinstance(report, dict) and "session" in report and "code" in report:
                        return report
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror or error}") from error
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise _not_one(file) from error
    raise _not_one(file)


def _not_one(file: Path) -> CommandFailed:
    return CommandFailed(f"{file} is no crash bundle", cure="`bulkhead crash bundle s_…` makes one.")
