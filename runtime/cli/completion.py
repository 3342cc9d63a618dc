"""What the shell offers for a word: sessions, rooms, agents and toolkits of the server that is asked.

A server that is not there, or is slow, offers nothing: whoever presses Tab waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

import typer

Offers = list[tuple[str, str]]
"""Words, each with what is said beside it by shells that can."""

PATIENCE_S: Final = 1.0
MAX_OFFERS: Final = 200


def sessions(ctx: typer.Context, incomplete: str) -> Offers:
    """Sessions that run."""
    return _fitting(incomplete, map(_session, _workers(ctx, "/workers")))


def all_sessions(ctx: typer.Context, incomplete: str) -> Offers:
    """Sessions that run or ran."""
    return _fitting(incomplete, map(_session, _workers(ctx, "/workers?all=1")))


def crashes(ctx: typer.Context, incomplete: str) -> Offers:
    """Sessions that ended badly, the last one of each kind."""
    kinds = _ask(ctx, "/crashes", "crashes")
    return _fitting(incomplete, ((str(kind["session_id"]), str(kind["reason"])) for kind in kinds))


def rooms(ctx: typer.Context, incomplete: str) -> Offers:
    """Rooms that are open."""
    return _fitting(incomplete, ((str(room["name"]), "") for room in _rooms(ctx)))


def endpoints(ctx: typer.Context, incomplete: str) -> Offers:
    """Paths that can be called."""
    from runtime.session.calls.deployed import told_path

    found = [one for one in _ask(ctx, "/workers", "endpoints") if one["path"]]
    named = ((told_path(str(one["path"]), str(one["bundle"])), str(one["identity"])) for one in found)
    return _fitting(incomplete, named)


def chatbots(ctx: typer.Context, incomplete: str) -> Offers:
    """Agents in the room; without one named, in any."""
    return _fitting(incomplete, ((str(one["name"]), "") for one in _people(ctx) if one["role"] == "agent"))


def agents(ctx: typer.Context, incomplete: str) -> Offers:
    """Agents of the room that take tasks."""
    return _fitting(incomplete, ((str(agent), "") for one in _people(ctx) for agent in one["agents"]))


def toolkits(ctx: typer.Context, incomplete: str) -> Offers:
    """Toolkits that are offered in the room."""
    return _fitting(incomplete, ((str(kit), "") for one in _people(ctx) for kit in one["toolkits"]))


def _fitting(incomplete: str, offers: Iterable[tuple[str, str]]) -> Offers:
    found: dict[str, str] = {}
    with suppress(Exception):  # whatever answers there: a prompt is no place for a traceback
        found = {word: said for word, said in offers if word.startswith(incomplete)}
    return list(found.items())[:MAX_OFFERS]


def _session(worker: Any) -> tuple[str, str]:
    return str(worker["id"]), f"{worker['identity']} in {worker['room']}, {worker['state']}"


def _workers(ctx: typer.Context, path: str) -> Iterator[Any]:
    room = ctx.params.get("room")
    for worker in _ask(ctx, path, "workers"):
        if room in (None, worker["room"]):
            yield worker


def _people(ctx: typer.Context) -> Iterator[Any]:
    named = ctx.params.get("room")
    for room in _rooms(ctx):
        if named in (None, room["name"]):
            yield from room["participants"]


def _rooms(ctx: typer.Context) -> list[Any]:
    return _ask(ctx, "/rooms", "")


def _ask(ctx: typer.Context, path: str, key: str) -> list[Any]:
    import os

    from runtime.cli.api import find_server
    from runtime.errors import RuntimeServiceError

    url = ctx.params.get("url") or os.environ.get("BULKHEAD_URL")
    with suppress(RuntimeServiceError, KeyError, ValueError):
        answer = find_server(url, timeout_s=PATIENCE_S).get(path)
        return list(answer[key] if key else answer)
    return []
