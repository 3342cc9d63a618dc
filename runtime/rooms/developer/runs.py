"""Runs of tasks and tools in a room, told to the developer log: who ran what, with what, what came of it."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from runtime.rooms.connection import Peer
from runtime.rooms.developer.log import DeveloperLog

STARTED, ENDED = "run.started", "run.ended"


class Runs:
    """Tells when a run begins and how it ends.  A run that its room did not see end was lost with it."""

    def __init__(self, log: DeveloperLog) -> None:
        self._log = log

    def begin(
        self, kind: Literal["task", "tool"], by: Peer, host: Peer, *, name: str, tool: str = "", input: Any
    ) -> str:
        """A run begins; its id.

        Args:
            name: Of the agent that runs the task, or of the toolkit.
        """
        run = uuid.uuid4().hex
        about = {"run": run, "kind": kind, "name": name, "tool": tool, "host": host.participant.name}
        who = {"by": by.participant.name, "caller": by.id}
        self._log.note(by, STARTED, {**about, **who, "input": input})
        return run

    def end(self, run: str, by: Peer, *, result: Any = None, error: str | None = None) -> None:
        """What came of it.

        Args:
            result: A content's header, as the caller gets it.
            error: Why there is no result.
        """
        outcome = {"result": result} if error is None else {"error": error}
        self._log.note(by, ENDED, {"run": run, **outcome})
