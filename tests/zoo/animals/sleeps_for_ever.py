"""Its start waits for something that never comes."""

import asyncio

from runtime.sdk import ServiceHost

EXPECTED = "start_error"

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None: ...


asyncio.run(service.run())
