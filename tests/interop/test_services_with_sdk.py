"""Services of the real SDK called into our rooms, and our agents called by its webhooks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.interop.conftest import HERE, KEY, ROOT, SECRET, Bulkhead, Drive, Sdk, Started, free_port
from tests.interop.fake_model import ANSWER, FakeModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

Starting = Callable[..., Started]


def host(starting: Starting, sdk: Sdk, server: Bulkhead, program: str, **env: str) -> str:
    """A program of the SDK's own ServiceHost; the address it serves at."""
    port = free_port()
    started = starting(
        [sdk.python, "-W", "ignore", str(HERE / "drivers" / f"{program}.py")],
        env={**server.env, "MESHAGENT_PORT": str(port), "MESHAGENT_HOST": "127.0.0.1", **env},
    )
    url = f"http://127.0.0.1:{port}"
    answers = (
        "import sys, time, urllib.request as u\nfor _ in range(1200):\n try: u.urlopen(sys.argv[1]); break\n"
    )
    answers += " except OSError: time.sleep(0.1)\nelse: sys.exit(1)\n"
    subprocess.run([sys.executable, "-c", answers, url], check=True, timeout=150)
    assert started.process.poll() is None, started.log.read_text()
    return url


def call(server: Bulkhead, url: str, room: str, name: str, **env: str) -> subprocess.CompletedProcess[str]:
    """``bulkhead call`` for a service elsewhere."""
    command = [sys.executable, "-m", "runtime", "call", url, "--room", room, "--wait", "0"]
    more = ["--room-url", server.room_url(room), "--token", server.token(room, name)]
    return subprocess.run(
        [*command, *more], capture_output=True, text=True, timeout=150, env={**server.env, **env}, cwd=ROOT
    )


def test_a_chatbot_answers_in_its_thread_with_the_model_behind_its_room(
    sdk: Sdk, server: Bulkhead, drive: Drive, starting: Starting, model: FakeModel
) -> None:
    room = f"chat-{sdk.version}"
    url = host(starting, sdk, server, "host_chatbot", MESHAGENT_API_URL=server.url)
    before = len(model.requests)
    called = call(server, f"{url}/chat", room, "chatbot")
    assert called.returncode == 0, called.stderr
    work = {"text": "when does the tide turn?", "answer": ANSWER, "as_message": sdk.number >= (0, 28)}
    ada = server.token(room, "ada", "user")
    drive(sdk, server, "chat", url=server.room_url(room), ada=ada, **work)
    asked = model.requests[before:]
    assert {key for key, _ in asked} == {f"Bearer {model.key}"}
    assert "when does the tide turn?" in json.dumps([body["input"] for _, body in asked])
    assert "Always be brief." in json.dumps([body for _, body in asked])


@pytest.mark.parametrize("secret", ["", SECRET], ids=["unsigned", "signed"])
def test_our_call_brings_a_service_of_the_sdk_into_the_room(
    sdk: Sdk, server: Bulkhead, drive: Drive, starting: Starting, secret: str
) -> None:
    room = f"echo-{'signed' if secret else 'unsigned'}-{sdk.version}"
    signing = {"MESHAGENT_WEBHOOK_SECRET": secret} if secret else {}
    url = host(starting, sdk, server, "host_echo", **signing)
    if secret:
        refused = call(server, f"{url}/echo", room, "echo")
        assert refused.returncode != 0
        assert "401" in refused.stdout + refused.stderr
    for _ in range(2):
        called = call(server, f"{url}/echo", room, "echo", **signing)
        assert called.returncode == 0, called.stderr
        assert json.loads(called.stdout)["ok"] is True
    ada = server.token(room, "ada", "user")
    drive(sdk, server, "talk", url=server.room_url(room), ada=ada, name="echo", count=2)


@pytest.mark.parametrize("signing", [False, True], ids=["unsigned", "signed"])
def test_a_participant_calls_a_service_of_the_sdk_into_the_room(
    sdk: Sdk,
    server: Bulkhead,
    signed_server: Bulkhead,
    drive: Drive,
    starting: Starting,
    signing: bool,
) -> None:
    ours, room = (signed_server, f"called-{sdk.version}") if signing else (server, f"called-{sdk.version}")
    url = host(starting, sdk, ours, "host_echo", **({"MESHAGENT_WEBHOOK_SECRET": SECRET} if signing else {}))
    ada = ours.token(room, "ada", "user")
    drive(sdk, ours, "talk", url=ours.room_url(room), ada=ada, name="echo", count=1, call=f"{url}/echo")


