"""``bulkhead chat``: talk to an agent in a room from the terminal, or from a pipe."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli import completion
from runtime.cli.options import NeededRoom, Url, check_room
from runtime.cli.terminal import clean, is_plain, note, paint

if TYPE_CHECKING:
    from runtime.cli.api import Api
    from runtime.sdk.room.client import RoomClient

HELP = "/tools lists tools · /cancel or Ctrl-C stops an answer · /clear forgets · /quit leaves"


def chat(
    room: NeededRoom,
    to: Annotated[
        str, typer.Option("--to", help="Participant to talk to.", autocompletion=completion.chatbots)
    ] = "chatbot",
    name: Annotated[
        str | None, typer.Option("--as", help="Name to enter the room with.", show_default=False)
    ] = None,
    url: Url = None,
) -> int:
    """Chat with an agent.  With a pipe: answers each line and ends (echo hi | bulkhead chat ...)."""
    from runtime.cli.api import find_server

    return talk(find_server(url), room, to, name)


def talk(api: Api, room: str, to: str, name: str | None = None) -> int:
    """Chat until the input ends or somebody says /quit; returns the exit status."""
    from runtime.cli.entry import client, person, run
    from runtime.cli.failure import CommandFailed
    from runtime.cli.room.awaited import check_known
    from runtime.cli.room.chat_loop import ChatLoop
    from runtime.cli.room.why import Asked

    check_room(room)
    try:
        check_known(api, room, only_looks=False)
    except CommandFailed:
        _check_elsewhere(api, room, to)
        raise

    name = name or person()
    loop = ChatLoop(
        client(api, room, name),
        to=to,
        entered=lambda entered: _awaited(entered, api, room, to),
        question=Asked(api, room, to),
        prompt="" if not sys.stdin.isatty() else paint(f"{name} › ", "cyan"),
        show_progress=not is_plain(sys.stdout),
    )
    if sys.stdin.isatty():
        note(f"{clean(to)} in room {clean(room)}.  {HELP}", "dim")
    return run(loop.run())


def _check_elsewhere(api: Api, room: str, to: str) -> None:
    """Raise CommandFailed where another server of this folder has whom somebody wants to talk to."""
    from runtime.cli.failure import CommandFailed
    from runtime.cli.room.awaited import is_elsewhere

    if url := is_elsewhere(api, room, to):
        cure = shlex.join(["bulkhead", "chat", "--room", room, "--to", to, "--url", url])
        raise CommandFailed(
            f"{to} is in the room {room} of another server, {url}", cure=f"Talk to it: {cure}"
        )


async def _awaited(client: RoomClient, api: Api, room: str, to: str) -> bool:
    """Wait for who is called in by a service; whether anybody else of that name may be on the way."""
    import asyncio

    from runtime.cli.failure import CommandFailed
    from runtime.cli.room.awaited import in_hand, served_at, until_there

    await until_there(client, api, room, chatbot=to)
    if await in_hand(api, room, to):
        return True
    await asyncio.to_thread(_check_elsewhere, api, room, to)
    if (path := await asyncio.to_thread(served_at, api, to)) is not None:
        cure = shlex.join(["bulkhead", "call", path, "--room", room])
        raise CommandFailed(f"nobody has called {to} into the room {room}", cure=f"Call it: {cure}")
    return False
