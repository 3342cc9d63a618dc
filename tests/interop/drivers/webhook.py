"""Flow e, the other way: the SDK's send_webhook calls an agent of ours into our room."""

import aiohttp
from sdk import failure, join, run, until
from tasks import ask


async def main(work):
    from meshagent.api.services import send_webhook

    data = {"room_name": work["room"], "room_url": work["url"], "token": work["adder"], "arguments": {}}
    call = {"url": work["endpoint"], "event": "room.call", "data": data}
    async with aiohttp.ClientSession() as session:
        if work["secret"]:
            assert "401" in await failure(send_webhook(session, **call))
            assert "401" in await failure(
                send_webhook(session, **call, secret="another secret, just as long as it")
            )
        await send_webhook(session, **call, secret=work["secret"] or None)
    async with join(work["url"], work["ada"]) as ada:
        answers = []

        async def answered():
            try:
                answers.append(await ask(ada, "adder", {"a": 2, "b": 40}))
            except Exception:  # noqa: BLE001 - not there yet
                return False
            return True

        for _ in range(100):
            if await answered():
                break
            import asyncio

            await asyncio.sleep(0.1)
        await until(lambda: answers == [{"sum": 42}], str(answers))


if __name__ == "__main__":
    run(main)