def test_the_sdks_webhook_starts_an_agent_of_ours(
    sdk: Sdk, server: Bulkhead, signed_server: Bulkhead, drive: Drive
) -> None:
    # The older send_webhook signs and then sends nothing, so it calls the server that takes unsigned ones.
    ours, secret = (server, "") if sdk.number < (0, 45, 7) else (signed_server, SECRET)
    room = f"hooked-{sdk.version}"
    work = {"secret": secret, "room": room, "endpoint": f"{ours.url}/adder"}
    tokens = {"ada": ours.token(room, "ada", "user"), "adder": ours.token(room, "adder")}
    drive(sdk, ours, "webhook", url=ours.room_url(room), **tokens, **work)


def test_a_service_of_the_sdk_is_reached_through_the_call_itself(
    sdk: Sdk, server: Bulkhead, drive: Drive, starting: Starting
) -> None:
    room = f"piped-{sdk.version}"
    url = host(starting, sdk, server, "host_echo")
    data = {"room_name": room, "room_url": server.room_url(room), "token": "unused", "arguments": {}}
    payload = json.dumps({"event": "room.call", "data": data})

    async def pipe() -> None:
        entrance = f"{server.room_url(room)}?token={server.token(room, 'echo')}"
        header = {"Meshagent-Webhook": payload}
        async with (
            connect(entrance, max_size=None) as ours,
            connect(
                f"{url.replace('http', 'ws', 1)}/echo", additional_headers=header, max_size=None
            ) as theirs,
        ):
            ways = [asyncio.create_task(_carry(*way)) for way in ((ours, theirs), (theirs, ours))]
            ada = server.token(room, "ada", "user")
            work = {"ada": ada, "name": "echo", "count": 1, "url": server.room_url(room)}
            # Called this way, older releases end with their socket alone.
            work["stay"] = sdk.number < (0, 53)
            try:
                await asyncio.to_thread(lambda: drive(sdk, server, "talk", **work))
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    asyncio.run(pipe())


async def _carry(source: ClientConnection, sink: ClientConnection) -> None:
    async for packet in source:
        await sink.send(packet)
    await sink.close()


def test_releases_meet_in_one_room(
    both: tuple[Sdk, Sdk], server: Bulkhead, drive: Drive, starting: Starting
) -> None:
    for host_sdk, person_sdk in (both, both[::-1]):
        room = f"mixed-{host_sdk.version}"
        url = host(starting, host_sdk, server, "host_echo")
        work: dict[str, Any] = {"name": "echo", "count": 1, "call": f"{url}/echo"}
        ada = server.token(room, "ada", "user")
        drive(person_sdk, server, "talk", url=server.room_url(room), ada=ada, **work)


def test_tools_of_an_mcp_server_that_a_manifest_names_are_called_through_the_room(
    sdk: Sdk, server: Bulkhead, drive: Drive
) -> None:
    room, ports = f"mcp-{sdk.version}", [free_port(), free_port()]
    manifest = {
        "version": "v1",
        "kind": "Service",
        "metadata": {"name": "wiki"},
        "ports": [
            {"num": port, "endpoints": [{"path": f"/{label}", "mcp": {"label": label}}]}
            for port, label in zip(ports, ("mcp", "sse"), strict=True)
        ],
        "external": {"url": "http://127.0.0.1"},
    }
    asked = urllib.request.Request(
        f"{server.url}/accounts/projects/{KEY.project}/rooms/{room}/services",
        json.dumps(manifest).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {KEY.format()}"},
    )
    with urllib.request.urlopen(asked) as answer:
        assert answer.status == 200
    token = server.token(room, "ada", "user")
    for found in drive(sdk, server, "mcp_tools", url=server.room_url(room), token=token, ports=ports):
        assert found["first"] == {"add": "Adds.", "grow": "Has another."}
        assert found["three"] == {"result": 3}
        assert "unable to parse string as an integer" in found["wrong"]
        assert found["said"] == {"result": "grown"}
        assert found["grown"] == {**found["first"], "say": "Says it."}
