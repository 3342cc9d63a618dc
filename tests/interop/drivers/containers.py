"""Containers of a room: run, listed, followed, commands with input and statuses, stopped, forgotten."""

import asyncio

from sdk import failure, join, run, takes

SCRIPT = "sh -c 'echo hello $WHO; trap \"exit 0\" TERM; while true; do sleep 0.1; done'"
CALL = (
    "python3 -c 'import os, urllib.request as call; "
    'answer = call.urlopen(os.environ["MESHAGENT_API_URL"] + "/livez"); '
    'print(answer.status, "MESHAGENT_TOKEN" in os.environ)\''
)


async def output_of(command):
    """What a command writes to its output, and its status; in the oldest release all output is one."""
    chunks = command.output() if hasattr(command, "output") else command.stdout()
    said = b"".join([chunk async for chunk in chunks])
    return said.decode().replace("\r", ""), await command.result


async def commands(room, container):
    """Output, input, a terminal, a kill: each with the status that follows."""
    is_oldest = takes(room.containers.exec, "detach")

    async def execute(command, tty=False):
        return await room.containers.exec(container_id=container, command=command, tty=tty)

    command = await room.containers.exec(
        container_id=container, command="sh -c 'echo out; exit 3'", tty=False
    )
    assert await output_of(command) == ("out\n", 3)
    command = await execute(command="head -c 5")
    await command.write(b"typed")
    assert await output_of(command) == ("typed", 0)
    if not is_oldest:
        command = await room.containers.exec(
            container_id=container, command="sh -c 'cat; echo e >&2'", tty=False
        )
        await command.write(b"all of it")
        await command.close_stdin()
        errors = asyncio.create_task(_all(command.stderr()))
        assert await output_of(command) == ("all of it", 0)
        assert await errors == b"e\n"
    command = await room.containers.exec(
        container_id=container, command="sh -c 'read x; stty size'", tty=True
    )
    await command.resize(width=101, height=41)  # overtakes the request itself in older releases
    await command.write(b"go\n")
    said, status = await output_of(command)
    assert "41 101" in said, said
    assert status == 0
    command = await execute(command="sleep 600")
    if not is_oldest:
        await command.wait_for_ready()
    await command.kill()
    assert (await output_of(command))[1] == 137
    command = await execute(command="nosuchprogram")
    assert (await output_of(command))[1] in (126, 127)


async def _all(chunks):
    return b"".join([chunk async for chunk in chunks])


async def main(work):
    async with join(work["url"], work["ada"]) as ada, join(work["url"], work["bob"]) as bob:
        container = await ada.containers.run(
            image=work["image"], command=SCRIPT, env={"WHO": "you"}, name="box", role="user"
        )
        (shown,) = await bob.containers.list()
        assert (shown.id, shown.name, shown.state) == (container, "box", "RUNNING")
        assert shown.started_by.name == "ada"
        following = bob.containers.logs(container_id=container, follow=True)
        lines = following.logs()
        assert (await anext(lines)).strip() == "hello you"
        await commands(ada, container)
        await bob.containers.stop(container_id=container)
        assert [line async for line in lines] == []  # the log ends with its container
        assert await bob.containers.list() == []
        (ended,) = await bob.containers.list(all=True)
        assert ended.state == "EXITED"
        again = ada.containers.logs(container_id=container, follow=False)
        assert [line.strip() async for line in again.logs()] == ["hello you"]
        if hasattr(ada.containers, "wait_for_exit"):
            assert await ada.containers.wait_for_exit(container_id=container) == 0
        await ada.containers.delete(container_id=container)
        assert "no container" in await failure(bob.containers.stop(container_id=container))
        assert "cannot be split" in await failure(ada.containers.run(image=work["image"], command="echo '"))
        follower = await ada.containers.run(image=work["image"], command="sleep 600")
        endless = ada.containers.logs(container_id=follower, follow=True)
        reading = asyncio.create_task(_lines(endless))
        await asyncio.sleep(0.1)
        await endless.cancel()
        assert await reading == []
        await ada.containers.stop(container_id=follower, force=True)
        caller = await ada.containers.run(
            image=work["image"], command=CALL, role="agent", participant_name="me"
        )
        called = ada.containers.logs(container_id=caller, follow=True)
        assert [line.strip() async for line in called.logs()] == ["200 True"]
        images = await ada.containers.list_images()
        return {"images": sorted(tag for image in images for tag in _tags(image))}


async def _lines(stream):
    return [line async for line in stream.logs()]


def _tags(image):
    return image.tags if hasattr(image, "tags") else image.references


run(main)
