"""Flow g: files, links to them, queues, the developer log, a document of two, and what is refused by name."""

import asyncio
import json
from pathlib import Path

import aiohttp
from sdk import failure, join, run, takes, until

BLOB = bytes(range(256)) * 1200


async def upload(room, path, data):
    if hasattr(room.storage, "upload"):
        return await room.storage.upload(path=path, data=data, overwrite=True)
    handle = await room.storage.open(path=path, overwrite=True)
    for start in range(0, len(data), 50_000):
        await room.storage.write(handle=handle, data=data[start : start + 50_000])
    return await room.storage.close(handle=handle)


async def files(ada, bob):
    told = []
    bob.storage.on("file.updated", lambda **kwargs: told.append(kwargs["path"]))
    await upload(ada, "docs/big.bin", BLOB)
    await until(lambda: told == ["docs/big.bin"], "the event")
    assert (await bob.storage.download(path="docs/big.bin")).data == BLOB
    assert [entry.name for entry in await bob.storage.list(path="docs")] == ["big.bin"]
    url = await bob.storage.download_url(path="docs/big.bin")
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as answer:
            assert (answer.status, await answer.read()) == (200, BLOB)
        async with session.get(url.partition("?")[0]) as answer:
            assert answer.status == 403, "a file without its token"
    await ada.storage.delete("docs/big.bin")
    assert not await bob.storage.exists(path="docs/big.bin")
    assert await failure(bob.storage.download(path="docs/big.bin"))
    assert await failure(bob.storage.list(path="nowhere"))


async def queues(ada, bob):
    waiting = asyncio.create_task(bob.queues.receive(name="jobs", create=True, wait=True))
    await asyncio.sleep(0.1)
    for number in range(5):
        await ada.queues.send(name="jobs", create=True, message={"n": number})
    got = [await waiting] + [await bob.queues.receive(name="jobs", wait=False) for _ in range(4)]
    assert [message["n"] for message in got] == list(range(5)), got
    assert await bob.queues.receive(name="jobs", wait=False) is None


async def document(ada, bob, schema):
    more = {}
    if takes(ada.sync.open, "schema"):
        from meshagent.api.schema import MeshSchema

        more = {"schema": MeshSchema.from_json(schema)}
    else:
        await upload(ada, ".schemas/board.json", json.dumps(schema).encode())
    mine = await ada.sync.open(path="plan.board", create=True, **more)
    theirs = await bob.sync.open(path="plan.board", create=True, **more)
    mine.root.append_child("card", {"title": "from ada"})
    titles = lambda doc: [card.get_attribute("title") for card in doc.root.get_children()]  # noqa: E731
    await until(lambda: titles(theirs) == ["from ada"], "bob reads it")
    theirs.root.append_child("card", {"title": "from bob"})
    await until(lambda: titles(mine) == ["from ada", "from bob"], "ada reads it")
    await ada.sync.close(path="plan.board")
    await bob.sync.close(path="plan.board")
    again = await ada.sync.open(path="plan.board", create=False, **more)
    assert titles(again) == ["from ada", "from bob"]
    await ada.sync.close(path="plan.board")


async def main(work):
    schema = json.loads(Path(__file__).with_name("board_schema.json").read_text())
    async with join(work["url"], work["ada"]) as ada, join(work["url"], work["bob"]) as bob:
        await files(ada, bob)
        await queues(ada, bob)
        await document(ada, bob, schema)
        await ada.developer.log(type="interop", data={"x": 1})
        refused = await failure(ada.livekit.get_connection_info(breakout_room="aside"))
        assert "not supported by this server" in refused, refused
        assert not await ada.storage.exists(path="still there?"), "the connection goes on"


run(main)
