"""The limits a bundle brings along: the table ``[limits]`` of a file that lies with it.

A folder has ``bulkhead.toml`` in it; a program ``chat.py`` has ``chat.toml`` beside it.  Other tables of
the file are not ours to judge: in the folder of a project it is the server's own file, too.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import structlog

from runtime.errors import ConfigError
from runtime.session.limit_layers import SourcedLimits, of_bundle

log = structlog.get_logger("supervisor")

_MAX_BYTES = 64 << 10


def limits_of(source: Path) -> SourcedLimits:
    """The limits of the bundle at `source`; none when there is no file.  One that cannot be read is logged:
    the server's own limits hold then."""
    file = source / "bulkhead.toml" if source.is_dir() else source.with_suffix(".toml")
    try:
        with file.open("rb") as opened:
            tables = tomllib.loads(opened.read(_MAX_BYTES).decode())
        table = tables.get("limits", {})
        if not isinstance(table, dict):
            raise ConfigError(f"{file.name}: limits is no table", cure="Write [limits] on a line of its own.")
        return of_bundle(table, f"bundle {file.name}")
    except FileNotFoundError:
        return SourcedLimits()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ConfigError) as error:
        log.error("bundle.limits_unusable", file=str(file), error=str(error))
        return SourcedLimits()
