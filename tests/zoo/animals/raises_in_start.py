"""Its start raises."""

import asyncio

from runtime.sdk import ServiceHost

EXPECTED = "start_error"
LINE = "in start"

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None:
        raise LookupError("nothing is configured")

    async def stop(self) -> None: ...


asyncio.run(service.run())
