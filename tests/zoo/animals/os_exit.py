"""It leaves without a word, and with a status that looks like a signal's."""

import asyncio
import os

from runtime.sdk import ServiceHost

EXPECTED = "exit"

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        os._exit(139)


asyncio.run(service.run())
