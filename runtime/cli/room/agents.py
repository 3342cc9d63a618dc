"""``bulkhead agents``: what is in a room, asked once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli import completion
from runtime.cli.options import Form, NeededRoom, Url, check_room
from runtime.cli.terminal import Output, clean, note, say, show, to_json
from runtime.wire.text import size

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient

As = Annotated[str | None, typer.Option("--as", help="Name to enter the room with.", show_default=False)]
_COLUMNS = {
    "table": ("name", "kind", "description"),
    "wide": ("name", "kind", "title", "description"),
}


def list_agents(room: NeededRoom, url: Url = None, name: As = None, output: Form = Output.TABLE) -> None:
    """List the agents and tools of a room."""

    async def look(client: RoomClient) -> list[dict[str, Any]]:
        await client.messaging.enable()  # who chats is known to those alone who could be talked to
        found = [
            _item(str(one.name or one.id), "chatbot", "", "", None)
            for one in client.messaging.get_participants()
            if one.role == "agent"
        ]
        found += [
            _item(agent.name, "agent", agent.title, agent.description, agent.input_schema)
            for agent in await client.agents.list_agents()
        ]
        for toolkit in await client.agents.list_toolkits():
            if toolkit.name == "storage" and toolkit.participant_id is None:
                continue  # the room's own, which is in every room
            found += [
                _item(f"{toolkit.name}.{tool.name}", "tool", tool.title, tool.description, tool.input_schema)
                for tool in toolkit.tools
            ]
        return found

    items = in_room(url, room, name, look, only_looks=True)
    say(show(items, output, name="name", columns=_COLUMNS, empty=f"the room {room} has no agents or tools"))


def _item(name: str, kind: str, title: str | None, description: str | None, schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "title": title or "",
        "description": description or "",
        "input_schema": schema,
    }


def ask(
    room: NeededRoom,
    agent: Annotated[str, typer.Option("--agent", help="Agent to ask.", autocompletion=completion.agents)],
    input_: Annotated[
        str, typer.Option("--input", help="Its input, as JSON; - reads standard input.")
    ] = "{}",
    url: Url = None,
    name: As = None,
) -> None:
    """Give a task to an agent and print its answer as JSON."""
    arguments = _json(input_, "--input")

    async def work(client: RoomClient) -> Any:
        return (await client.agents.ask(agent=agent, arguments=arguments)).json

    say(to_json(in_room(url, room, name, work, asked=agent)))


def invoke_tool(
    room: NeededRoom,
    toolkit: Annotated[
        str, typer.Option("--toolkit", help="Toolkit that has the tool.", autocompletion=completion.toolkits)
    ],
    tool: Annotated[str, typer.Option("--tool", help="Tool to call.")],
    arguments: Annotated[
        str, typer.Option("--arguments", help="Its arguments, as JSON; - reads standard input.")
    ] = "{}",
    url: Url = None,
    name: As = None,
) -> None:
    """Call a tool and print what it answers."""
    given = _json(arguments, "--arguments")

    async def work(client: RoomClient) -> Any:
        return await client.agents.invoke_tool(toolkit=toolkit, tool=tool, arguments=given)

    _say_content(in_room(url, room, name, work, toolkit=toolkit))


def _say_content(content: Any) -> None:
    import sys

    if hasattr(content, "json"):
        say(to_json(content.json))
    elif hasattr(content, "text"):
        say(clean(content.text))
    elif (data := getattr(content, "data", b"")) and sys.stdout.isatty():
        try:
            say(clean(data.decode()))
        except UnicodeDecodeError:
            note(f"{size(len(data))} that are no text: > FILE after the command writes them there", "yellow")
    elif data:
        sys.stdout.buffer.write(data)


def _json(text: str, option: str) -> dict[str, Any]:
    import json
    import sys

    from runtime.cli.failure import CommandFailed, ExitCode

    try:
        value = json.loads(sys.stdin.buffer.read() if text == "-" else text)
    except ValueError as error:
        cure = "Quote it for the shell: '{\"a\": 1}'."
        raise CommandFailed(f"{option} is not JSON: {error}", cure=cure, exit_code=ExitCode.USAGE) from error
    if not isinstance(value, dict):
        what = {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a single value")
        cure = f'Write names and values: {option} \'{{"name": "value"}}\'.'
        raise CommandFailed(
            f"{option} must be a JSON object, not {what}", cure=cure, exit_code=ExitCode.USAGE
        )
    return value


def in_room(
    url: str | None,
    room: str,
    name: str | None,
    work: Any,
    *,
    asked: str = "",
    toolkit: str = "",
    as_keeper: bool = False,
    only_looks: bool = False,
) -> Any:
    """What `work` gives, which is handed a client that is in the room.

    Args:
        asked: The agent that it asks, to tell what became of that.
        toolkit: Whose tool it calls.
        as_keeper: It needs every right.
        only_looks: It changes nothing, so it makes no room either.

    Raises:
        CommandFailed: There is no such room, or it, or somebody in it, refused.
    """
    import shlex

    from runtime.cli.api import find_server
    from runtime.cli.entry import client, keeper, person, run
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.cli.room.awaited import check_known, takes_no_tasks, until_there
    from runtime.cli.room.why import Asked
    from runtime.errors import NotFound, RoomError
    from runtime.sdk.room.room_exception import LoadedAgain, RoomException
    from runtime.wire.content import CODE_NO_CONTAINER, CODE_NOT_FOUND

    api = find_server(url)
    check_room(room)
    if only_looks or asked or toolkit:
        check_known(api, room, only_looks=only_looks)

    async def enter() -> Any:
        async with keeper(api, room) if as_keeper else client(api, room, name or person()) as entered:
            if asked or toolkit:
                await until_there(entered, api, room, agent=asked, toolkit=toolkit)
            return await work(entered)

    question = Asked(api, room, asked) if asked else None
    try:
        return run(enter())
    except RoomError as error:
        told = question.why(error.message) if question is not None else None
        if told is not None:
            raise CommandFailed(told[0], cure=told[1], exit_code=ExitCode.FAILED) from error
        code = error.error_code if isinstance(error, RoomException) else None
        is_absent = isinstance(error, NotFound) or code in (CODE_NOT_FOUND, CODE_NO_CONTAINER)
        if is_absent and asked and (other := takes_no_tasks(api, room, asked)) is not None:
            raise CommandFailed(other[0], cure=other[1], exit_code=ExitCode.FAILED) from error
        listing = "container ps --all" if code == CODE_NO_CONTAINER else "agents list"
        hint = f"`bulkhead {listing} --room {shlex.quote(room)}` shows what is there." if is_absent else ""
        if "do not fit the schema" in error.message:
            hint = f"`bulkhead agents list --room {shlex.quote(room)} -o json` shows what it takes."
        again = ExitCode.NOT_READY if isinstance(error, LoadedAgain) else ExitCode.FAILED
        raise CommandFailed(error.message, cure=error.cure or hint, exit_code=again) from error
