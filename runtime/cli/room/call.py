"""``bulkhead call``: send the webhook that calls an agent into a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli import completion
from runtime.cli.failure import CommandFailed, ExitCode, typed_with
from runtime.cli.options import NeededRoom, Url, check_room
from runtime.cli.terminal import say, to_json

if TYPE_CHECKING:
    from runtime.cli.api import Api


def call(
    endpoint: Annotated[
        str,
        typer.Argument(help="Path such as /chat, or a whole address.", autocompletion=completion.endpoints),
    ],
    room: NeededRoom,
    room_url: Annotated[
        str | None,
        typer.Option(
            "--room-url", help="Websocket address of the room; default: the server's own.", show_default=False
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="MESHAGENT_TOKEN", help="Participant token.", show_default=False),
    ] = None,
    arguments: Annotated[str, typer.Option("--arguments", help="Arguments for the agent, as JSON.")] = "{}",
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait until it is ready; 0: do not.")
    ] = 15.0,
    url: Url = None,
) -> None:
    """Call an agent into a room."""
    from runtime.cli.api import api_at, find_server
    from runtime.cli.room.agents import _json

    if not endpoint:
        cure = "Name its path, such as /chat; `bulkhead ps` and Studio show which there are."
        raise CommandFailed("call whom?", cure=cure, exit_code=ExitCode.USAGE)
    if room_url is None:
        check_room(room)
    if "://" in endpoint:
        scheme, _, rest = endpoint.partition("://")
        host, _, path = rest.partition("/")
        api, path = api_at(f"{scheme}://{host}"), f"/{path}"
    else:
        api, path = find_server(url), "/" + endpoint.lstrip("/")
    data: dict[str, Any] = {"room_name": room, "arguments": _json(arguments, "--arguments")}
    data |= {key: value for key, value in (("room_url", room_url), ("token", token)) if value}
    try:
        answer = post_call(api, path, data, wait_s=wait_s)
    except CommandFailed as error:
        if error.problem != "endpoint_not_found":
            raise
        answer = post_call(api, _deployed(api, endpoint, error), data, wait_s=wait_s)
    say(to_json(answer))


def _deployed(api: Api, typed: str, error: CommandFailed) -> str:
    """The path that a server has for one of a deployed service, which was typed as ``SERVICE/PATH``.

    Raises:
        CommandFailed: There is none, or several; says what to type.
    """
    from runtime.session.calls.deployed import own_path, service_of, told_path

    served = [one for one in api.get("/workers")["endpoints"] if service_of(one["path"])]
    told: dict[str, str] = {one["path"]: told_path(one["path"], one["bundle"]) for one in served}
    named = [path for path, shown in told.items() if shown == typed.lstrip("/")]
    if len(named) == 1:
        return named[0]
    meant = named or sorted({told[path] for path in told if own_path(path) == "/" + typed.lstrip("/")})
    cure = f"Type: {' or: '.join(typed_with(instead=(typed, one)) for one in meant[:5])}"
    if not meant:
        cure = error.cure
        for path, shown in told.items():
            cure = cure.replace(path, shown)
    raise CommandFailed(error.message, cure=cure, problem=error.problem) from error


def post_call(api: Api, path: str, data: dict[str, Any], *, wait_s: float = 0.0, request_id: str = "") -> Any:
    """Send ``room.call``, signed when a webhook secret is set here; returns the JSON of the answer.

    Args:
        request_id: What the session's record and log have as the id of this request.

    Raises:
        CommandFailed: Nobody serves the path, the call was refused, or the agent could not start.
    """
    import json
    import os
    import time

    from runtime.settings import load_settings
    from runtime.wire.signature import meshagent_signature

    # MeshAgent's receivers hash Python's own form of the JSON, so that is what is sent.
    body = json.dumps({"event": "room.call", "data": data}).encode()
    headers = {"X-Request-Id": request_id} if request_id else {}
    if wait_s:
        headers["Prefer"] = f"wait={wait_s:g}"
    secrets = load_settings(env=os.environ).server.webhook_secret.split()
    if secrets:
        headers["Meshagent-Signature"] = meshagent_signature(body, secrets[0], iat=int(time.time()))
    return api.post(path, body, headers=headers, timeout_s=wait_s + 10.0).body
