"""Flow e, the person's side: talks to every echo in the room, then sends them away."""

from sdk import enable, join, run, until


async def main(work):
    async with join(work["url"], work["ada"]) as ada:
        heard = []
        ada.messaging.on("message", lambda message: heard.append(message))
        await enable(ada)

        def echoes():
            return [p for p in ada.messaging.get_participants() if p.get_attribute("name") == work["name"]]

        if url := work.get("call"):
            for _ in range(work["count"]):
                await ada.agents.make_call(name=work["name"], url=url, arguments={})
        await until(lambda: len(echoes()) == work["count"], f"{work['count']} in the room")
        for number, echo in enumerate(echoes()):
            await ada.messaging.send_message(to=echo, type="say", message={"n": number})
        await until(lambda: len(heard) == work["count"], "they answer")
        assert sorted(message.message["again"]["n"] for message in heard) == list(range(work["count"]))
        assert {message.message["me"] for message in heard} == {work["name"]}
        if work.get("stay"):
            return
        for echo in echoes():
            await ada.messaging.send_message(to=echo, type="dismiss", message={})
        await until(lambda: not echoes(), "they left")


run(main)
