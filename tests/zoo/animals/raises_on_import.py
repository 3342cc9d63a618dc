"""Its file cannot be imported."""

import asyncio

from runtime.sdk import ServiceHost

EXPECTED = "import_error"

raise LookupError("no key in the environment")

service = ServiceHost()


@service.path("/victim", identity="victim")
class Victim:
    async def start(self, *, room: object) -> None: ...

    async def stop(self) -> None: ...


asyncio.run(service.run())
