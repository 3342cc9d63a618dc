"""It takes some 200 MB a second."""

import asyncio
import time

from runtime.sdk import Limits, ServiceHost

EXPECTED = "memory"
LINE = "in misbehave"

service = ServiceHost()


@service.path("/victim", identity="victim", limits=Limits(memory="150MiB"))
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        held = []
        while True:
            held.append(b"x" * (2 << 20))
            time.sleep(0.01)


asyncio.run(service.run())
