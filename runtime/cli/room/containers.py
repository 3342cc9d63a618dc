"""``bulkhead container`` and ``bulkhead images``: what a room runs beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.options import Env, Form, NeededRoom, Url, variables
from runtime.cli.room.agents import in_room
from runtime.cli.terminal import Output, clean, note, say, show
from runtime.wire.text import size

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient

Container = Annotated[
    str, typer.Argument(help="Id of the container, its beginning, or its name.", show_default=False)
]
_COLUMNS = {
    "table": ("id", "name", "image", "status"),
    "wide": ("id", "name", "image", "status", "ports", "started_by", "private"),
}
_IMAGES = {"table": ("image", "size", "id"), "wide": ("image", "size", "id")}
_ID_CHARS = 12


def ps(
    room: NeededRoom,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Those that have ended, too.")] = False,
    url: Url = None,
    output: Form = Output.TABLE,
) -> None:
    """List the containers of a room."""

    async def work(client: RoomClient) -> Any:
        return (await client.send_request("containers.list_containers", {"all": all_}))["containers"]

    found = in_room(url, room, None, work, as_keeper=True, only_looks=True)
    if output is not Output.JSON:
        for one in found:
            one["id"] = one["id"][:_ID_CHARS]
            one["started_by"] = one["started_by"]["name"]
            one["ports"] = ", ".join(f"{port['host_port']}→{port['container_port']}" for port in one["ports"])
    say(show(found, output, name="id", columns=_COLUMNS, empty=f"no container runs in {room}"))


def run(
    room: NeededRoom,
    image: Annotated[str, typer.Argument(help="Image to run.", show_default=False)],
    command: Annotated[
        list[str] | None, typer.Argument(help="What runs in it, after --.", show_default=False)
    ] = None,
    called: Annotated[
        str | None, typer.Option("--name", help="Of the container.", show_default=False)
    ] = None,
    env: Env = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Only start it.")] = False,
    url: Url = None,
) -> int:
    """Run a container in a room, and show what it writes.

    The command ends with its exit code; Ctrl-C stops it. It ends with its room, at the latest."""
    import asyncio

    given = {one["name"]: one["value"] for one in variables(env, None)}
    wanted: dict[str, Any] = {"image": image, "env": given, "writable_root_fs": True}
    wanted |= {"command": command} if command else {}
    wanted |= {"name": called} if called else {}

    async def work(client: RoomClient) -> int:
        made = (await client.send_request("containers.run", wanted))["container_id"]
        if detach:
            say(str(made))
            return 0
        note(f"container {made[:_ID_CHARS]}")
        try:
            await _logs(client, made, follow=True)
        except asyncio.CancelledError:  # Ctrl-C
            await client.send_request("containers.stop_container", {"id": made, "force": False})
            raise
        found = await _exit(client, made)
        if found["reason"] not in ("exited", "stopped"):
            note(f"it ended: {clean(found['message'] or found['reason'])}", "yellow")
        return int(found["exit_code"])

    return int(in_room(url, room, None, work, as_keeper=True))


def logs(
    room: NeededRoom,
    container: Container,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
    url: Url = None,
) -> None:
    """Show what a container wrote."""

    async def work(client: RoomClient) -> None:
        await _logs(client, container, follow=follow)

    in_room(url, room, None, work, as_keeper=True, only_looks=True)


def exec_(
    room: NeededRoom,
    container: Container,
    command: Annotated[
        list[str] | None, typer.Argument(help="What runs, after --; default: a shell.", show_default=False)
    ] = None,
    url: Url = None,
) -> int:
    """Run a command in a container.

    With this terminal, or with what comes by standard input. It ends with the command's exit code."""
    from runtime.cli.room.exec_io import executed

    async def work(client: RoomClient) -> int:
        return await executed(client, container, command or [])

    return int(in_room(url, room, None, work, as_keeper=True, only_looks=True))


def stop(
    room: NeededRoom,
    container: Container,
    force: Annotated[bool, typer.Option("--force", help="At once, without asking it.")] = False,
    url: Url = None,
) -> None:
    """Stop a container."""

    async def work(client: RoomClient) -> None:
        await client.send_request("containers.stop_container", {"id": container, "force": force})

    in_room(url, room, None, work, as_keeper=True, only_looks=True)
    say(f"stopped {clean(container)}")


def images(room: NeededRoom, url: Url = None, output: Form = Output.TABLE) -> None:
    """List the images that can be run without being pulled."""

    async def work(client: RoomClient) -> Any:
        return (await client.send_request("containers.list_images", {}))["images"]

    found = in_room(url, room, None, work, as_keeper=True, only_looks=True)
    rows = found
    if output is not Output.JSON:
        rows = [
            {
                "image": ", ".join(one["tags"]) or "-",
                "size": size(one["size"]) if one["size"] else "-",
                "id": one["id"].removeprefix("sha256:")[:_ID_CHARS],
            }
            for one in found
        ]
    say(
        show(rows, output, name="id" if output is Output.JSON else "image", columns=_IMAGES, empty="no image")
    )


async def _logs(client: RoomClient, container: str, *, follow: bool) -> None:
    import uuid

    request = uuid.uuid4().hex

    def line(message: Any) -> None:
        if message.header.get("request_id") == request:
            say(clean(message.header["log"]))

    done = client.on_push("containers.log.chunk", line)
    try:
        await client.request(
            "containers.logs", {"request_id": request, "container_id": container, "follow": follow}
        )
    finally:
        done()


async def _exit(client: RoomClient, container: str) -> dict[str, Any]:
    """How a container ended, once it has."""
    import uuid

    header = {
        "toolkit": "containers",
        "tool": "wait_for_exit",
        "participant_id": None,
        "on_behalf_of_id": None,
        "arguments": {"type": "json", "json": {"container_id": container}},
        "tool_call_id": uuid.uuid4().hex,
    }
    return dict(getattr(await client.request("room.invoke_tool", header), "json", {}))
