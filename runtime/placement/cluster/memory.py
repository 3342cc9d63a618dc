"""Which nodes a front knew, so that after a start it knows whom to wait for."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Final

from runtime.files import kept_file
from runtime.logs import get_logger

MAX_NAMES: Final = 1000
_log = get_logger("cluster")


class Memory:
    """Names in a small file; one that cannot be read is as if there had been none.

    Attributes:
        names: Of the nodes of this life and the last ones, the newest last.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.names: list[str] = []
        with suppress(OSError, ValueError):
            found = json.loads(file.read_text("utf-8"))
            self.names = [str(one) for one in found][-MAX_NAMES:] if isinstance(found, list) else []

    def remember(self, name: str) -> None:
        """A node was heard for the first time in this life."""
        if name not in self.names:
            self._keep([*self.names, name][-MAX_NAMES:])

    def forget(self, name: str) -> None:
        """It is no part of the cluster any more."""
        if name in self.names:
            self._keep([one for one in self.names if one != name])

    def _keep(self, names: list[str]) -> None:
        self.names = names
        try:
            kept_file.write(self._file, json.dumps(names))
        except OSError as error:
            _log.warning("cluster.not_remembered", file=str(self._file), error=str(error))
