"""The neighbour: answers each message with the same message."""

import asyncio

from runtime.sdk import RoomMessage, ServiceHost

service = ServiceHost()


@service.path("/sibling", identity="sibling")
class Sibling:
    async def start(self, *, room):
        self.room = room
        room.messaging.on("message", self.answer)
        await room.messaging.enable()

    async def stop(self): ...

    def answer(self, message: RoomMessage) -> None:
        self.room.messaging.send_message_nowait(
            to=message.from_participant_id, type="answer", message=message.message
        )


asyncio.run(service.run())
