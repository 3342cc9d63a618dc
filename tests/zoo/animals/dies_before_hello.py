"""Each process forked from its zygote ends before it can say anything."""

import asyncio
import os

from runtime.sdk import ServiceHost

EXPECTED = "exit"

os.register_at_fork(after_in_child=lambda: os._exit(9))

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None: ...

    async def stop(self) -> None: ...


asyncio.run(service.run())
