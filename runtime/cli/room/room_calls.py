"""What ``service run`` called into its room: it calls again what its new code or a new server left behind.

Theory: each look at the server compares what it serves with what was called.  One thing at a time happens to
a path; stopping may take as long as an agent's goodbye, so it happens in a thread and the table goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from runtime.cli.api import Api
from runtime.cli.failure import CommandFailed, ExitCode
from runtime.cli.options import Reload
from runtime.cli.room.call import post_call
from runtime.front.autocall import BY_COMMAND

if TYPE_CHECKING:
    from runtime.rooms.elsewhere.server import Elsewhere

STOP_S = 60.0
RELOAD_STOP_S = 660.0
"""Tasks may finish first, for as long as the server's `supervisor.reload_s` says."""
RETRY_S = 0.5
GIVE_UP_S = 30.0


class Call(msgspec.Struct):
    """One endpoint in the room.

    Attributes:
        session: The session that the call became; empty when it failed.
        generation: The code it was called for.
        is_busy: Its thread is at work.
        bundle: The bundle that served it when it was called.
    """

    identity: str
    session: str
    generation: int
    is_busy: bool = False
    bundle: str = ""


class RoomCalls:
    """The calls of one command.  Runs in: the command's process; `look` in one thread.

    Args:
        api: Gives the server, which may be another one after a while.
        tell: Shows a line in a colour.
        is_over: True once the command ends; nothing is called from then on.
        elsewhere: The server that has the room, where it is not the one that is called.
    """

    def __init__(
        self,
        api: Callable[[], Api],
        room: str,
        *,
        tell: Callable[[str, str], None],
        reload: Reload = Reload.RESTART,
        is_over: Callable[[], bool] = lambda: False,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._api = api
        self._room = room
        self._tell = tell
        self._reload = reload
        self._is_over = is_over
        self._elsewhere = elsewhere
        self._calls: dict[str, Call] = {}

    def first(self, endpoint: Mapping[str, Any]) -> None:
        """Call an endpoint for the first time.

        Raises:
            CommandFailed: It was refused; it is called again when the program changes.
        """
        call = _call_of(endpoint)
        self._calls[str(endpoint["path"])] = call
        call.session = self._post(str(endpoint["path"]))

    def after_reload(self, paths: Sequence[str]) -> str:
        """What the screen says becomes of the sessions, now that the program serves these paths."""
        stay = [call.identity for path, call in self._calls.items() if path in paths]
        if not stay:
            return "new calls use it"
        if self._reload is Reload.RESTART:
            return f"{', '.join(stay)} {'joins' if len(stay) == 1 else 'join'} anew"
        who = "session stays" if len(stay) == 1 else "sessions stay"
        return f"{len(stay)} {who} on the old code · new calls use it"

    def look(self, answer: Mapping[str, Any]) -> None:
        """Compare an answer of ``/workers?all=1`` with what was called, and begin to mend the difference."""
        states = {str(bundle["name"]): bundle["state"] for bundle in answer.get("bundles", ())}
        listed = {str(item["path"]) for item in answer["endpoints"]}
        endpoints = {
            str(item["path"]): item
            for item in answer["endpoints"]
            if item["path"] and item["state"] == "ready"
        }
        workers = {worker["id"]: worker for worker in answer["workers"]}
        for path, call in list(self._calls.items()):
            # While a program is being loaded its endpoints are not known: none of them is gone.
            is_known = states.get(call.bundle, "ready") == "ready" and states
            if not call.is_busy and path not in listed and is_known:
                self._gone(path, call, workers)
        for path, endpoint in endpoints.items():
            generation = int(endpoint.get("code_generation") or 1)
            known = self._calls.get(path)
            if known is None:
                added = self._calls[path] = _call_of(endpoint)
                self._begin(self._add, path, added)
            elif known.is_busy:
                continue
            elif _is_lost(workers.get(known.session)):
                known.generation = generation
                self._begin(self._again, path, known)
            elif generation > known.generation and self._reload is Reload.RESTART:
                known.identity, known.generation = str(endpoint["identity"]), generation
                self._begin(self._move, path, known)
            else:
                known.generation = generation  # a new server counts from 1 again

    # ---- in a thread for each path

    def _begin(self, work: Callable[[str, Call], None], path: str, call: Call) -> None:
        def run() -> None:
            try:
                work(path, call)
            except CommandFailed as error:
                if not self._is_over():
                    self._tell(f"  error: {path}: {error}", "red")
            finally:
                call.is_busy = False

        call.is_busy = True
        threading.Thread(target=run, name=f"call {path}", daemon=True).start()

    def _add(self, path: str, call: Call) -> None:
        call.session = self._post_patiently(path)
        self._tell(f"  + endpoint {path} as {call.identity} called into {self._room}", "cyan")

    def _again(self, path: str, call: Call) -> None:
        call.session = self._post_patiently(path)
        self._tell(f"  ↻ the server was started again · {call.identity} joins anew", "cyan")

    def _move(self, path: str, call: Call) -> None:
        if call.session:
            # First it leaves, then the new one comes: two participants of one name answer everything twice.
            self._api().delete(f"/workers/{call.session}?reload=true", timeout_s=RELOAD_STOP_S)
            call.session = ""
        call.session = self._post_patiently(path)

    def _gone(self, path: str, call: Call, workers: Mapping[str, Mapping[str, Any]]) -> None:
        del self._calls[path]
        worker = workers.get(call.session)
        if worker is None or worker["state"] == "exited":
            self._tell(f"  - endpoint {path} is gone", "yellow")
        elif self._reload is Reload.KEEP:
            self._tell(f"  - endpoint {path} is gone · its session {call.session} goes on", "yellow")
        else:
            self._begin(self._remove, path, call)

    def _remove(self, path: str, call: Call) -> None:
        self._stop(call.session)
        self._tell(f"  - endpoint {path} is gone · its session was stopped", "yellow")

    def _stop(self, session: str) -> None:
        self._api().delete(f"/workers/{session}", timeout_s=STOP_S)

    def _post(self, path: str) -> str:
        data: dict[str, Any] = {"room_name": self._room, "arguments": {}}
        if self._elsewhere is not None:
            data["room_url"] = self._elsewhere.room_url(self._room)
            data["token"] = self._elsewhere.token(self._room, self._calls[path].identity)
        answer = post_call(self._api(), path, data, request_id=BY_COMMAND)
        return str(answer.get("session") or "") if isinstance(answer, dict) else ""

    def _post_patiently(self, path: str) -> str:
        """Call; a server that is starting, or full while old sessions leave, is asked again."""
        deadline = time.monotonic() + GIVE_UP_S
        while True:
            try:
                return self._post(path)
            except CommandFailed as error:
                if error.exit_code != ExitCode.NOT_READY or time.monotonic() > deadline or self._is_over():
                    raise
            time.sleep(RETRY_S)


def _call_of(endpoint: Mapping[str, Any]) -> Call:
    """A call that is about to be made."""
    generation, bundle = int(endpoint.get("code_generation") or 1), str(endpoint.get("bundle") or "")
    return Call(str(endpoint["identity"]), "", generation, bundle=bundle)


def _is_lost(worker: Mapping[str, Any] | None) -> bool:
    """It ended because its server did, and nobody else calls it again."""
    return (
        worker is not None
        and worker["state"] == "exited"
        and (worker.get("exit") or {}).get("reason") == "front_lost"
    )
