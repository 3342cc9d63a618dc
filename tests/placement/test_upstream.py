"""Agents written with the real MeshAgent SDK, in an environment of their bundle's own, in our rooms."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from runtime.sdk.room.client import RoomClient, WebSocketClientProtocol
from runtime.session.events import Exited, Ready
from runtime.session.exit_reasons import ExitReason
from runtime.session.spec import SessionSpec, new_session_id
from tests.interop.environments import MAKE_S, TRIED, installed, provide, write_bundle
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio, pytest.mark.timeout(MAKE_S)]

PROGRAM = """
import asyncio, sys
from meshagent.otel import otel_config
from meshagent.api.services import ServiceHost
from meshagent.agents import SingleRoomAgent, TaskRunner
from meshagent.agents.chat import ChatBot
from meshagent.openai import OpenAIResponsesAdapter
from meshagent.tools import Toolkit, ToolContext
try:
    from meshagent.tools import Tool
except ImportError:
    from meshagent.tools import FunctionTool as Tool

otel_config(service_name="chatbot")
service = ServiceHost()
NUMBERS = {"type": "object", "additionalProperties": False, "required": ["values"],
           "properties": {"values": {"type": "array", "items": {"type": "number"}}}}
ANY = {"type": "object", "additionalProperties": True, "required": [], "properties": {}}

@service.path(path="/chat", identity="chatbot")
class ChatAgent(ChatBot):
    def __init__(self):
        super().__init__(name="chatbot", title="t", description="d", rules=["Be brief."],
                         llm_adapter=OpenAIResponsesAdapter())

@service.path(path="/dataanalysis", identity="analysis")
class DataAnalysis(Tool):
    def __init__(self):
        super().__init__(name="mean", title="Mean", description="The mean", input_schema=NUMBERS)

    async def execute(self, context: ToolContext, *, values: list[float]):
        return {"mean": sum(values) / len(values)}

@service.path(path="/tools", identity="tools")
class Tools(Toolkit):
    def __init__(self):
        super().__init__(name="statistics", tools=[DataAnalysis()])

@service.path(path="/helper", identity="helper")
class HelperAgent(TaskRunner):
    def __init__(self):
        super().__init__(name="helper", title="h", description="h", input_schema=ANY, output_schema=ANY)

    async def ask(self, *, context, arguments, **more):
        return {"got": arguments["x"]}

@service.path(path="/plain", identity="plain")
class Plain(SingleRoomAgent):
    def __init__(self):
        super().__init__(name="plain")

    async def start(self, *, room):
        await super().start(room=room)
        await room.messaging.enable()
        print("warm", "anyio._backends._asyncio" in sys.modules, flush=True)
        print("python", sys.version_info[:2], type(room).__module__, flush=True)

    async def stop(self):
        print("stopped", flush=True)
        await super().stop()

@service.path(path="/broken", identity="broken")
class Broken:
    async def start(self, *, room):
        raise ValueError("as told")

    async def stop(self):
        pass

