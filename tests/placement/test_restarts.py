"""Restarts, quarantine, the start queue and the ledger, with real processes behind a real front."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.front.server import Server
from runtime.session.record import SessionRecord
from runtime.settings import load_settings
from tests.patience import PATIENCE
from tests.placement.conftest import Node

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

Within = Callable[[float, Awaitable[Any]], Awaitable[Any]]
QUICK = {"restart_first_s": 0.05, "restart_most_s": 0.1}

CRASHES = """
    @service.path("/x", identity="x", restart="on_failure")
    class X(Base):
        async def start(self, *, room):
            if getattr(self, "arguments", {}).get("poison"):
                os.kill(os.getpid(), signal.SIGSEGV)
            self.room = room

    @service.path("/never", identity="never", restart="never")
    class Never(X):
        pass

    @service.path("/sibling", identity="sibling")
    class Sibling(Base):
        pass
"""


class Front:
    """A server in this process with bundles of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
        payload = b"" if body is None else json.dumps(body).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.front.port)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
        writer.write(head.encode() + payload)
        raw = await reader.read()
        writer.close()
        await writer.wait_closed()
        top, _, content = raw.partition(b"\r\n\r\n")
        first, *lines = top.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        is_json = "json" in headers.get("content-type", "")
        return int(first.split()[1]), headers, json.loads(content) if is_json else content.decode()

    async def post(self, path: str, *, room: str = "r", **arguments: Any) -> tuple[int, dict[str, str], Any]:
        data = {"room_name": room} | ({"arguments": arguments} if arguments else {})
        return await self.ask("POST", path, {"event": "room.call", "data": data})

    async def call(self, path: str, *, room: str = "r", **arguments: Any) -> str:
        status, _, answer = await self.post(path, room=room, **arguments)
        async with asyncio.timeout(30 * PATIENCE):
            while status == 503 and answer["type"].endswith("bundle_loading"):  # "call again in a moment"
                status, _, answer = await self.post(path, room=room, **arguments)
        assert status == 200, answer
        return str(answer["session"])

    def record(self, session_id: str) -> SessionRecord:
        return self.server.front.registry.record(session_id)

    async def until(self, found: Callable[[], Any]) -> Any:
        registry = self.server.front.registry
        async with asyncio.timeout(30 * PATIENCE):
            while True:
                cursor = registry.feed.last
                if result := found():
                    return result
                await registry.news(cursor)

    async def ready(self, session_id: str, generation: int = 1) -> SessionRecord:
        record = self.record(session_id)
        await self.until(lambda: record.generation == generation and record.state == "ready")
        return record

    async def exited(self, session_id: str) -> SessionRecord:
        record = self.record(session_id)
        await self.until(lambda: record.exit is not None)
        return record

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [
            event.data for event in self.server.front.registry.feed.after(0, limit=5000) if event.kind == kind
        ]


@asynccontextmanager
async def serving(node: Node, state_dir: Path, body: str, **supervisor: Any) -> AsyncIterator[Front]:
    node.write("bundle.py", body)
    flags = {"server.port": 0, "server.state_dir": state_dir, "server.watch": False, "server.drain_s": 2.0}
    flags["supervisor.immortal"] = False
    given = {"stop_s": 2.0, "term_s": 0.5, **QUICK, **supervisor}
    flags |= {f"supervisor.{name}": value for name, value in given.items()}
    server = Server(load_settings(flags=flags), [node.folder], owns_process=False)
    await server.start()
    try:
        yield Front(server)
    finally:
        await server.stop()


async def test_a_crashed_session_runs_again_under_its_id_and_its_sibling_does_not_notice(
    node: Node, state_dir: Path
) -> None:
    async with serving(node, state_dir, CRASHES) as front:
        sibling = await front.ready(await front.call("/sibling"))
        sibling_pid = sibling.pid
        session_id = await front.call("/x")
        record = await front.ready(session_id)
        os.kill(record.pid or 0, signal.SIGKILL)
        await front.ready(session_id, generation=2)
        _, _, shown = await front.ask("GET", f"/workers/{session_id}")
        assert (shown["state"], shown["restarts"], shown["generation"]) == ("ready", 1, 2)
        assert shown["restart"]["policy"] == "on_failure"
        assert shown["restart"]["last_exit"]["signal"] == 9
        (told,) = front.told("session.restarting")
        assert (told["session"], told["attempt"], told["most"]) == (session_id, 1, 5)
        assert told["exit"]["reason"] == "signal"
        assert 0 < told["delay_s"] < 0.1
        assert (sibling.pid, sibling.generation, sibling.state) == (sibling_pid, 1, "ready")
        _, _, metrics = await front.ask("GET", "/metrics")
        assert 'bulkhead_session_restarts_total{endpoint="/x"} 1.0' in metrics


