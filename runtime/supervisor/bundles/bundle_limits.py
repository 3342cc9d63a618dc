"""The limits a bundle brings along: the table ``[limits]`` of the file that lies with it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import structlog

from runtime.errors import ConfigError
from runtime.session.limit_layers import SourcedLimits, of_bundle
from runtime.supervisor.bundles.bundle_file import file_of, tables_of

log = structlog.get_logger("supervisor")


def limits_of(source: Path) -> SourcedLimits:
    """The limits of the bundle at `source`; none when there is no file.  One that cannot be read is logged:
    the server's own limits hold then."""
    file = file_of(source)
    try:
        table = tables_of(source).get("limits", {})
        if not isinstance(table, dict):
            raise ConfigError(f"{file.name}: limits is no table", cure="Write [limits] on a line of its own.")
        return of_bundle(table, f"bundle {file.name}")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ConfigError) as error:
        log.error("bundle.limits_unusable", file=str(file), error=str(error))
        return SourcedLimits()
