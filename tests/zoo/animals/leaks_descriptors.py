"""It opens files and never closes one."""

import asyncio
import os

from runtime.sdk import Limits, ServiceHost

EXPECTED = "files"

service = ServiceHost()


@service.path("/victim", identity="victim", limits=Limits(files=64))
class Victim:
    async def start(self, *, room: object) -> None:
        self.task = asyncio.create_task(self.misbehave())

    async def stop(self) -> None: ...

    async def misbehave(self) -> None:
        held = []
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))


asyncio.run(service.run())
