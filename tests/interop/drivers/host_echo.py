"""A service for the SDK's own host: it answers every message, and says what it knows of itself."""

import asyncio
import os

from meshagent.agents import SingleRoomAgent
from meshagent.api.services import ServiceHost
from sdk import enable

service = ServiceHost(webhook_secret=os.environ.get("MESHAGENT_WEBHOOK_SECRET"))


@service.path(path="/echo", identity="echo")
class Echo(SingleRoomAgent):
    def __init__(self):
        super().__init__(name="echo", title="Echo", description="says it again")

    async def start(self, *, room):
        await super().start(room=room)
        room.messaging.on("message", self.heard)
        await enable(room)

    def heard(self, message):
        asker = self.room.messaging.get_participant(message.from_participant_id)
        if asker is not None and message.type == "say":
            again = {"again": message.message, "me": self.room.local_participant.get_attribute("name")}
            self.room.messaging.send_message_nowait(to=asker, type="echo", message=again)


asyncio.run(service.run())
