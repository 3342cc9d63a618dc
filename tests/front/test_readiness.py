"""Ready when what can be served is served; what is broken or being loaded is named, and holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.front import readiness
from runtime.front.server import Server
from runtime.session.info import BundleInfo
from runtime.settings import load_settings
from tests.fakes import FakePlacement, endpoint
from tests.front.conftest import Site
from tests.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

AGENT = """
import asyncio, time
from meshagent.api.services import ServiceHost
service = ServiceHost()
{before}
@service.path("/{name}", identity="{name}")
class X:
    async def start(self, *, room): pass
    async def stop(self): pass
asyncio.run(service.run())
"""
GATE = "import os\nwhile not os.path.exists({!r}): time.sleep(0.02)"


def bundle(name: str, state: str, error: str = "") -> BundleInfo:
    return BundleInfo(name=name, source=f"{name}.py", generation=0, state=state, error=error)


Real = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def real(tmp_path: Path) -> Real:
    """A server with real bundles: ``async with real(name=what its program does first)``."""

    @asynccontextmanager
    async def serve(room: str = "", **programs: str) -> AsyncIterator[Site]:
        agents = tmp_path / "agents"
        agents.mkdir(exist_ok=True)
        for name, before in programs.items():
            (agents / f"{name}.py").write_text(AGENT.format(name=name, before=before))
        flags = {"server.port": 0, "server.state_dir": tmp_path / "state", "server.room": room}
        flags["supervisor.immortal"] = False
        server = Server(load_settings(flags=flags), [agents], owns_process=False)
        await server.start()
        try:
            yield Site(server, server.front.placement, server.front.port)  # type: ignore[arg-type]
        finally:
            await server.stop()

    return serve


async def until_ready(site: Site) -> dict[str, Any]:
    async with asyncio.timeout(30 * PATIENCE):
        while (answer := await site.get("/readyz")).status != 200:
            await asyncio.sleep(0.05)
    return dict(answer.json)


async def test_a_bundle_that_takes_long_holds_up_nobody_and_is_named(real: Real, tmp_path: Path) -> None:
    async with real(room="r", quick="", slow=GATE.format(str(tmp_path / "open"))) as site:
        with pytest.MonkeyPatch.context() as patient:
            patient.setattr(readiness, "WAIT_S", 30.0 * PATIENCE)
            assert (await site.post("/quick")).status == 200  # waited for while it is loaded itself
        async with asyncio.timeout(20 * PATIENCE):
            while not any(one.spec.endpoint == "/quick" for one in site.server.front.registry.live()):
                await asyncio.sleep(0.05)  # called into the room by itself
        told = await until_ready(site)
        assert told == {"status": "degraded", "bundles": {"slow": "loading"}}
        refused = await site.post("/slow")
        assert (refused.status, refused.headers["retry-after"]) == (503, "2")
        assert "slow is still being loaded" in refused.json["detail"]
        (tmp_path / "open").touch()
        with pytest.MonkeyPatch.context() as patient:
            patient.setattr(readiness, "WAIT_S", 30.0 * PATIENCE)
            assert (await site.post("/slow")).status == 200
        assert (await until_ready(site)) == {"status": "ok"}


async def test_quick_bundles_are_ready_together(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as site:
        site.placement.listed_bundles = [bundle("slow", "loading")]
        waiting = await site.get("/readyz")
        assert (waiting.status, waiting.json["reasons"]) == (503, ["slow is being loaded"])
        monkeypatch.setattr(readiness, "TOGETHER_S", 0.0)
        assert (await site.get("/readyz")).status == 200


async def test_a_server_that_serves_nothing_is_not_ready_and_says_why(
    serving: Any, real: Real, tmp_path: Path
) -> None:
    async with serving(FakePlacement(listed=[])) as site:
        assert (await site.get("/readyz")).status == 200  # a server of rooms alone was never to have any
    (tmp_path / "agents").mkdir()
    async with real() as site:
        empty = await site.get("/readyz")
        assert empty.status == 503
        assert str(tmp_path / "agents") in empty.json["reasons"][0]
        (tmp_path / "agents" / "late.py").write_text(AGENT.format(name="late", before=""))
        assert (await until_ready(site)) == {"status": "ok"}


async def test_a_server_of_nodes_without_one_says_that_no_machine_is_there(
    serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "WAIT_S", 0.0)
    async with serving(FakePlacement(listed=[], max_sessions=0)) as site:
        monkeypatch.setattr(site.placement, "awaits", lambda path: True)
        ready = await site.get("/readyz")
        assert (ready.status, "no machine is there" in ready.json["reasons"][0]) == (503, True)
        called = await site.post("/chat")
        assert (called.status, called.headers["retry-after"]) == (503, "2")
        assert "bulkhead node" in called.json["detail"]


async def test_one_broken_bundle_of_two_is_named_with_its_line_everywhere(real: Real) -> None:
    async with real(good="", broken="x = (") as site:
        await site.server.loaded()
        ready = await site.get("/readyz")
        assert (ready.status, ready.json["status"]) == (200, "degraded")
        health = (await site.get("/healthz?verbose")).json
        assert health["status"] == "degraded"
        called = await site.post("/broken")
        assert (called.status, called.headers["retry-after"]) == (503, "5")
        other = await site.post("/other")
        assert other.status == 404
        for told in (ready.json["bundles"]["broken"], health["bundles"]["broken"], called.json["detail"]):
            assert "broken.py:" in told
            assert "Mend that line" in told
        assert "broken.py:" in other.json["detail"]
        assert other.json["detail"].endswith("Known paths: /good")


async def test_all_broken_is_not_ready(real: Real) -> None:
    async with real(one="x = (", two="raise ValueError('no key')") as site:
        await site.server.loaded()
        answer = await site.get("/readyz")
        assert answer.status == 503
        assert "one.py:" in answer.json["reasons"][0]
        assert "no key" in answer.json["reasons"][1]
        far = await site.get("/readyz", X_Forwarded_For="203.0.113.7")
        assert far.json["reasons"] == ["one cannot be loaded", "two cannot be loaded"]
        (Path(site.server.front.placement.bundles()[0].source)).write_text(
            AGENT.format(name="one", before="")
        )
        assert (await until_ready(site))["status"] == "degraded"


async def test_what_the_journal_holds_starts_when_its_own_bundle_is_loaded(
    real: Real, tmp_path: Path
) -> None:
    gate = tmp_path / "open"
    gate.touch()
    async with real(quick="", slow=GATE.format(str(gate))) as site:
        await site.server.loaded()
        front = site.server.front
        front.placement.place = _never  # type: ignore[method-assign]
        for path in ("/quick", "/slow"):
            assert (await site.post(path)).status == 200
        accepted = {one.spec.session_id: one.spec.endpoint for one in front.registry.live()}
        assert len(accepted) == 2
        site.server.front.dispatcher.drain = _nothing  # type: ignore[method-assign]
    gate.unlink()
    async with real() as site:
        states = {endpoint: session for session, endpoint in accepted.items()}
        registry = site.server.front.registry
        await registry.wait(states["/quick"], until="settled", timeout_s=20 * PATIENCE)
        assert registry.record(states["/quick"]).state == "ready"
        assert registry.record(states["/slow"]).state == "accepted"
        assert site.server.front.dispatcher.launcher.queued == 1
        gate.touch()
        await registry.wait(states["/slow"], until="settled", timeout_s=20 * PATIENCE)
        assert registry.record(states["/slow"]).state == "ready"


async def _never(*_: Any) -> None:
    """Written down, and then the server ends."""


async def _nothing(*_: Any) -> None: ...


async def test_of_two_that_claim_a_path_the_one_that_has_it_is_called(serving: Any) -> None:
    listed = [endpoint("/x", state="failed", error="claimed by two"), endpoint("/x")]
    async with serving(FakePlacement(listed=listed)) as site:
        assert (await site.post("/x")).status == 200
