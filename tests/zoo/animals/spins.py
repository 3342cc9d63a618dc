"""A loop that never ends and never waits."""

import asyncio

from runtime.sdk import ServiceHost

EXPECTED = "hang"
LINE = "in misbehave"

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        while True:
            pass


asyncio.run(service.run())
