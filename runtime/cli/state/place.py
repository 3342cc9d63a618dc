"""Which state folder a command means."""

from __future__ import annotations

import os
from pathlib import Path

from runtime.cli.failure import CommandFailed
from runtime.cli.options import config_file
from runtime.front.home import state_folder
from runtime.settings import Settings, load_settings


def settings_of(config: Path | None, state_dir: Path | None) -> Settings:
    """The settings as a server started here would have them.

    Raises:
        ConfigError: One of them cannot be used.
    """
    flags = {"server.state_dir": str(state_dir)} if state_dir else {}
    return load_settings(flags=flags, env=os.environ, file=config_file(config))


def folder_of(settings: Settings) -> Path:
    """The folder in which a server with these settings has its state; nothing is made.

    Raises:
        CommandFailed: This user may not look into it.
    """
    asked = settings.server.state_dir
    if asked.is_dir() and not os.access(asked, os.R_OK | os.X_OK):
        owner = asked.stat().st_uid
        raise CommandFailed(
            f"user {state_folder.whose()} may not look into {asked}, which belongs to user {owner}",
            cure=f"Run it as that user (sudo -u '#{owner}' …), or name another folder with --state-dir.",
        )
    return state_folder.where(asked).absolute()
