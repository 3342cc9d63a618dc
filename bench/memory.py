"""Idle sessions in rooms: what each costs in memory and processor time, and how many are really held."""

from __future__ import annotations

import asyncio
import statistics
import time

from bench import proc
from bench.bare_zygote import BareZygote
from bench.client import Client
from bench.report import Effort, Report, ratio
from bench.rival import rivals
from bench.server import RunningServer, running_server, signed_call

WATCH_S = 35.0  # longer than anything that is done from time to time
SETTLE_S = 10.0  # a session rests once it was looked at a few times
IN_FLIGHT = 32
TRIES = 60  # half a second apart
MIB = 1 << 20


def run(effort: Effort) -> list[Report]:
    """Sessions are added in steps, and the front is watched at each."""
    steps = (500, 2000, 5000) if not effort.quick else (50, 200)
    memory = Report("memory", "own memory (USS) of an idle session in a room, after a full collection", "MiB")
    idle = Report("idle", "processor time while nothing happens", "% of a core")
    knobs = {"supervisor__max_sessions": steps[-1] + 10, "supervisor__max_starting": 64}
    bare = _bare(20)
    held, wakeups, session_percent, front_percent = 0, 0.0, 0.0, dict[int, float]()
    with running_server(**knobs) as server:
        server.call(collect=True)
        free = proc.available_bytes()
        for step in steps:
            asyncio.run(_call(server, step - held - (1 if held == 0 else 0), held))
            time.sleep(SETTLE_S)
            held = len(server.workers())
            if step == steps[0]:
                pids = _pids(server)
                own, share = zip(*(proc.memory(pid) for pid in pids[-60:]), strict=True)
                ours = memory.times("bulkhead", (each / MIB for each in own))
                shared = statistics.median(share) / MIB
                session_percent, wakeups = _watch(pids[-60:])
            front_percent[held] = _watch([server.pid])[0]
            note = f"descriptors {proc.fds(server.pid)}"
            idle.value(f"front at {held} idle sessions", front_percent[held], note)
            if held < step:
                told = server.request("GET", "/healthz?verbose=true")[1].get("descriptors", {})
                why = told.get("warning") or "memory, or the machine, allowed no more"
                memory.notes.append(f"only {held} of {step} sessions were held: {why}")
                break
        each = (free - proc.available_bytes()) / held / MIB
        memory.notes.append(
            f"{held} sessions held, {each:.1f} MiB of the machine's memory each (PSS {shared:.1f}): "
            f"what was free has room for {int(free / MIB / each)}"
        )
    memory.value("bare zygote child", bare, "n=20")
    rival: dict[str, dict[str, float]] = {}
    pools = {"LiveKit": ("--idle", "2"), "LiveKit, preload_modules": ("--idle", "2", "--preload")}
    with rivals(**pools) as started:
        for name, pool in started.items():
            rival[name] = pool.ask("memory", 8 if effort.quick else 20)
            memory.value(name, rival[name]["uss_mib"], f"n={8 if effort.quick else 20}")
    idle.value("one idle session", session_percent, f"{wakeups:.3f} wake-ups/s")
    for name, found in rival.items():
        idle.value(name, found["cpu_percent"], f"{found['wakeups_per_s']:.0f} wake-ups/s")
    plain, preload = rival.get("LiveKit", {}), rival.get("LiveKit, preload_modules", {})
    memory.at_most("own memory of an idle session", ours, 2.0, "MiB")
    memory.at_least("less than LiveKit", ratio(plain.get("uss_mib"), ours), 4.5)
    memory.at_least("less than LiveKit with preload", ratio(preload.get("uss_mib"), ours), 4.5)
    memory.at_least("idle sessions really held", None if effort.quick else held, steps[-1], "sessions")
    idle.at_least("less than LiveKit", ratio(plain.get("cpu_percent"), session_percent), 20)
    idle.at_most("wake-ups of an idle session", wakeups * 30, 1, "in 30 s")
    for count, percent in ((500, 1), (2000, 2), (5000, 5)):
        idle.at_most(f"front at {count} idle sessions", front_percent.get(count), percent, "%")
    return [memory, idle]


async def _call(server: RunningServer, count: int, first: int) -> None:
    """Have sessions started, some at a time; fifty share a room."""
    client, slots, full = Client(server.port), asyncio.Semaphore(IN_FLIGHT), asyncio.Event()

    async def one(number: int) -> None:
        body, headers = signed_call(f"idle-{number // 50}", {"collect": True, "n": number})
        async with slots:
            for _ in range(TRIES):
                if full.is_set():
                    return
                status, _ = await client.post("/bench", body, headers | {"prefer": "wait=60"})
                if status == 200:
                    return
                await asyncio.sleep(0.5)
            full.set()  # no more fit, so nobody else has to find that out

    await asyncio.gather(*(one(first + number) for number in range(count)))


def _pids(server: RunningServer) -> list[int]:
    return [int(worker["pid"]) for worker in server.workers() if worker["pid"]]


def _watch(pids: list[int]) -> tuple[float, float]:
    """Percent of a core and wake-ups a second, per process."""
    before = [proc.use(pid) for pid in pids]
    began = time.perf_counter()
    time.sleep(WATCH_S)
    took_s = time.perf_counter() - began
    after = [proc.use(pid) for pid in pids]
    cpu_s = sum(b.cpu_s - a.cpu_s for a, b in zip(before, after, strict=True))
    wakeups = sum(b.wakeups - a.wakeups for a, b in zip(before, after, strict=True))
    return 100 * cpu_s / took_s / len(pids), wakeups / took_s / len(pids)


def _bare(count: int) -> float:
    zygote = BareZygote()
    pids = zygote.keep(count)
    time.sleep(1)
    own = statistics.median(proc.memory(pid)[0] for pid in pids) / MIB
    zygote.close()
    return own
