"""Drive LiveKit's process pool: one command per line on standard input, one JSON answer per line.

Runs in the rival's own virtual environment and imports nothing of ours.  ``start`` starts a job and answers
with milliseconds until its entry point ran; ``storm N`` starts N at once; ``memory N`` measures N idle
processes; ``relay N`` measures its message channel.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time

SOCKET = os.environ.setdefault("BENCH_SOCKET", f"{tempfile.gettempdir()}/bench-rival-{os.getpid()}")
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def prewarm(process):
    """What the agent of every contender imports."""
    for name in ("openai.resources", "opentelemetry.sdk.trace", "pydantic"):
        importlib.import_module(name)


async def entry(context):
    """A job: say that it runs, then wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.sendto(f"{context.job.id} {os.getpid()}".encode(), SOCKET)
    await asyncio.Event().wait()


class Driver:
    """The pool and the jobs that reported."""

    def __init__(self, idle, preload):
        import rival_livekit
        from livekit.agents.ipc.proc_pool import ProcPool
        from livekit.agents.job import JobExecutorType

        loop = asyncio.get_running_loop()
        self.idle = idle
        context = multiprocessing.get_context("forkserver")
        # What its AgentServer sets by default, and with `preload_modules` what an agent can add.
        modules = ["livekit.agents.ipc._preload", "livekit.agents.ipc._preload_freeze"]
        own = ["openai.resources", "opentelemetry.sdk.trace", "pydantic", "rival_livekit"]
        own += ["livekit.agents.ipc.job_proc_lazy_main"]
        context.set_forkserver_preload(own + modules if preload else modules)
        self.pool = ProcPool(
            initialize_process_fnc=rival_livekit.prewarm,
            job_entrypoint_fnc=rival_livekit.entry,
            session_end_fnc=None,
            simulation_end_fnc=None,
            num_idle_processes=idle,
            initialize_timeout=60.0,
            close_timeout=10.0,
            session_end_timeout=300.0,
            inference_executor=None,
            job_executor_type=JobExecutorType.PROCESS,
            mp_ctx=context,
            memory_warn_mb=1000,
            memory_limit_mb=0,
            http_proxy=None,
            loop=loop,
        )
        self.reported = {}
        self.pids = {}
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(SOCKET)
        self.socket.setblocking(False)
        loop.add_reader(self.socket, self._heard)

    def _heard(self):
        job, pid = self.socket.recv(200).decode().split()
        self.pids[job] = int(pid)
        future = self.reported.get(job)
        if future is not None and not future.done():
            future.set_result(time.perf_counter())

    def job(self):
        from livekit.agents.job import JobAcceptArguments, RunningJobInfo
        from livekit.agents.utils import shortuuid
        from livekit.protocol import agent, models

        room = models.Room(sid="RM_bench", name="bench")
        made = RunningJobInfo(
            accept_arguments=JobAcceptArguments(name="", identity="bench", metadata=""),
            job=agent.Job(id=shortuuid("job-"), room=room, type=agent.JobType.JT_ROOM),
            url="ws://127.0.0.1:9",
            token="t",
            worker_id="w",
            fake_job=False,
        )
        self.reported[made.job.id] = asyncio.get_running_loop().create_future()
        return made

    async def until_warm(self, count):
        while self.pool._warmed_proc_queue.qsize() < count:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0.02)

    async def start(self):
        await self.until_warm(self.idle)
        await asyncio.sleep(0.05)
        job = self.job()
        began = time.perf_counter()
        await self.pool.launch_job(job)
        took_ms = (await self.reported[job.job.id] - began) * 1000
        await self.pool.get_by_job_id(job.job.id).kill()
        return took_ms

    async def storm(self, count):
        await self.until_warm(self.idle)
        jobs = [self.job() for _ in range(count)]
        began = time.perf_counter()
        launched = [asyncio.ensure_future(self.pool.launch_job(job)) for job in jobs]
        ready = [self.reported[job.job.id] for job in jobs]
        await asyncio.wait(ready, timeout=180)
        done = [one.result() - began for one in ready if one.done()]
        del launched
        return {"all_s": max(done, default=0.0), "ready": len(done)}

    async def memory(self, count):
        import psutil

        self.pool._default_num_idle_processes = self.pool._target_idle_processes = count
        await self.until_warm(count)
        await asyncio.sleep(1)
        pids = [process.pid for process in self.pool.processes][:count]
        before = [_use(pid) for pid in pids]
        await asyncio.sleep(3)
        after = [_use(pid) for pid in pids]
        uss = [psutil.Process(pid).memory_full_info().uss for pid in pids]
        pairs = list(zip(before, after, strict=True))
        return {
            "uss_mib": sorted(uss)[len(uss) // 2] / 2**20,
            "cpu_percent": 100 * sum(b[0] - a[0] for a, b in pairs) / 3 / len(pids),
            "wakeups_per_s": sum(b[1] - a[1] for a, b in pairs) / 3 / len(pids),
        }


def _use(pid):
    """Processor seconds and voluntary switches of every thread."""
    cpu_ns = switches = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            cpu_ns += int(file.read().split()[0])
        with open(f"/proc/{pid}/task/{task}/status") as file:
            switches += sum(int(line.split()[1]) for line in file if line.startswith("voluntary"))
    return cpu_ns / 1e9, switches


async def relay(rounds, count):
    """Its duplex and message format between two processes."""
    from livekit.agents.ipc import channel, proto
    from livekit.agents.utils.aio import duplex_unix

    message = proto.InferenceRequest(method="m", request_id="1", data=b"x" * 1024)
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        # A fresh interpreter's loop: this one belongs to the parent.
        asyncio.events._set_running_loop(None)

        async def echo():
            duplex = await duplex_unix._AsyncDuplex.open(theirs)
            for _ in range(rounds):
                await channel.asend_message(duplex, await channel.arecv_message(duplex, proto.IPC_MESSAGES))
            for _ in range(count):
                await channel.arecv_message(duplex, proto.IPC_MESSAGES)
            await channel.asend_message(duplex, message)
            await asyncio.sleep(0.1)

        ours.close()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(echo())
        os._exit(0)
    theirs.close()
    duplex = await duplex_unix._AsyncDuplex.open(ours)
    trips = []
    for _ in range(rounds):
        began = time.perf_counter()
        await channel.asend_message(duplex, message)
        await channel.arecv_message(duplex, proto.IPC_MESSAGES)
        trips.append((time.perf_counter() - began) * 1e6)
    began = time.perf_counter()
    for _ in range(count):
        await channel.asend_message(duplex, message)
    await channel.arecv_message(duplex, proto.IPC_MESSAGES)
    per_s = count / (time.perf_counter() - began)
    os.wait()  # noqa: ASYNC222 - the child ends at once
    return {"trip_us": sorted(trips)[len(trips) // 2], "per_s": per_s}


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", type=int, default=2)
    parser.add_argument("--preload", action="store_true")
    parser.add_argument("--no-pool", action="store_true")
    options = parser.parse_args()
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    driver = None
    if not options.no_pool:
        driver = Driver(options.idle, options.preload)
        await driver.pool.start()
        await driver.until_warm(options.idle)
    print(json.dumps("up"), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, *numbers = line.split()
        numbers = [int(number) for number in numbers]
        if command == "relay":
            answer = await relay(*numbers)
        else:
            answer = await getattr(driver, command)(*numbers)
        print(json.dumps(answer), flush=True)
    if driver is not None:
        for process in list(driver.pool.processes):
            if process.pid:
                os.kill(process.pid, signal.SIGKILL)
        os.unlink(SOCKET)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
