"""It prints as fast as it can, for seconds."""

import asyncio
import time

from runtime.sdk import ServiceHost

EXPECTED = "stopped"
ASK_TO_STOP = True
AFTER_S = 2.5
DROPS_LINES = True

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            for _ in range(1000):
                print("a line of a flood of lines " * 8)
            await asyncio.sleep(0)
        print("flooded", flush=True)


asyncio.run(service.run())
