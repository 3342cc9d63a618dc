"""Which nodes a front knew, whom it waits for after a start, and which of them are drained."""

from __future__ import annotations

import json
from collections.abc import Container
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
        drained: Those that somebody said to give no sessions to.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.names: list[str] = []
        self.drained: set[str] = set()
        with suppress(OSError, ValueError, AttributeError, TypeError):
            found = json.loads(file.read_text("utf-8"))
            kept = found if isinstance(found, dict) else {"names": found}
            self.names = [str(one) for one in kept["names"]][-MAX_NAMES:]
            self.drained = {str(one) for one in kept.get("drained", ())}.intersection(self.names)

    def remember(self, name: str) -> None:
        """A node was heard for the first time in this life."""
        if name not in self.names:
            self._keep([*self.names, name][-MAX_NAMES:])

    def forget(self, name: str) -> None:
        """It is no part of the cluster any more."""
        if name in self.names and name not in self.drained:
            self._keep([one for one in self.names if one != name])

    def keep_only(self, heard: Container[str]) -> None:
        """Those that were not heard in this life have nothing of ours: nobody waits for them once more."""
        kept = [one for one in self.names if one in heard or one in self.drained]
        if kept != self.names:
            self._keep(kept)

    def drain(self, name: str) -> None:
        """Give it no sessions, over its lives and ours."""
        self.drained.add(name)
        self._keep(self.names)

    def undrain(self, name: str) -> None:
        """Give it sessions again."""
        self.drained.discard(name)
        self._keep(self.names)

    def _keep(self, names: list[str]) -> None:
        self.names = names
        try:
            kept_file.write(self._file, json.dumps({"names": names, "drained": sorted(self.drained)}))
        except OSError as error:
            _log.warning("cluster.not_remembered", file=str(self._file), error=str(error))
