"""The room of sessions, and the model of those without a network, over their pipe from a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from runtime.front.server import Server
from runtime.rooms.elsewhere.dialled import INWARD, dial
from runtime.sdk.room.client import RoomClient, WebSocketClientProtocol
from runtime.sdk.room.room_exception import RoomException
from runtime.session.exit_reasons import ExitReason
from runtime.session.record import SessionRecord
from runtime.settings import load_settings
from runtime.wire.webhook import RoomCall
from tests.front.model.test_routes import FakeProvider, provider  # noqa: F401
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

AGENTS = """
import asyncio, os
from bulkhead import OpenAIResponsesAdapter, ServiceHost, tool

service = ServiceHost()


class Base:
    async def start(self, *, room):
        self.room = room

    async def stop(self):
        pass


@service.path("/plain", identity="plain", restart="on_failure")
class Plain(Base):
    async def start(self, *, room):
        await super().start(room=room)
        print("entered", room.protocol.url == room.room_url, room.token == os.environ["MESHAGENT_TOKEN"])
        room.messaging.on("message", self.heard)
        await room.messaging.enable()

    def heard(self, message):
        if message.type == "die":
            os._exit(3)
        asyncio.create_task(self.reply(message))

    async def reply(self, message):
        people = self.room.messaging.remote_participants
        to = next(one for one in people if one.id == message.from_participant_id)
        if message.type == "big":
            for _ in range(message.message["count"]):
                await self.room.messaging.send_message(to=to, type="piece", message={"text": "x" * 50_000})
        await self.room.messaging.send_message(to=to, type="echo", message=message.message)


@service.path("/asks", identity="asks")
class Asks(Base):
    async def start(self, *, room):
        await super().start(room=room)
        adapter = OpenAIResponsesAdapter()
        context = adapter.create_chat_context()
        context.append_user_message("hello there")
        try:
            print("said", await adapter.next(context=context, room=room, toolkits=[]), flush=True)
        except Exception as error:
            print("failed", error, flush=True)


@service.path("/streams", identity="streams")
class Streams(Base):
    async def start(self, *, room):
        await super().start(room=room)
        self.task = asyncio.create_task(self.ask(room))

    async def ask(self, room):
        adapter = OpenAIResponsesAdapter()
        context = adapter.create_chat_context()
        context.append_user_message("hello")
        heard = asyncio.Event()

        def told(event):
            if event["type"] != "response.requested":  # the adapter's own: nothing has come yet
                print("heard", event["type"], flush=True)
                heard.set()

        turn = adapter.next(context=context, room=room, toolkits=[], event_handler=told)
        asking = asyncio.create_task(turn)
        await heard.wait()
        asking.cancel()
        await asyncio.wait([asking])
        print("cancelled", asking.cancelled(), flush=True)


@service.path("/outward", identity="outward")
class Outward(Base):
    async def start(self, *, room):
        here = room.room_url.replace("ws", "http", 1).replace("/rooms/r", "/plain")
        for asked, header in (
            ("containers.run", {"image": "all", "command": "true"}),
            ("containers.pull_image", {"tag": "all"}),
            ("containers.exec", {"request_id": "r", "container_id": "x", "command": "true"}),
            ("containers.run_service", {"service_id": "x", "env": {"A": "1"}}),
            ("room.call", {"name": "spy", "url": "https://192.0.2.1/spy", "arguments": {}}),
            ("room.call", {"name": "plain", "url": here, "arguments": {}}),
        ):
            try:
                await room.send_request(asked, header)
                print("may", asked, flush=True)
            except Exception as error:
                print("may not", asked, error, flush=True)
        opened = [os.readlink(one.path) for one in os.scandir("/proc/self/fd") if os.path.lexists(one.path)]
        print("holds", [one for one in opened if one.startswith(("/usr", "/etc", "/lib"))], flush=True)
        print("tried", flush=True)


