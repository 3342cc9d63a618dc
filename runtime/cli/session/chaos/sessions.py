"""Sessions that ``bulkhead chaos`` starts for itself, and ends again."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from runtime.cli.terminal import note

if TYPE_CHECKING:
    from runtime.cli.api import Api


class Sessions:
    """Starts and ends sessions in rooms of this command's own.  Leaving it ends what is left of them.

    Attributes:
        api: The server's.
        room: Name of the room.
    """

    def __init__(self, api: Api) -> None:
        self.api = api
        self._token = secrets.token_hex(3)
        self._running: list[str] = []
        self.room = f"chaos-{self._token}"

    def __enter__(self) -> Sessions:
        return self

    def __exit__(self, *_: object) -> None:
        self.end_all()

    def check_served(self, *paths: str) -> None:
        """Raise CommandFailed unless somebody serves these."""
        from runtime.cli.failure import CommandFailed

        known = {endpoint["path"] for endpoint in self.api.get("/workers")["endpoints"]}
        for path in paths:
            if path not in known:
                raise CommandFailed(f"nobody serves {path}", cure=f"Known: {', '.join(sorted(known))}.")

    def start(self, path: str, what: str, room: str = "") -> dict[str, Any]:
        """Start one and wait until it is ready; it as the API shows it."""
        from runtime.cli.room.call import post_call

        # Arguments that differ, so that no victim is taken for the one before it, called again.
        data = {"room_name": room or self.room, "arguments": {"chaos": f"{what}-{self._token}"}}
        session = post_call(self.api, path, data, wait_s=20.0)["session"]
        self._running.append(session)
        return self.shown(session)

    def shown(self, session: str) -> dict[str, Any]:
        """A session as the API shows it."""
        shown: dict[str, Any] = self.api.get(f"/workers/{session}")
        return shown

    def end_all(self) -> None:
        """End what is left of them."""
        for session in list(self._running):
            self.end(session)

    def end(self, session: str) -> None:
        """End one; ended already is as good."""
        from runtime.cli.failure import CommandFailed, ExitCode

        if session in self._running:
            self._running.remove(session)
        try:
            self.api.delete(f"/workers/{session}?grace_s=2")
        except CommandFailed as error:
            if error.exit_code == ExitCode.NOT_READY:
                return  # the server is gone, and they with it
            note(f"error: {session} could not be stopped: {error.message}", "red")
