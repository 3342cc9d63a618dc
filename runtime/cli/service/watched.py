"""Watching a service in a room: until a change of it serves, and what it writes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from runtime.cli.service.scope import going
from runtime.cli.terminal import clean, note

if TYPE_CHECKING:
    from runtime.cli.api import Api

POLL_S = 0.5
SETTLE_S = 1.5
"""As long it is looked at further: what has no liveness is live as soon as it is started."""
LAST_LINES = 30
_WORDS = {
    "Started": "started",
    "Ready": "live",
    "Called": "called",
    "Updated": "note",
    "GoesOn": "goes on",
    "BackOff": "waits",
    "Stopped": "stopped",
}


def is_open(api: Api, room: str) -> bool:
    """Whether somebody is in a room, so that its services run."""
    return any(one["name"] == room for one in api.get("/rooms"))


def told(api: Api, base: str, service: str) -> dict[str, Any]:
    """How a service goes in a room, as the server tells it."""
    return dict(going(api, base)["states"].get(service, {}))


def until_live(
    api: Api, base: str, service: str, revision: int, before: Sequence[Any], *, within_s: float, named: str
) -> None:
    """Tell how a revision comes up, and return once it serves.

    Args:
        base: The room's services.
        before: The events that were told before the change.
        named: How the service is named in a command, such as ``greeter --room lab``.

    Raises:
        CommandFailed: It did not get so far: with the last lines that it wrote, and what it misses.  Or
            somebody changed the service again, or deleted it.
    """
    from runtime.cli.failure import CommandFailed

    seen = {_key(one) for one in before}
    ends_at, is_live = time.monotonic() + within_s, False
    while time.monotonic() < ends_at:
        state = told(api, base, service)
        if not state:
            raise CommandFailed(f"{named.partition(' ')[0]} was deleted meanwhile", cure="Create it again.")
        for one in state.get("events", ()):
            if _key(one) in seen:
                continue
            seen.add(_key(one))
            if one["reason"] in ("Started", "Ready") and _number(one["message"]) > revision:
                later = _number(one["message"])
                raise CommandFailed(
                    f"revision {revision} made way for {later}, which came after it",
                    cure=f"`bulkhead service history {named}` says who made it.",
                )
            if one["reason"] in ("FailedStart", "Exited"):
                verb = "stay" if is_live else "become"
                what = f"revision {revision} did not {verb} live: {one['message']}"
                raise _failed(api, base, service, revision, what, named)
            note(f"  {_WORDS.get(one['reason'], one['reason'])}: {clean(one['message'])}")
            if one["reason"] == "Ready" and one["message"] == f"revision {revision}":
                ends_at = time.monotonic() + SETTLE_S
                is_live = True
        time.sleep(POLL_S)
    if is_live:
        return
    raise CommandFailed(
        f"revision {revision} did not become live in {within_s:g} s",
        cure=f"`bulkhead service logs {named}` shows what it writes; --wait-s waits longer.",
        detail="\n".join(_lines(api, base, service)),
    )


def written(api: Api, base: str, service: str) -> Iterator[str]:
    """What a service writes, from now on line by line, over its restarts; does not end."""
    before: list[str] = []
    container: str | None = None
    while True:
        current = told(api, base, service).get("container_id")
        lines = api.get(f"{base}/{service}/logs")["lines"]
        if current != container:
            if container is not None and current is not None:
                yield f"--- container {current}"
                before = []
            container = current
        yield from news(before, lines)
        before = lines
        time.sleep(POLL_S)


def news(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """The lines that came since; of the older ones the first may be gone."""
    for gone in range(len(before) + 1):
        rest = before[gone:]
        if list(now[: len(rest)]) == list(rest):
            return now[len(rest) :]
    return now


def _failed(api: Api, base: str, service: str, revision: int, what: str, named: str) -> Exception:
    from runtime.cli.failure import CommandFailed
    from runtime.session.cures.last_words import cure_of_missing, missing_variable

    lines = _lines(api, base, service)
    state = told(api, base, service).get("state")
    goes_on = "; the one before goes on serving" if state == "running" else ""
    back = f" `bulkhead service rollback {named}` goes back." if revision > 1 else ""
    cure = f"Mend it, and update it again.{back}"
    if variable := missing_variable([*lines, what]):
        cure = cure_of_missing(variable, named)
    return CommandFailed(f"{what}{goes_on}", cure=cure, detail="\n".join(lines))


def _lines(api: Api, base: str, service: str) -> list[str]:
    """The last ones of the container that ended last, or else of the one that runs."""
    ended: list[str] = api.get(f"{base}/{service}/logs?previous=true")["lines"]
    starts = [number for number, line in enumerate(ended) if line.startswith("--- container ")]
    found = ended[starts[-1] + 1 :] if starts else api.get(f"{base}/{service}/logs")["lines"]
    return [clean(line) for line in found[-LAST_LINES:]]


def _number(message: str) -> int:
    """Of the revision that is told of."""
    number = message.removeprefix("revision ")
    return int(number) if number.isdecimal() else 0


def _key(event: dict[str, Any]) -> tuple[Any, ...]:
    return event["reason"], event["message"], event["count"]
