"""The real command line, pointed at a server of ours by its own environment variables."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import HERE, KEY, Bulkhead, Drive, Sdk, Started, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

Starting = Callable[..., Started]
Cli = Callable[..., str]


def environment(sdk: Sdk, server: Bulkhead, home: Path) -> dict[str, str]:
    return {
        **server.env,
        "HOME": str(home),
        "PATH": f"{sdk.folder / 'bin'}:{server.env['PATH']}",
        "PYTHONWARNINGS": "ignore",
        "COLUMNS": "300",
        "MESHAGENT_API_URL": server.url,
        "MESHAGENT_API_KEY": KEY.format(),
        "MESHAGENT_PROJECT_ID": KEY.project,
    }


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A process that is forked for each command; see `drivers/command_line.py`."""

    process: subprocess.Popen[str]
    env: dict[str, str]

    def run(self, words: Sequence[str], folder: Path) -> tuple[int, str]:
        """Type a command in a folder; its exit status, and what it printed."""
        assert self.process.stdin
        assert self.process.stdout
        out = folder / "printed"
        ask = {"words": words, "env": self.env, "cwd": str(folder), "out": str(out)}
        self.process.stdin.write(json.dumps(ask) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()), out.read_text()


@pytest.fixture(scope="module")
def command_line(
    sdk: Sdk, server: Bulkhead, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    home = tmp_path_factory.mktemp("home")
    # Older releases read the project's id from their own file alone, as `project activate` writes it.
    (home / ".meshagent").mkdir()
    (home / ".meshagent" / "project.json").write_text(json.dumps({"active_project": KEY.project}))
    env = environment(sdk, server, home)
    command = [sdk.python, "-W", "ignore", str(HERE / "drivers" / "command_line.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        yield CommandLine(process, env)
        process.kill()


@pytest.fixture
def cli(command_line: CommandLine, tmp_path: Path) -> Cli:
    """``cli("messaging", "send", …)`` -> what the command printed; asserts that it succeeded."""

    def run(*words: str, fails: bool = False) -> str:
        status, said = command_line.run(words, tmp_path)
        assert (status != 0) is fails, f"meshagent {' '.join(words)}: {status}\n{said}"
        return re.sub(r"\x1b\[[0-9;]*m", "", said)

    return run


def in_room(sdk: Sdk, *words: str) -> tuple[str, ...]:
    """From 0.20 on, what happens in a room is below ``room``."""
    return words if sdk.number < (0, 20) else ("room", *words)


def test_service_run_joins_our_room_and_answers(
    sdk: Sdk,
    server: Bulkhead,
    drive: Drive,
    cli: Cli,
    command_line: CommandLine,
    starting: Starting,
    tmp_path: Path,
) -> None:
    room, port = f"run-{sdk.version}", free_port()
    for name in ("host_echo.py", "sdk.py"):
        (tmp_path / name).write_text((HERE / "drivers" / name).read_text())
    command = [sdk.cli, "service", "run", "host_echo.py"]
    started = starting([*command, f"--room={room}", "--port", str(port)], env=command_line.env)
    started.said("echo", 120)
    listing = in_room(sdk, "messaging", "list-participants" if sdk.number < (0, 31) else "list")
    listed = ""
    for _ in range(10):
        listed = cli(*listing, f"--room={room}")
        if "echo" in listed:
            break
    found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", listed)
    assert found, f"{listed}\n{started.log.read_text()}"
    send = ["--to-participant-id", found[0], "--type", "say", "--data", '{"n": 0}']
    cli(*in_room(sdk, "messaging", "send"), f"--room={room}", *send)
    cli(*in_room(sdk, "messaging", "broadcast"), f"--room={room}", *send[4:])
    ada = server.token(room, "ada", "user")
    drive(sdk, server, "talk", url=server.room_url(room), ada=ada, name="echo", count=1)


def test_call_agents_and_queues(sdk: Sdk, server: Bulkhead, cli: Cli) -> None:
    room = f"cli-{sdk.version}"
    at = ["--participant-name", "adder", "--url", f"{server.url}/adder"]
    cli("call", "agent", f"--room={room}", *at)
    arguments = json.dumps({"a": 2, "b": 40})
    if sdk.number < (0, 24):
        assert "adder" in cli(*in_room(sdk, "agents", "list-agents"), f"--room={room}")
        asking = ["--agent", "adder", "--input", arguments]
        assert "42" in cli(*in_room(sdk, "agents", "ask"), f"--room={room}", *asking)
    assert "toolkit" in cli(*in_room(sdk, "agents", "list-toolkits"), f"--room={room}").lower()
    queue: dict[str, Any] = {"n": 7}
    on = [f"--room={room}", "--queue", "jobs"]
    cli(*in_room(sdk, "queue", "send"), *on, "--json", json.dumps(queue))
    assert "7}" in cli(*in_room(sdk, "queue", "receive"), *on)


def test_projects_rooms_and_keys(sdk: Sdk, server: Bulkhead, cli: Cli) -> None:
    assert KEY.project in cli("project", "list")
    if sdk.number < (0, 20):
        cli("project", "activate", KEY.project)
        assert KEY.id in cli("api-key", "list")
        return
    owner = ["--no-owner"] if "--no-owner" in cli("rooms", "create", "--help") else []
    cli("rooms", "create", "made-by-cli", *owner, "--metadata", '{"team": "red"}')
    assert "made-by-cli" in cli("rooms", "list", "--all")
    got = cli("rooms", "get", "made-by-cli")
    assert "made-by-cli" in got
    assert "red" in got
    cli("rooms", "delete", "--name", "made-by-cli")
    assert "made-by-cli" not in cli("rooms", "list", "--all")
