"""A folder that is deployed where nodes run the sessions: each fetches it, and who has it is called."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.cli.main import run
from runtime.errors import BundleError
from runtime.placement.cluster import messages
from runtime.placement.cluster.sent import installed
from runtime.session.calls.deployed import path_of
from runtime.session.info import EndpointInfo
from tests.fakes import endpoint
from tests.patience import PATIENCE
from tests.placement.cluster.conftest import WORD, machine
from tests.placement.cluster.test_operated import asked, nodes
from tests.placement.cluster.test_over_the_engine import started
from tests.typed import typed

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

REAL = """
import asyncio, os
from runtime.sdk import ServiceHost

service = ServiceHost()

@service.path("/greet", identity="greeter")
class Greeter:
    async def start(self, *, room):
        print("hello", os.environ.get("GREETING"), flush=True)
    async def stop(self):
        pass

asyncio.run(service.run())
"""


class Loads:
    """What loads bundles of a node whose sessions are data alone.

    Attributes:
        loaded: What was loaded: the text of its program, and its variables.
        wrong: Why nothing can be loaded; empty when it can.
        permissions: What its bundles say that they need; None for everything that agents may.
    """

    def __init__(self, placement: Any) -> None:
        self._placement = placement
        self.loaded: list[tuple[str, dict[str, str]]] = []
        self.serving: dict[str, str] = {}
        self.wrong = ""
        self.permissions: dict[str, Any] | None = {"queues": {}}
        self.folders_in_use: set[Path] = set()

    async def prepare(self, name: str, folder: Path, say: Any) -> None:
        pass

    async def load(self, name: str, folder: Path, env: Mapping[str, str]) -> Any:
        if self.wrong:
            raise BundleError(self.wrong, cure="Mend it.")
        text = (folder / "main.py").read_text()
        self.loaded.append((text, dict(env)))
        return SimpleNamespace(name=name, text=text)

    def rows_of(self, bundle: Any) -> list[EndpointInfo]:
        return [endpoint("/greet", permissions=self.permissions)]

    def serve(self, service: str, bundle: Any) -> None:
        self.serving[service] = bundle.text
        self._placement.listed = [*machine("x").listed, endpoint(path_of(service, "/greet"))]

    def expect(self, service: str) -> None: ...

    def drop(self, service: str) -> None:
        self.serving.pop(service, None)
        self._placement.listed = machine("x").listed

    async def discard(self, bundle: Any) -> None: ...


class Cluster:
    """A server and nodes that load what is sent."""

    def __init__(self, site: Any, parts: AsyncExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._site, self._parts, self._monkeypatch = site, parts, monkeypatch
        self.machines: dict[str, Any] = {}
        self.loads: dict[str, Loads] = {}

    async def serve(self) -> Any:
        self.server = await self._parts.enter_async_context(self._site.server())
        self._monkeypatch.setenv("BULKHEAD_URL", self.server.url)
        return self.server

    async def join(self, name: str) -> Loads:
        if self._site.home.admit(name, WORD):
            self._site.process.reload()
        self.machines[name] = machine(name)
        self.loads[name] = Loads(self.machines[name])
        await self._parts.enter_async_context(self._site.node(self.machines[name], self.loads[name]))
        return self.loads[name]

    async def heard(self, count: int) -> None:
        async with asyncio.timeout(30 * PATIENCE):
            while sum(bool(one["code"]) for one in (await nodes(self.server)).values()) < count:
                await asyncio.sleep(0.05)

    def told(self, kind: str) -> list[Any]:
        """What the feed of events has of a kind."""
        return [one.data for one in self.server.front.registry.feed.after(0, limit=1000) if one.kind == kind]

    async def serves(self, wanted: dict[str, str]) -> None:
        """Wait until all nodes serve these, and nothing else."""
        async with asyncio.timeout(10 * PATIENCE):
            while any(loads.serving != wanted for loads in self.loads.values()):
                await asyncio.sleep(0.02)

    async def only_one(self, name: str) -> str:
        """Wait until a node keeps the folder of one bundle alone: its digest."""
        async with asyncio.timeout(10 * PATIENCE):
            while len(found := list((self._site.folder / f"sent-{name}").iterdir())) != 1:
                await asyncio.sleep(0.02)
        return found[0].name

    async def called(self, service: str) -> str:
        """Call it; the node that has the session."""
        call = {"event": "room.call", "data": {"room_name": "r"}}
        done = json.loads(await asked(self.server, path_of(service, "/greet") + "?wait=ready", call))
        return str(json.loads(await asked(self.server, f"/workers/{done['session']}"))["node"])


async def test_each_node_fetches_what_is_deployed_and_a_call_goes_where_it_is(
    site: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "BEAT_S", 0.1)
    monkeypatch.setattr(installed, "FIRST_RETRY_S", 0.2)
    monkeypatch.setattr(installed, "KEPT_UNWANTED", 0)
    bundle = tmp_path / "greeter"
    (bundle / "data").mkdir(parents=True)
    (bundle / "data" / "words.txt").write_bytes(bytes(range(256)) * 8192)  # more than one piece
    (bundle / "main.py").write_text("first")
    async with AsyncExitStack() as parts:
        cluster = Cluster(site, parts, monkeypatch)
        server = await cluster.serve()
        n1, n2 = await cluster.join("n1"), await cluster.join("n2")
        n2.wrong = "it has no libfirst"
        await cluster.heard(2)

        async def deploy(*more: str) -> tuple[str, str]:
            out, err = await typed(capsys, "deploy", str(bundle), *more)
            return out.splitlines()[-1].split()[2], err

        service, err = await deploy("--env", "GREETING=hi")
        assert "n2: failed (it has no libfirst)" in err
        assert n1.loaded == [("first", {"GREETING": "hi"})]
        assert {await cluster.called(service) for _ in range(4)} == {"n1"}  # not where it is not
        assert (await nodes(server))["n2"]["failed"] == {"greeter": "it has no libfirst"}
        assert await asyncio.to_thread(run, ["nodes"]) == 0
        assert "n2 cannot load greeter: it has no libfirst" in capsys.readouterr().err
        async with asyncio.timeout(10 * PATIENCE):
            while not (failed := cluster.told("node.bundle_failed")):
                await asyncio.sleep(0.05)
        assert [(one["node"], one["bundle"]) for one in failed] == [("n2", "greeter")]
        # It tries again by itself, and one that joins late gets it as well.
        n2.wrong = ""
        n3 = await cluster.join("n3")
        async with asyncio.timeout(30 * PATIENCE):
            while [one["failed"] for one in (await nodes(server)).values()] != [{}] * 3 or not n3.serving:
                await asyncio.sleep(0.05)
            while {one["code"].get("greeter") for one in (await nodes(server)).values()} == {None}:
                await asyncio.sleep(0.05)
            found = set()
            while found != {"n1", "n2", "n3"}:
                found.add(await cluster.called(service))
        # The next revision is everywhere before it serves; one that loads nowhere changes nothing.
        (bundle / "main.py").write_text("second")
        await deploy()
        assert all(loads.loaded[-1][0] == "second" for loads in cluster.loads.values())
        await cluster.serves({service: "second"})
        digest = await cluster.only_one("n1")
        for loads in cluster.loads.values():
            loads.wrong = "NameError"
        (bundle / "main.py").write_text("third")
        assert await asyncio.to_thread(run, ["deploy", str(bundle)]) == 1
        assert "nothing was switched" in capsys.readouterr().err
        for loads in cluster.loads.values():
            loads.wrong = ""
        assert await cluster.called(service) in cluster.loads
        # Back to the first, then a server that is started again: nothing is loaded anew.
        assert await asyncio.to_thread(run, ["service", "rollback", "greeter", "1", "--global"]) == 0
        await cluster.serves({service: "first"})
        assert await cluster.only_one("n1") != digest
        before = [len(loads.loaded) for loads in cluster.loads.values()]
        await server.stop()
        n1.permissions = None  # what was written down counts, though it may be heard first
        server = await cluster.serve()
        async with asyncio.timeout(30 * PATIENCE):
            while "declares other" not in str((await nodes(server)).get("n1")):
                await asyncio.sleep(0.05)
        assert {await cluster.called(service) for _ in range(4)} <= {"n2", "n3"}
        assert [len(loads.loaded) for loads in cluster.loads.values()] == before
        assert await asyncio.to_thread(run, ["service", "delete", "greeter", "--global"]) == 0
        await cluster.serves({})
        await server.stop()  # before its nodes go


async def test_a_session_of_a_bundle_that_was_sent_runs_on_a_node_with_its_variables(
    site: Any, node: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main.py").write_text(REAL)
    await started(node)
    loads = node.placement.supervisor.deployed
    async with site.node(node.placement, loads), site.server() as server:
        monkeypatch.setenv("BULKHEAD_URL", server.url)
        file = str(tmp_path / "main.py")
        words = ["deploy", file, "--name", "greeter", "--env", "GREETING=world"]
        out, _ = await typed(capsys, *words)
        service = out.splitlines()[-1].split()[2]
        call = {"event": "room.call", "data": {"room_name": "r"}}
        called = json.loads(await asked(server, path_of(service, "/greet") + "?wait=ready", call))
        at = f"/workers/{called['session']}"
        assert json.loads(await asked(server, at))["node"] == "local"
        async with asyncio.timeout(30 * PATIENCE):
            while not (lines := json.loads(await asked(server, f"{at}/logs"))["lines"]):
                await asyncio.sleep(0.05)  # it is read a moment after the session is ready
        assert [line["text"] for line in lines] == ["hello world"]
