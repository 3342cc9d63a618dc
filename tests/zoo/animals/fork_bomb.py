"""Processes that fork processes that fork processes."""

import asyncio
import mmap
import os
import time

from runtime.sdk import Limits, ServiceHost

EXPECTED = "pids"

service = ServiceHost()


@service.path("/victim", identity="victim", limits=Limits(pids=40))
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        forks = mmap.mmap(-1, 4096)  # shared by all: each fork is a byte
        while True:
            made = forks[:].count(1)
            if made >= 900:
                time.sleep(0.1)  # a seat belt for the machine that runs the tests
            else:
                forks[made] = 1
                os.fork()


asyncio.run(service.run())