async def test_one_that_always_dies_is_given_up_and_says_so(node: Node, state_dir: Path) -> None:
    body = (
        CRASHES
        + """
    @service.path("/dies", identity="dies")
    class Dies(Base):
        async def start(self, *, room):
            os._exit(3)
    """
    )
    async with serving(node, state_dir, body, restart_intensity=2) as front:
        record = await front.exited(await front.call("/dies"))
        assert record.exit is not None
        assert record.exit.reason == "exit"
        assert "given up after 2 restarts within 60 s" in record.exit.message
        assert record.generation == 3
        never = await front.exited(await front.call("/never", poison=1))
        assert never.generation == 1


async def test_a_stopped_session_is_not_started_again_and_a_waiting_one_can_be_stopped(
    node: Node, state_dir: Path
) -> None:
    async with serving(node, state_dir, CRASHES, restart_first_s=600, restart_most_s=600) as front:
        stopped = await front.ready(await front.call("/x"))
        status, _, shown = await front.ask("DELETE", f"/workers/{stopped.spec.session_id}")
        assert (status, shown["exit"]["reason"]) == (200, "stopped")
        waiting = await front.ready(await front.call("/x"))
        os.kill(waiting.pid or 0, signal.SIGKILL)
        await front.until(lambda: waiting.restart_at is not None)
        assert (waiting.state, waiting.pid) == ("starting", None)
        status, _, shown = await front.ask("DELETE", f"/workers/{waiting.spec.session_id}")
        assert (status, shown["exit"]["reason"]) == (200, "stopped")
        assert "while it waited for its restart" in shown["exit"]["message"]


async def test_a_session_that_waited_for_its_restart_is_closed_by_a_drain(
    node: Node, state_dir: Path
) -> None:
    async with serving(node, state_dir, CRASHES, restart_first_s=600, restart_most_s=600) as front:
        waiting = await front.ready(await front.call("/x"))
        os.kill(waiting.pid or 0, signal.SIGKILL)
        await front.until(lambda: waiting.restart_at is not None)
    assert waiting.exit is not None
    assert waiting.exit.reason == "drained"


async def test_an_input_that_kills_three_times_is_parked_until_it_is_released(
    node: Node, state_dir: Path
) -> None:
    async with serving(node, state_dir, CRASHES) as front:
        record = await front.exited(await front.call("/x", poison=1))
        assert record.exit is not None
        assert (record.exit.reason, record.generation) == ("quarantined", 3)
        assert "SIGSEGV" in record.exit.message
        assert "bulkhead quarantine release" in record.exit.message
        status, headers, problem = await front.post("/x", poison=1)
        assert (status, problem["type"]) == (409, "urn:bulkhead:problem:quarantined")
        assert "retry-after" not in headers
        await front.ready(await front.call("/x", poison=0))
        await front.ready(await front.call("/x"))
        (told,) = front.told("quarantine.parked")
    async with serving(node, state_dir, CRASHES) as front:  # it stays parked over a restart of the server
        assert (await front.post("/x", poison=1))[0] == 409
        _, _, listed = await front.ask("GET", "/quarantine")
        (parked,) = listed["inputs"]
        assert (parked["hash"], parked["endpoint"], parked["deaths"]) == (told["hash"], "/x", 3)
        status, _, _ = await front.ask("DELETE", f"/quarantine/{parked['hash']}")
        assert status == 200
        assert (await front.ask("DELETE", f"/quarantine/{parked['hash']}"))[0] == 404
        assert (await front.post("/x", poison=1))[0] == 200


async def test_the_log_goes_on_over_an_attempt(node: Node, state_dir: Path) -> None:
    body = """
    @service.path("/talks", identity="talks")
    class Talks(Base):
        async def start(self, *, room):
            print("attempt of", os.getpid(), flush=True)
    """
    async with serving(node, state_dir, body) as front:
        session_id = await front.call("/talks")
        pids = []
        for generation in (1, 2):
            record = await front.ready(session_id, generation)
            pids.append(record.pid)
            if generation == 1:
                os.kill(record.pid or 0, signal.SIGKILL)
        wanted = [f"attempt of {pid}" for pid in pids]
        async with asyncio.timeout(10 * PATIENCE):
            while True:
                _, _, log = await front.ask("GET", f"/workers/{session_id}/logs")
                said = [line["text"] for line in log["lines"] if line["text"].startswith("attempt")]
                if len(said) == 2:
                    break
        assert said == wanted
        seqs = [line["seq"] for line in log["lines"]]
        assert seqs == sorted(set(seqs))


