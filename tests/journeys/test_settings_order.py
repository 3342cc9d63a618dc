"""Flags beat the environment beats the file beats the default, for whatever serves; agents' own variables."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

AGENT = """\
import os
from bulkhead import ServiceHost, SingleRoomAgent

service = ServiceHost()
with open(os.environ["SEEN"], "w") as file:
    file.write(f"{os.environ.get('WEATHER_KEY')} {os.environ.get('BULKHEAD_ROOM')}")


@service.path("/one", identity="one")
class One(SingleRoomAgent):
    pass
"""


@pytest.fixture
def agents(user: Any) -> Path:
    folder: Path = user.folder / "agents"
    folder.mkdir()
    (folder / "one.py").write_text(AGENT)
    home = user.env["HOME"]
    user.env |= {"SEEN": f"{home}/seen", "BULKHEAD_CONFINEMENT_WRITE": home}  # by which it tells us
    return folder


@pytest.mark.usefixtures("agents")
def test_demo_listens_and_calls_where_the_settings_say(user: Any, free_port: int) -> None:
    user.env |= {"BULKHEAD_PORT": str(free_port)}
    (user.folder / "bulkhead.toml").write_text('[server]\nroom = "filed"\nport = 1\nchaos = false\n')
    demo = user.serve("demo")
    demo.read_until(r"/one +one .* in room filed")
    demo.told(rf"Studio +http://127\.0\.0\.1:{free_port}/studio/rooms/filed\n")
    demo.url = f"http://127.0.0.1:{free_port}"
    _, told = demo.ask("GET", "/settings")
    chaos = next(row for row in told["settings"] if row["name"] == "server.chaos")
    assert chaos["source"] == "file bulkhead.toml"
    demo.stop()

    user.env["BULKHEAD_ROOM"] = "environment"
    demo = user.serve("demo")
    demo.read_until(r"/one +one .* in room environment")
    demo.stop()

    demo = user.serve("demo", "--room", "flag", "--port", "0")
    demo.read_until(r"/one +one .* in room flag")
    assert f":{free_port}/" not in "\n".join(demo.lines)


@pytest.mark.usefixtures("agents")
def test_demo_takes_another_port_only_when_nobody_asked_for_one(user: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        user.env["BULKHEAD_PORT"] = port
        told = user.run("demo")
        assert told.returncode == 1
        assert f"port {port} is taken (env BULKHEAD_PORT)" in told.stderr
        assert "unset BULKHEAD_PORT" in told.stderr
        assert "leave --port out" in user.run("demo", "--port", port).stderr
        assert "unset BULKHEAD_PORT" in user.run("serve").stderr
        assert "unset BULKHEAD_PORT" in user.run("service", "run", "agents/one.py", "--room", "r").stderr


def test_service_run_takes_its_room_from_the_settings_too(user: Any, agents: Path) -> None:
    user.env["BULKHEAD_ROOM"] = "environment"
    run = user.serve("service", "run", str(agents / "one.py"))
    run.read_until(r"/one +one .* in room environment")


@pytest.mark.parametrize(
    "command",
    [("serve", "--port", "0", "--room", "r"), ("demo", "--port", "0"), ("service", "run", "agents/one.py")],
)
def test_agents_env_reaches_agents_and_nobody_else(user: Any, agents: Path, command: tuple[str, ...]) -> None:
    (agents / "agents.env").write_text("WEATHER_KEY='s3cret'\n")
    user.env["BULKHEAD_ROOM"] = "r"
    server = user.serve(*command)
    server.read_until(r"/one +one|bundle\.loaded")
    assert Path(user.env["SEEN"]).read_text() == "s3cret None"
    about = json.loads((user.folder / ".bulkhead" / "server.json").read_text())
    assert b"s3cret" not in Path(f"/proc/{about['pid']}/environ").read_bytes()


@pytest.mark.parametrize(
    "command", [("serve", "--port", "0"), ("demo",), ("service", "run", "agents/one.py")]
)
def test_a_mistake_in_agents_env_is_told_before_anything_starts(
    user: Any, agents: Path, command: tuple[str, ...]
) -> None:
    (agents / "agents.env").write_text("A=1\nnonsense\n")
    user.env["BULKHEAD_ROOM"] = "r"
    told = user.run(*command)
    assert told.returncode == 2, told.stderr
    assert "agents.env, line 2 is no variable" in told.stderr
