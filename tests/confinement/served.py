"""A server of the agents/ that are here, at one level of confinement, for what runs in a firing range."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtime.cli.api import Api
from runtime.cli.server_process import ServerProcess
from runtime.cli.source import loaded


@contextmanager
def served(level: str, **settings: Any) -> Iterator[Api]:
    """Enter it to have all bundles loaded."""
    # A signal to everybody is one of the attacks.  Not ignored, because that would be inherited.
    signal.signal(signal.SIGTERM, lambda *_: None)
    here = Path.cwd()
    os.environ["BULKHEAD_STATE_DIR"] = str(here / "state")
    flags = {"server.port": 0, "server.state_dir": here / "state", "confinement.level": level}
    flags |= {"server.watch": False, **settings}
    server = ServerProcess(flags, [here / "agents"], None)
    server.start()
    try:
        api = server.wait_listening()
        for folder in sorted((here / "agents").iterdir()):
            loaded(api, server, folder)
        yield api
    finally:
        server.kill()
