"""Another bundle, whose code and keys are no business of the first one's."""

import asyncio

from runtime.sdk import ServiceHost

service = ServiceHost()


@service.path("/other", identity="other")
class Other:
    async def start(self, *, room): ...

    async def stop(self): ...


asyncio.run(service.run())
