"""A blocking call in a coroutine: its event loop never turns again."""

import asyncio
import time

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
        time.sleep(3600)


asyncio.run(service.run())
