"""Why an agent that was asked did not answer: its session ended meanwhile, or was refused something."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from runtime.cli.api import Api

_LEFT: Final = "left the room"
_SILENT: Final = "has answered nothing"
_REFUSED: Final = ("permission", "not permitted", "unable to open database", "readonly", "read-only")
_SETTLED_S: Final = 3.0
"""A participant is gone a moment before its process, and its process before that is told."""
_LOOK_S: Final = 0.1


class Asked:
    """A question to an agent of a room.

    Make it before the question is asked: what runs then is what may have ended since.
    """

    def __init__(self, api: Api, room: str, agent: str) -> None:
        self._api, self._room, self._agent = api, room, agent
        self.again()

    def again(self) -> None:
        """Another question is asked now."""
        self._before = {str(one["id"]): _end_of(one) for one in self._sessions()}

    def why(self, error: str) -> tuple[str, str] | None:
        """A sentence and a cure, better than `error` has them; None where nothing more is known."""
        if _LEFT in error:
            return self._ended()
        if _SILENT in error:
            return self._kept_from_it(error)
        if any(word in error.lower() for word in _REFUSED):
            return self._refused(error)
        return None

    def _ended(self) -> tuple[str, str] | None:
        deadline = time.monotonic() + _SETTLED_S
        while time.monotonic() < deadline:
            for one in self._sessions(all_of_them=True):
                end = _end_of(one)
                if end is not None and self._before.get(str(one["id"]), end) != end:
                    told = f"{self._agent} ended, reason {end['reason']}: {end['message']}"
                    return told.rstrip("."), f"`bulkhead crash show {one['id']}` says what to do."
            time.sleep(_LOOK_S)
        return None

    def _kept_from_it(self, error: str) -> tuple[str, str] | None:
        for one in self._sessions():
            if one.get("note"):
                return f"{error}: it {one['note']}", f"`bulkhead stacks {one['id']}` shows where it is."
        return None

    def _refused(self, error: str) -> tuple[str, str] | None:
        lines = [
            str(line["text"])
            for one in self._sessions()
            for line in self._api.get(f"/workers/{one['id']}/logs")["lines"]
            if line["stream"] == "server"
        ]
        # What is refused again is not told again: the line may be of an earlier question.
        named = [text for text in lines if any(word.strip("'\"") in error for word in text.split()[2:3])]
        if not lines:
            return None
        text = (named or lines)[-1]
        what, _, cure = text.partition(" · allow: ")
        return f"{error.rstrip('.')} ({what})", f"To allow it: {cure}."

    def _sessions(self, *, all_of_them: bool = False) -> list[dict[str, Any]]:
        """Those of the agent; of all in the room where it is called otherwise than its session."""
        asked = f"/workers?room={quote(self._room, safe='')}{'&all=1' if all_of_them else ''}"
        found: list[dict[str, Any]] = self._api.get(asked)["workers"]
        return [one for one in found if one["identity"] == self._agent] or found


def _end_of(session: dict[str, Any]) -> dict[str, Any] | None:
    """How it ended, or its attempt before this one did."""
    found: dict[str, Any] | None = session.get("exit") or session["restart"]["last_exit"]
    return found
