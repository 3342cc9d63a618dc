"""Flow a: refusals, presence, attributes, direct messages and broadcasts with attachments, in order."""

import aiohttp
from sdk import enable, failure, join, person, run, until


async def main(work):
    async with aiohttp.ClientSession() as session:
        assert "403" in await failure(session.ws_connect(f"{work['url']}?token=nonsense"))
    async with join(work["url"], work["ada"]) as ada:
        assert ada.local_participant.get_attribute("name") == "ada"
        heard, joined, changed, left = [], [], [], []
        ada.messaging.on("message", lambda message: heard.append(message))
        ada.messaging.on("participant_added", lambda participant: joined.append(participant.id))
        ada.messaging.on("participant_attributes_updated", lambda **kwargs: changed.append(kwargs))
        ada.messaging.on("participant_removed", lambda participant: left.append(participant.id))
        await enable(ada)
        async with join(work["url"], work["bob"]) as bob:
            to_bob = []
            bob.messaging.on("message", lambda message: to_bob.append(message))
            await enable(bob)
            seen = await until(lambda: person(ada, "bob"), "ada sees bob")
            other = await until(lambda: person(bob, "ada"), "bob sees ada")
            assert (seen.id, seen.role) == (bob.local_participant.id, "agent"), seen.role
            assert (other.id, other.role) == (ada.local_participant.id, "user"), other.role
            await bob.local_participant.set_attribute("mood", "calm")
            await until(lambda: person(ada, "bob").get_attribute("mood") == "calm", "the attribute")
            for number in range(30):
                await bob.messaging.send_message(
                    to=other, type="note", message={"n": number}, attachment=bytes([number]) * 3000
                )
            await until(lambda: len(heard) == 30, "thirty messages")
            assert [message.message["n"] for message in heard] == list(range(30))
            assert all(message.attachment == bytes([n]) * 3000 for n, message in enumerate(heard))
            assert {message.from_participant_id for message in heard} == {seen.id}
            await ada.messaging.broadcast_message(type="all", message={"x": "ü"}, attachment=b"!")
            await until(lambda: to_bob, "the broadcast")
            assert (to_bob[0].type, to_bob[0].message, to_bob[0].attachment) == ("all", {"x": "ü"}, b"!")
            assert len(heard) == 30, "a broadcast does not come back"
        await until(lambda: person(ada, "bob") is None, "bob is gone")
        assert joined == [seen.id], joined
        assert left == [seen.id], left


run(main)
