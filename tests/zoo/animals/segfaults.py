"""It reads through a null pointer."""

import asyncio
import ctypes

from runtime.sdk import ServiceHost

EXPECTED = "signal"
LINE = "in misbehave"

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        ctypes.string_at(0)


asyncio.run(service.run())
