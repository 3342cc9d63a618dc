"""The room's files, queues and developer log, through the real room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.sdk.room.client import RoomException
from runtime.sdk.room.storage import CHUNK_BYTES

pytestmark = pytest.mark.unit


@pytest.mark.asyncio
async def test_a_file_is_written_whole_and_read_back(house: Any) -> None:
    ada = await house.enter("ada")
    data = bytes(range(256)) * (CHUNK_BYTES // 256) + b"and a bit"
    await ada.storage.upload(path="notes/a.bin", data=data)
    assert await ada.storage.exists(path="notes/a.bin")
    content = await ada.storage.download(path="notes/a.bin")
    assert (content.name, content.data) == ("a.bin", data)
    (entry,) = await ada.storage.list(path="notes")
    assert (entry.name, entry.is_folder) == ("a.bin", False)
    assert entry.updated_at is not None
    await ada.storage.delete("notes/a.bin")
    assert await ada.storage.stat(path="notes/a.bin") is None


@pytest.mark.asyncio
async def test_others_hear_of_a_new_file(house: Any, within: Any) -> None:
    ada, ben = await house.enter("ada"), await house.enter("ben")
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    ben.storage.on("file.updated", lambda path, participant_id: heard.put_nowait((path, participant_id)))
    await ada.storage.upload(path="a.txt", data=b"hello")
    assert await within(1, heard.get()) == ("a.txt", ada.local_participant.id)


@pytest.mark.asyncio
async def test_a_missing_folder_fails_to_list(house: Any) -> None:
    ada = await house.enter("ada")
    with pytest.raises(RoomException):
        await ada.storage.list(path="nowhere")


@pytest.mark.asyncio
async def test_a_queue_gives_each_message_to_one_receiver(house: Any, within: Any) -> None:
    ada, ben = await house.enter("ada"), await house.enter("ben")
    assert await ben.queues.receive(name="jobs", wait=False) is None
    waiting = asyncio.create_task(ben.queues.receive(name="jobs"))
    await ada.queues.send(name="jobs", message={"n": 1})
    assert await within(1, waiting) == {"n": 1}
    await ada.queues.send(name="jobs", message={"n": 2})
    (queue,) = await ada.queues.list()
    assert (queue.name, queue.size) == ("jobs", 1)


@pytest.mark.asyncio
async def test_a_watcher_reads_what_others_log(house: Any, within: Any) -> None:
    ada, ben = await house.enter("ada"), await house.enter("ben")
    entries: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    ben.developer.on("log", lambda type, data: entries.put_nowait((type, data)))
    await ben.developer.enable()
    ada.developer.log_nowait(type="step", data={"n": 1})
    assert await within(1, entries.get()) == ("step", {"n": 1})
