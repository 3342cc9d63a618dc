"""A healthy agent, and one whose sessions attack when they are told to."""

import asyncio

from runtime.sdk import ServiceHost

service = ServiceHost()


class Quiet:
    async def start(self, *, room): ...

    async def stop(self): ...


@service.path("/attacker", identity="attacker")
class Attacker(Quiet): ...


@service.path("/sibling", identity="sibling")
class Sibling(Quiet): ...


asyncio.run(service.run())