asyncio.run(service.run())
"""


@pytest_asyncio.fixture(params=TRIED)
async def node(request: Any, agents_dir: Path, make_node: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """A node that serves the program with one release of the SDK."""
    environments = tmp_path / "environments"
    provide(write_bundle(agents_dir / "sdk", request.param, PROGRAM), request.param, environments)
    made = make_node(environments=environments, join_s=2.0)
    made.sdk = "reconnects" if installed(request.param).number >= (0, 39) else ""
    await made.start()
    yield made
    await made.close()


def client(node: Any, name: str = "me") -> RoomClient:
    return RoomClient(
        WebSocketClientProtocol(url=f"ws://127.0.0.1:{node.port}/rooms/r", token=node.hub.token("r", name))
    )


async def mean(room: RoomClient, toolkit: str) -> Any:
    answer = await room.agents.invoke_tool(toolkit=toolkit, tool="mean", arguments={"values": [1, 2, 6]})
    return answer.json


async def asked(room: RoomClient) -> Any:
    """Task runners are agents in old releases and toolkits in newer ones."""
    if await room.agents.list_agents():
        return (await room.agents.ask(agent="helper", arguments={"x": 1})).json
    answer = await room.agents.invoke_tool(toolkit="helper", tool="run_helper_task", arguments={"x": 1})
    return answer.json


async def test_each_kind_joins_in_a_process_of_its_own_and_a_killed_one_takes_nobody_along(node: Any) -> None:
    (info,) = node.placement.bundles()
    assert (info.state, info.error, info.threads) == ("ready", "", ())
    kinds = {endpoint.path: endpoint.kind for endpoint in node.placement.endpoints()}
    assert kinds["/chat"] == "chatbot"
    assert kinds["/dataanalysis"] == "tool"
    assert kinds["/tools"] == "toolkit"
    assert kinds["/helper"] == "task_runner"
    named = {"/chat": "chatbot", "/dataanalysis": "analysis", "/tools": "tools", "/helper": "helper"}
    started = await asyncio.gather(*(node.ready(path, identity=name) for path, name in named.items()))
    sessions = dict(zip(named, started, strict=True))
    assert len({node.pid(session_id) for session_id in started}) == 4
    async with client(node) as room:
        assert await mean(room, "analysis") == {"mean": 3}
        assert await mean(room, "statistics") == {"mean": 3}
        assert await asked(room) == {"got": 1}
        await room.messaging.enable()
        assert "chatbot" in {one.name for one in room.messaging.remote_participants}
        os.kill(node.pid(sessions["/chat"]), signal.SIGKILL)
        ended = await node.exited(sessions["/chat"])
        assert ended.exit.reason is ExitReason.SIGNAL
        assert await mean(room, "analysis") == {"mean": 3}
        assert await asked(room) == {"got": 1}


async def test_the_room_is_the_sdks_own_and_the_ends_are_told_as_ever(node: Any) -> None:
    stopped = await node.ready("/plain", identity="one")
    assert (await node.printed(stopped, "python")).split(" ", 1)[1] == (
        "(3, 13) meshagent.api.room_server_client"
    )
    # What the first answer of a model loads was loaded before the fork.
    assert "warm True" in node.lines(stopped)
    await node.placement.stop(stopped, ExitReason.STOPPED)
    assert (await node.exited(stopped)).exit.reason is ExitReason.STOPPED
    assert "stopped" in node.lines(stopped)

    dismissed = await node.ready("/plain", identity="two")
    assert await node.hub.dismiss("r", "two") == 1
    assert (await node.exited(dismissed)).exit.reason is ExitReason.DISMISSED

    broken = await node.call("/broken", identity="broken")
    failure = (await node.exited(broken)).exit.failure
    assert failure is not None
    assert (failure.kind, failure.message) == ("ValueError", "as told")
    assert "main.py" in failure.where

    ended = await node.ready("/plain", identity="three")
    await node.hub.close_room("r")
    assert (await node.exited(ended)).exit.reason is ExitReason.ROOM_ENDED


async def test_an_unreachable_room_and_a_refused_token_are_told(node: Any) -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(403, "no")

    async with serve(lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=refuse) as server:
        port, node.port = node.port, server.sockets[0].getsockname()[1]
        refused = (await node.exited(await node.call("/plain"))).exit
    assert refused.reason is ExitReason.ROOM_UNREACHABLE
    assert "status 403" in refused.message
    node.port = 9  # nobody listens on the discard port here
    away = (await node.exited(await node.call("/plain"))).exit
    assert away.reason is ExitReason.ROOM_UNREACHABLE
    node.port = port


async def test_a_broken_connection_is_a_lost_room_unless_the_sdk_reconnects(node: Any) -> None:
    session_id = await node.ready("/plain")
    before = node.connections()
    for connection in before:
        connection.transport.abort()
    if "reconnect" not in node.sdk:
        assert (await node.exited(session_id)).exit.reason is ExitReason.ROOM_LOST
        return
    async with asyncio.timeout(20 * PATIENCE):
        while not set(node.connections()) - set(before):
            await asyncio.sleep(0.02)  # the SDK comes back by itself; nothing tells of it
    await node.placement.stop(session_id, ExitReason.STOPPED)
    assert (await node.exited(session_id)).exit.reason is ExitReason.STOPPED


class _Pipe:
    """One direction of a relayed connection at each end."""

    def __init__(self) -> None:
        self.other: _Pipe = self
        self._packets: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def receive(self) -> bytes | None:
        return await self._packets.get()

    async def send(self, packet: bytes) -> None:
        self.other._packets.put_nowait(packet)

    async def close(self, code: int = 1000) -> None:
        self.other._packets.put_nowait(None)


async def test_a_relayed_call_is_the_room(node: Any) -> None:
    agent_end, room_end = _Pipe(), _Pipe()
    agent_end.other, room_end.other = room_end, agent_end
    claims = node.hub.admit("r", node.hub.token("r", "analysis"))
    spec = SessionSpec(
        session_id=new_session_id(),
        bundle="",
        endpoint="/dataanalysis",
        identity="analysis",
        room="r",
        room_url="",
        token="",
        relay=True,
    )
    await node.placement.place(spec, 1, agent_end)
    serving = asyncio.create_task(node.hub.serve("r", claims, room_end, room_url="ws://caller/rooms/r"))
    event = await node.event(spec.session_id, Ready, Exited)
    assert isinstance(event, Ready), event
    async with client(node) as room:
        assert await mean(room, "analysis") == {"mean": 3}
    await room_end.close()
    assert (await node.exited(spec.session_id)).exit.reason is ExitReason.ROOM_ENDED
    serving.cancel()
