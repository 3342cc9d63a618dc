"""``python -m runtime.front '<json>'``: the server process.

The argument is ``{"flags": {"server.port": 0, …}, "sources": [paths], "config": path or null}``; the rest
comes from the environment.  The exit status is 0 after a drain, 1 when it could not start.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from runtime.errors import ConfigError, RuntimeServiceError
from runtime.front.server import Server
from runtime.logs import configure, get_logger
from runtime.process import descriptors
from runtime.process.child import end_with
from runtime.process.init import PARENT_VARIABLE
from runtime.settings import LogSettings, load_settings


def main(arguments: list[str]) -> int:
    """Run one server with the arguments of its command line."""
    if parent := os.environ.get(PARENT_VARIABLE):
        end_with(int(parent), signal.SIGTERM)
    try:
        work: dict[str, Any] = json.loads(arguments[0]) if arguments else {}
        settings = load_settings(
            flags=work.get("flags"),
            env=os.environ,
            file=Path(work["config"]) if work.get("config") else None,
        )
        configure(settings.log)
        descriptors.claim()
        if (fit := descriptors.sessions_that_fit()) < settings.supervisor.max_sessions:
            get_logger("server").warning(
                "server.descriptors_few",
                detail=f"open files suffice for {fit} of {settings.supervisor.max_sessions} sessions",
                cure="Raise the hard limit of open files, or lower supervisor.max_sessions.",
            )
        sources = [Path(source) for source in work.get("sources") or [settings.server.agents_dir]]
        return asyncio.run(Server(settings, sources).run())
    except json.JSONDecodeError as error:
        return _failed(ConfigError(f"the server's argument is not JSON: {error}"))
    except RuntimeServiceError as error:
        return _failed(error)


def _failed(error: RuntimeServiceError) -> int:
    get_logger("server").error("server.start_failed", code=error.code, error=error.message, cure=error.cure)
    return 1


if __name__ == "__main__":
    configure(LogSettings())
    sys.exit(main(sys.argv[1:]))