@service.path("/raw", identity="raw")
class Raw(Base):
    async def start(self, *, room):
        import httpx
        from runtime.sdk.llm import by_pipe
        async with httpx.AsyncClient() as http:
            try:
                await http.get("http://example.org/x")
            except httpx.ConnectError as error:
                print("refused", error, flush=True)
            base, token = "http://room.invalid/rooms/r", by_pipe.current().token
            bearer, texts = {"Authorization": f"Bearer {token}"}, {"input": ["a", "b"]}
            vectors = await http.post(f"{base}/openai/v1/embeddings", json=texts, headers=bearer)
            print("vectors", [len(one["embedding"]) for one in vectors.json()["data"]], flush=True)
            asked = {"messages": [{"role": "user", "content": "calculate 6 * 7"}], "stream": True}
            said = await http.post(f"{base}/anthropic/v1/messages", json=asked, headers={"x-api-key": token})
            print("message", "42" in said.text and said.text.count("event: message_st"), flush=True)


asyncio.run(service.run())
"""

Confined = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def confined(tmp_path: Path) -> Confined:
    """``async with confined(**server settings) as server``: its sessions have no network."""

    @asynccontextmanager
    async def run(
        *, network: Any = ("none",), agents: str = AGENTS, level: str = "strict", **knobs: Any
    ) -> AsyncIterator[Server]:
        folder = tmp_path / "agents"
        folder.mkdir(exist_ok=True)
        (folder / "all.py").write_text(agents)
        flags = {f"server.{name}": value for name, value in knobs.items()}
        flags |= {"server.port": 0, "server.state_dir": tmp_path / "state", "server.watch": False}
        flags["supervisor.immortal"] = False
        flags |= {
            "confinement.level": level,
            "confinement.network": network,
            "supervisor.restart_first_s": 0.05,
        }
        server = Server(load_settings(flags=flags), [folder], owns_process=False)
        await server.start()
        await server.loaded()
        try:
            yield server
        finally:
            await server.stop()

    return run


async def called(server: Server, path: str, room: str = "r", **more: Any) -> SessionRecord:
    """Call a session, and wait until it is in its room or has ended."""
    outcome = await server.front.dispatcher.call(path, RoomCall(room_name=room, **more))
    return await server.front.registry.wait(outcome.session_id, until="settled", timeout_s=30 * PATIENCE)


async def printed(server: Server, record: SessionRecord, word: str) -> str:
    async with asyncio.timeout(20 * PATIENCE):
        while True:
            lines = await server.front.placement.log_lines(record.spec.session_id)
            for line in lines:
                if line.text.startswith(word):
                    return line.text
            await asyncio.sleep(0.01)


def person(server: Server, room: str = "r") -> RoomClient:
    assert server.front.rooms is not None
    url = f"{server.url.replace('http', 'ws', 1)}/rooms/{room}"
    token = server.front.rooms.token(room, "me", role="user")
    return RoomClient(WebSocketClientProtocol(url=url, token=token))


async def say(room: RoomClient, kind: str, **message: Any) -> Any:
    """Send a message to the agent; its echo."""
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def heard(message: Any) -> None:
        if message.type == "echo" and not answered.done():
            answered.set_result(message)

    room.messaging.on("message", heard)
    await room.messaging.enable()
    async with asyncio.timeout(20 * PATIENCE):
        while not (agents := [one for one in room.messaging.remote_participants if one.name == "plain"]):
            await asyncio.sleep(0.01)
        await room.messaging.send_message(to=agents[0], type=kind, message=message)
        return (await answered).message


@pytest.mark.parametrize(("level", "network"), [("strict", ("none",)), ("off", ("all",))])
async def test_a_session_is_in_its_room_without_a_socket_to_it(
    confined: Confined, level: str, network: Any
) -> None:
    async with confined(level=level, network=network) as server:
        record = await called(server, "/plain")
        assert record.ready_at is not None
        pid = record.pid
        assert pid is not None
        assert psutil.Process(pid).net_connections("inet") == []
        async with person(server) as room:
            assert await say(room, "hi", text="there") == {"text": "there"}
        assert await printed(server, record, "entered") == "entered True True"
        (info,) = server.front.rooms.rooms()
        assert [one.name for one in info.participants] == ["plain"]
        seen = await server.front.placement.messages(record.spec.session_id)
        assert {one.direction for one in seen} == {"in", "out"}
        await server.front.dispatcher.stop(record.spec.session_id)
        assert record.exit is not None
        assert record.exit.reason is ExitReason.STOPPED
        async with asyncio.timeout(10 * PATIENCE):
            while server.front.rooms.rooms()[0].participants:
                await asyncio.sleep(0.01)


async def test_a_session_that_dies_is_in_its_room_again(confined: Confined) -> None:
    async with confined() as server:
        record = await called(server, "/plain")
        first = record.pid
        async with person(server) as room:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await say(room, "die")
        async with asyncio.timeout(20 * PATIENCE):
            while record.pid in (first, None) or record.state != "ready":
                await asyncio.sleep(0.01)
        async with person(server) as room:
            assert await say(room, "hi", text="again") == {"text": "again"}


async def test_the_end_of_its_room_and_a_dismissal_end_it_as_ever(confined: Confined) -> None:
    async with confined() as server:
        rooms = server.front.rooms
        dismissed, ended = await called(server, "/plain", "one"), await called(server, "/plain", "two")
        await rooms.dismiss("one", "plain")
        await rooms.close_room("two")
        for record, reason in ((dismissed, ExitReason.DISMISSED), (ended, ExitReason.ROOM_ENDED)):
            await server.front.registry.wait(record.spec.session_id, until="exited", timeout_s=20 * PATIENCE)
            assert record.exit is not None
            assert record.exit.reason is reason


async def test_much_that_it_says_reaches_a_slow_reader_whole(confined: Confined) -> None:
    async with confined() as server:
        await called(server, "/plain")
        async with person(server) as room:
            pieces = 0

            def heard(message: Any) -> None:
                nonlocal pieces
                pieces += message.type == "piece"

            room.messaging.on("message", heard)
            assert await say(room, "big", count=200) == {"count": 200}
            assert pieces == 200


async def test_a_token_that_does_not_fit_is_told_as_from_an_address(confined: Confined) -> None:
    async with confined() as server:
        url = f"{server.url.replace('http', 'ws', 1)}/rooms/r"
        record = await called(server, "/plain", room_url=url, token="no.such.token")
        await server.front.dispatcher.stop(record.spec.session_id)
        said = record.exit or record.last_exit
        assert said is not None
        told = record.last_exit or said
        assert told.reason is ExitReason.ROOM_UNREACHABLE
        assert "status 403" in told.message


async def test_a_room_of_another_server_is_entered_by_the_front(confined: Confined) -> None:
    async with confined() as server:
        heard: list[str] = []

        async def room(socket: ServerConnection) -> None:
            assert socket.request is not None
            heard.append(socket.request.headers["Authorization"])
            assert socket.request.headers[INWARD] == "1"
            claims = server.front.rooms.admit("r", heard[-1].removeprefix("Bearer "))
            await server.front.rooms.serve("r", claims, _Socket(socket), room_url="")

        def refuse(connection: ServerConnection, request: Request) -> Response | None:
            return connection.respond(423, "no") if "closed" in request.path else None

        token = server.front.rooms.token("r", "plain")
        async with serve(room, "127.0.0.1", 0, process_request=refuse) as other:
            port = other.sockets[0].getsockname()[1]
            record = await called(server, "/plain", room_url=f"ws://127.0.0.1:{port}/rooms/r", token=token)
            assert record.ready_at is not None
            assert heard == [f"Bearer {token}"]
            async with person(server) as me:
                assert await say(me, "hi", text="far") == {"text": "far"}
            asks = await called(server, "/asks", room_url=f"ws://127.0.0.1:{port}/rooms/r", token=token)
            assert "offline" in await printed(server, asks, "said")
            shut = await called(server, "/asks", room_url=f"ws://127.0.0.1:{port}/rooms/closed", token=token)
            assert shut.exit is not None
            assert shut.exit.reason is ExitReason.ROOM_UNREACHABLE
            assert "status 423" in shut.exit.message
            for connection in list(other.connections):
                connection.transport.abort()
            async with asyncio.timeout(20 * PATIENCE):
                while asks.last_exit is None or asks.state != "ready":
                    await asyncio.sleep(0.01)
            assert asks.last_exit.reason is ExitReason.ROOM_LOST  # and it is there again, as ever


async def test_its_model_is_asked_by_the_server_with_the_servers_key(
    confined: Confined,
    provider: FakeProvider,  # noqa: F811
) -> None:
    async with confined(model_url=provider.url, model_key="sk-front") as server:
        record = await called(server, "/asks")
        assert await printed(server, record, "said") == "said reply 1"
        _, headers, asked = provider.requests[0]
        assert headers["authorization"] == "bearer sk-front"
        assert "hello there" in json.dumps(asked["input"])
        assert psutil.Process(record.pid).net_connections("inet") == []


async def test_an_answer_that_is_given_up_is_given_up_at_the_provider(
    confined: Confined,
    provider: FakeProvider,  # noqa: F811
) -> None:
    provider.go_on.clear()
    async with confined(model_url=provider.url) as server:
        record = await called(server, "/streams")
        assert await printed(server, record, "heard") == "heard response.output_text.delta"
        assert await printed(server, record, "cancelled") == "cancelled True"
        async with asyncio.timeout(10 * PATIENCE):
            await provider.left.wait()


async def test_what_the_provider_refuses_is_told(confined: Confined, provider: FakeProvider) -> None:  # noqa: F811
    provider.status = 401
    async with confined(model_url=provider.url) as server:
        record = await called(server, "/asks")
        assert (await printed(server, record, "failed")).startswith(
            "failed The model provider refused the API key"
        )


async def test_without_a_provider_the_offline_model_answers_and_a_key_that_leads_nowhere_is_told(
    confined: Confined, tmp_path: Path
) -> None:
    async with confined() as server:
        assert "offline" in await printed(server, await called(server, "/asks"), "said")
    (tmp_path / "agents" / ".env").write_text("OPENAI_API_KEY=sk-mine\n")
    async with confined() as server:
        told = await printed(server, await called(server, "/asks"), "failed")
        assert 'network=["api.openai.com:443"]' in told


async def test_models_of_each_kind_are_asked_over_the_pipe_and_other_requests_refused_with_what_to_write(
    confined: Confined,
) -> None:
    async with confined() as server:
        record = await called(server, "/raw")
        assert 'network=["example.org:80"]' in await printed(server, record, "refused")
        assert await printed(server, record, "vectors") == "vectors [1536, 1536]"
        assert await printed(server, record, "message") == "message 2"


async def test_nobody_is_reached_for_a_session_without_a_network(confined: Confined) -> None:
    async with confined() as server:
        url, token = f"{server.url}/rooms/r", server.front.rooms.token("r", "far")
        record = await called(server, "/outward")
        await printed(server, record, "tried")
        lines = [line.text for line in await server.front.placement.log_lines(record.spec.session_id)]
        # An endpoint of this server; and nothing of what its zygote opened to hold it was left open.
        assert lines[-3:] == ["may room.call", "holds []", "tried"]
        told = [line for line in lines if line.startswith("may not ")]
        assert [line.split()[2] for line in told] == [
            "containers.run",
            "containers.pull_image",
            "containers.exec",
            "containers.run_service",
            "room.call",
        ]
        assert all("session without a network" in line for line in told)

        class Far:
            async def open(self, *, timeout_s: float) -> Any:  # as a node does for its sessions
                return await dial(url, token, timeout_s=timeout_s, is_inward=True)

        async with RoomClient(Far()) as room:
            with pytest.raises(RoomException, match="session without a network"):
                await room.send_request("containers.run", {"image": "all", "command": "true"})


class _Socket:
    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def receive(self) -> bytes | None:
        try:
            return await self._socket.recv(decode=False)
        except ConnectionClosed:
            return None

    async def send(self, packet: bytes) -> None:
        await self._socket.send(packet)

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code)
