"""What differs between the releases, under one name each; and how a driver runs."""

import asyncio
import inspect
import json
import sys

from meshagent.api import RoomClient, WebSocketClientProtocol


def takes(function, name):
    """Whether a function of the SDK has a parameter of that name."""
    return name in inspect.signature(function).parameters


def join(url, token):
    """A client for a room; use it as an async context manager."""
    protocol = WebSocketClientProtocol(url=url, token=token)
    if takes(RoomClient, "protocol_factory"):
        return RoomClient(protocol_factory=protocol.create_factory())
    return RoomClient(protocol=protocol)


async def enable(*rooms):
    """Become visible, and wait until it is so."""
    for room in rooms:
        await room.messaging.enable()


async def until(condition, what):
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not (value := condition()):
            await asyncio.sleep(0.02)
    assert value, what
    return value


def person(room, name):
    """The participant of that name, as this room's client sees it."""
    for other in room.messaging.get_participants():
        if other.get_attribute("name") == name:
            return other
    return None


async def call_tool(room, toolkit, tool, arguments, **more):
    """A tool's result as a content object."""
    key = "input" if takes(room.agents.invoke_tool, "input") else "arguments"
    return await room.agents.invoke_tool(toolkit=toolkit, tool=tool, **{key: arguments}, **more)


async def failure(awaitable):
    """What it fails with, as text; an AssertionError when it does not."""
    try:
        await awaitable
    except Exception as error:  # noqa: BLE001 - the SDK's releases raise different classes
        return str(error)
    raise AssertionError("it did not fail")


def run(main):
    """Run ``main(work)`` and say what it returned, as one line of JSON."""
    work = json.loads(sys.argv[1])

    async def bounded():
        async with asyncio.timeout(140):
            return await main(work)

    print(json.dumps(asyncio.run(bounded()) or {}))
