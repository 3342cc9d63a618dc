"""ServiceHost: declaring, serving, describing."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from runtime.confinement.confine import Confine
from runtime.errors import BundleError, ConfigError, EndpointConflict, InvalidTransition
from runtime.sdk import host
from runtime.sdk.host import ServiceHost
from runtime.sdk.task_runner import TaskRunner
from runtime.sdk.tools.toolkit import Tool, Toolkit
from runtime.session.spec import Limits
from tests.patience import PATIENCE

pytestmark = pytest.mark.unit


THIS_FILE = Path(__file__).resolve()


class Greeter:
    """Greets whoever comes.

    At length.
    """

    async def start(self, *, room: Any) -> None: ...

    async def stop(self) -> None: ...


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MESHAGENT_PORT", "MESHAGENT_HOST", "MESHAGENT_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)


def test_the_decorator_returns_the_class_and_records_the_endpoint() -> None:
    service = ServiceHost()
    limits = Limits(memory="512MiB")
    decorated = service.path("/hi", identity="greeter", permissions={"messaging": {}}, limits=limits)(Greeter)
    assert decorated is Greeter
    (endpoint,) = service.endpoints
    assert (endpoint.path, endpoint.identity, endpoint.cls) == ("/hi", "greeter", Greeter)
    assert (endpoint.permissions, endpoint.limits) == ({"messaging": {}}, limits)
    assert (endpoint.title, endpoint.description, endpoint.kind) == (None, "Greets whoever comes.", "agent")
    assert service.has_path("/hi")
    assert not service.has_path("/ho")


def test_a_path_serves_one_class() -> None:
    service = ServiceHost()
    service.add_path("/hi", cls=Greeter, identity="a")
    with pytest.raises(EndpointConflict, match="/hi is registered twice: for Greeter and for TaskRunner"):
        service.add_path("/hi", cls=TaskRunner, identity="b")


@pytest.mark.parametrize("path", ["", "/", "hi", "/a b", "/a?b", "/a//b", "/a/", None])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(BundleError, match="cannot be the path"):
        ServiceHost().path(path)(Greeter)


def test_what_is_no_class_is_refused() -> None:
    with pytest.raises(BundleError, match="not a class"):
        ServiceHost().add_path("/hi", cls=Greeter())  # type: ignore[arg-type]


def test_two_agents_of_the_default_identity_are_worth_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    service = ServiceHost()
    service.path("/a")(Greeter)
    assert service.endpoints[0].identity == "agent"
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        service.path("/b")(Greeter)
    assert "'agent'" in caplog.text


def test_the_kind_is_found_from_the_class() -> None:
    class Runs(TaskRunner): ...

    class Works(Tool): ...

    class Groups(Toolkit): ...

    assert [host.is_hostable(one) for one in (Runs, Works, Groups, Greeter, int)] == [True] * 4 + [False]
    service = ServiceHost()
    for number, cls in enumerate((Runs, Works, Groups)):
        service.add_path(f"/{number}", cls=cls, identity=str(number))
    assert [one.kind for one in service.endpoints] == ["task_runner", "tool", "toolkit"]


def test_the_port_is_the_argument_then_the_environment_then_free(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ServiceHost().port is None
    monkeypatch.setenv("MESHAGENT_PORT", "9001")
    assert ServiceHost().port == 9001
    assert ServiceHost(port=9000).port == 9000
    for wrong in ("nine", "70000", "-1"):
        monkeypatch.setenv("MESHAGENT_PORT", wrong)
        with pytest.raises(ConfigError, match=f"MESHAGENT_PORT is '{wrong}'"):
            ServiceHost()


def test_the_description_is_a_manifest() -> None:
    service = ServiceHost(port=9000, name="mine")
    service.path("/hi", identity="greeter", permissions={"messaging": {}})(Greeter)
    assert service.get_service_spec(image="mine:1", environment={"A": "b"}) == {
        "version": "v1",
        "kind": "Service",
        "metadata": {"name": "mine"},
        "container": {"image": "mine:1", "environment": [{"name": "A", "value": "b"}]},
        "ports": [
            {
                "num": 9000,
                "type": "http",
                "endpoints": [
                    {"path": "/hi", "meshagent": {"identity": "greeter", "api": {"messaging": {}}}}
                ],
            }
        ],
    }


# ---- serving


class FakeServer:
    """What ``runtime.front.local_server.LocalServer`` promises."""

    made: list[FakeServer]
    started: asyncio.Event

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.calls: list[str] = []
        self.ended = asyncio.Event()
        self.made.append(self)

    async def start(self) -> None:
        self.calls.append("start")
        self.started.set()

    async def stop(self) -> None:
        self.calls.append("stop")

    async def wait(self) -> None:
        await self.ended.wait()


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[FakeServer]:
    module = types.ModuleType("runtime.front.local_server")
    module.LocalServer = FakeServer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "runtime.front.local_server", module)
    FakeServer.made, FakeServer.started = [], asyncio.Event()
    return FakeServer.made


@pytest.mark.asyncio
async def test_start_hands_the_program_to_the_server_and_starts_once(servers: list[FakeServer]) -> None:
    service = ServiceHost(port=9000, host="127.0.0.1", webhook_secret="s", name="mine")
    await service.start()
    (server,) = servers
    assert server.options == {
        "bundle": THIS_FILE,
        "host": "127.0.0.1",
        "port": 9000,
        "webhook_secret": "s",
        "name": "mine",
    }
    with pytest.raises(InvalidTransition, match="started already"):
        await service.start()
    await service.stop()
    await service.stop()
    assert server.calls == ["start", "stop"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.asyncio
async def test_run_serves_until_a_signal_and_then_drains(
    servers: list[FakeServer], within: Any, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    running = asyncio.create_task(ServiceHost().run())
    await within(2, FakeServer.started.wait())
    os.kill(os.getpid(), number)
    assert await within(2, running) is None
    assert servers[0].calls == ["start", "stop"]
    assert signal.getsignal(number) is before


@pytest.mark.asyncio
async def test_a_second_signal_does_not_wait_for_the_drain(
    servers: list[FakeServer], within: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draining = asyncio.Event()

    async def drain(self: FakeServer) -> None:
        draining.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(FakeServer, "stop", drain)

    async def run() -> Any:
        try:
            await ServiceHost().run()
        except SystemExit as left:  # asyncio would pass it through the loop
            return left.code

    running = asyncio.create_task(run())
    await within(2, FakeServer.started.wait())
    os.kill(os.getpid(), signal.SIGINT)
    await within(2, draining.wait())
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.wait([running], timeout=2 * PATIENCE)
    assert running.done()
    assert running.result() == 130


@pytest.mark.asyncio
async def test_run_returns_when_the_server_ends_by_itself(servers: list[FakeServer], within: Any) -> None:
    running = asyncio.create_task(ServiceHost().run())
    await within(2, FakeServer.started.wait())
    servers[0].ended.set()
    await within(2, running)
    assert servers[0].calls == ["start", "stop"]


@pytest.mark.asyncio
async def test_a_server_that_cannot_start_may_be_tried_again(
    servers: list[FakeServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: FakeServer) -> None:
        raise OSError("port in use")

    service = ServiceHost()
    with monkeypatch.context() as patch:
        patch.setattr(FakeServer, "start", refuse)
        with pytest.raises(OSError, match="in use"):
            await service.start()
    await service.start()


def test_a_run_that_cannot_start_ends_the_program_with_a_sentence(tmp_path: Path) -> None:
    program = tmp_path / "main.py"
    program.write_text(
        "import asyncio\nfrom runtime.errors import ConfigError\nfrom runtime.sdk.host import ServiceHost\n"
        "class Server:\n"
        "    def __init__(self, **_): ...\n"
        "    async def start(self): raise ConfigError('cannot listen on port 1', cure='Take another.')\n"
        "import sys, types\n"
        "sys.modules['runtime.front.local_server'] = types.SimpleNamespace(LocalServer=Server)\n"
        "asyncio.run(ServiceHost().run())\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: cannot listen on port 1. Take another.\n"


def test_importing_the_host_loads_neither_server_nor_documents_nor_chat() -> None:
    program = (
        "import sys, runtime.sdk.host\n"
        "heavy = ('quart', 'hypercorn', 'pycrdt', 'jsonschema', 'openai', 'websockets')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_cannot_be_hosted_is_told_how() -> None:
    with pytest.raises(BundleError, match=r"dict cannot be hosted.*Derive it from"):
        host.portable({})
    greeter = Greeter()
    assert host.portable(greeter) is greeter


def test_a_policy_and_a_concurrency_are_declared_and_checked() -> None:
    service = ServiceHost()
    service.add_path("/a", cls=Greeter, identity="a", restart="always", concurrency=3, limits=Limits(cpu=1))
    (endpoint,) = service.endpoints
    assert endpoint.restart == "always"
    assert endpoint.limits == Limits(cpu=1, concurrency=3)
    with pytest.raises(BundleError, match="no restart policy"):
        service.add_path("/b", cls=Greeter, identity="b", restart="sometimes")


def test_what_sessions_may_reach_is_said_like_their_limits() -> None:
    service = ServiceHost()
    service.path("/a", confinement=Confine(write=["data"]))(Greeter)
    service.path("/b", identity="b", confinement={"level": "strict", "network": ["a.example:443"]})(Greeter)
    service.add_path("/c", cls=Greeter, identity="c")
    found = {one.path: one.confinement for one in service.endpoints}
    assert found == {
        "/a": Confine(write=["data"]),
        "/b": Confine(level="strict", network=["a.example:443"]),
        "/c": None,
    }
    with pytest.raises(TypeError, match=r"write confinement=Confine\(write="):
        service.path("/d", confinement=["data"])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Did you mean 'write'"):
        service.path("/d", confinement={"writes": ["data"]})