async def test_a_storm_is_accepted_whole_becomes_ready_and_leaves_the_front_awake(
    node: Node, state_dir: Path, within: Within
) -> None:
    count = 60
    async with serving(node, state_dir, CRASHES, max_starting=4, max_parked=0) as front:
        storm = await within(
            30, asyncio.gather(*(front.call("/sibling", room=f"r{n}") for n in range(count)))
        )
        sessions = [front.record(session_id) for session_id in storm]
        assert (await front.ask("GET", "/livez"))[0] == 200
        _, _, health = await front.ask("GET", "/healthz?verbose")
        assert health["admission"]["queued"] > 0  # answered while the storm is still going on
        assert health["admission"]["headroom_bytes"] > 0
        other = await front.ready(await front.call("/x", room="other"))
        assert any(record.ready_at is None for record in sessions)  # another endpoint does not wait for all
        await within(60, front.until(lambda: all(record.state == "ready" for record in sessions)))
        assert other.state == "ready"
        starts = sorted(sessions, key=lambda record: record.started_at or 0)
        assert [r.spec.accepted_at for r in starts[8:]] == sorted(r.spec.accepted_at for r in starts[8:])


async def test_an_endpoint_runs_no_more_sessions_than_it_says(node: Node, state_dir: Path) -> None:
    body = """
    @service.path("/one", identity="one", concurrency=1)
    class One(Base):
        pass
    """
    async with serving(node, state_dir, body) as front:
        first = await front.call("/one")
        status, headers, problem = await front.post("/one")
        assert (status, problem["type"]) == (429, "urn:bulkhead:problem:endpoint_busy")
        assert int(headers["retry-after"]) > 0
        await front.ready(first)
        await front.ask("DELETE", f"/workers/{first}")
        await front.ready(await front.call("/one"))


async def test_what_the_ledger_says_is_what_the_system_counted(node: Node, state_dir: Path) -> None:
    body = """
    @service.path("/burn", identity="burn", restart="never")
    class Burn(Base):
        async def start(self, *, room):
            from runtime.sdk.meter import meter
            meter.add(turns=2, tokens_in=1200, tokens_out=30)
            end = time.process_time() + getattr(self, "arguments", {}).get("s", 0)
            while time.process_time() < end:
                pass
            print("x" * 5000)
            usage = __import__("resource").getrusage(__import__("resource").RUSAGE_SELF)
            print("used", usage.ru_utime + usage.ru_stime, flush=True)
    """
    async with serving(node, state_dir, body) as front:
        ids = [await front.call("/burn", s=seconds, room=f"room-{seconds}") for seconds in (0.4, 0.8)]
        counted = 0.0
        for session_id in ids:
            await front.ready(session_id)
            lines: list[str] = []
            while not lines:
                _, _, log = await front.ask("GET", f"/workers/{session_id}/logs")
                lines = [line["text"] for line in log["lines"] if line["text"].startswith("used")]
            counted += float(lines[0].split()[1])
            await front.ask("DELETE", f"/workers/{session_id}")
        _, _, usage = await front.ask("GET", "/usage?by=identity&since=1h")
        (row,) = usage["rows"]
        assert (row["identity"], row["sessions"], row["turns"]) == ("burn", 2, 4)
        assert (row["tokens_in"], row["tokens_out"]) == (2400, 60)
        assert row["cpu_s"] == pytest.approx(counted, rel=0.05, abs=0.06)  # leaving costs a little too
        assert row["memory_gib_s"] > 0
        assert row["peak_bytes"] > 1 << 20
        assert row["log_bytes"] >= 10_000
        _, _, by_room = await front.ask("GET", "/usage?by=room")
        assert [one["room"] for one in by_room["rows"]] == ["room-0.8", "room-0.4"]
        _, _, by_session = await front.ask("GET", "/usage?by=session")
        assert {one["session"] for one in by_session["rows"]} == set(ids)
        assert by_session["total"] == by_room["total"] == usage["total"]
        assert (await front.ask("GET", "/usage?by=mood"))[0] == 400
        assert (await front.ask("GET", "/usage?since=tomorrow"))[0] == 400
        _, _, metrics = await front.ask("GET", "/metrics")
        assert 'bulkhead_session_input_tokens_total{endpoint="/burn"} 2400.0' in metrics
