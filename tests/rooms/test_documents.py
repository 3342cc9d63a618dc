"""Shared documents: opening, relaying, seeding, keeping; in both dialects at once."""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Doc, XmlElement, XmlFragment

from runtime.errors import Conflict, InvalidRequest, RoomFull
from runtime.rooms.built_in.schemas import THREAD_SCHEMA
from runtime.rooms.document import Document
from runtime.rooms.document_schema import DocumentSchema
from runtime.rooms.limits import RoomLimits
from runtime.sdk.room.document import Document as Read

pytestmark = pytest.mark.process


def definition(tag: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {tag: {"type": "object", "properties": properties}}}


NOTE = {
    "$root_tag_ref": "#/$defs/note",
    "$defs": {
        "note": definition("note", lines={"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/line"}]}}),
        "line": definition("line", words={"type": ["string", "null"]}, size={"type": "number"}),
    },
}


class Copy:
    """A client's copy of a document, opened in one of the two dialects."""

    def __init__(self, client: Any, path: str) -> None:
        self.client, self.path = client, path
        self.doc: Doc[Any] = Doc()
        self.root = self.doc.get("xml", type=XmlFragment)
        self.schema: dict[str, Any] = {}
        self.stream: Any = None

    async def open(self, dialect: str, **arguments: Any) -> Copy:
        if dialect == "L":
            answer = await self.client.json("room.connect", {"path": self.path, "create": True, **arguments})
            self.schema = answer["schema"]
        else:
            self.stream = await self.client.stream("sync.open")
            start = {"kind": "start", "path": self.path, "create": True, "vector": None, "schema": None}
            await self.stream.send({**start, "schema_path": None, "initial_json": None, **arguments})
        await self.receive()
        return self

    async def receive(self) -> bytes:
        if self.stream is None:
            data = (await self.client.push("room.sync", path=self.path)).data
        else:
            chunk, data = await self.stream.receive()
            assert chunk["type"] == "binary", chunk
            self.schema = chunk["headers"].get("schema", self.schema)
            assert set(chunk["headers"]) <= {"kind", "path", "schema"}
            assert chunk["headers"]["path"] == self.path
        update = base64.b64decode(data, validate=True)
        self.doc.apply_update(update)
        return update

    async def send(self, update: bytes) -> None:
        data = base64.b64encode(update)
        if self.stream is None:
            answer = await self.client.ask("room.sync", {"path": self.path}, data)
            assert answer.header == {"type": "empty"}
        else:
            await self.stream.send({"kind": "sync"}, data)

    async def add(self, *path: str, **attributes: str) -> bytes:
        """Append an element below the named children and send the change."""
        before = self.doc.get_state()
        node: Any = self.root
        for tag in path[:-1]:
            node = next(child for child in node.children if child.tag == tag)
        with self.doc.transaction():
            node.children.append(XmlElement(path[-1], attributes))
        update = self.doc.get_update(before)
        await self.send(update)
        return update

    def tags(self) -> list[str]:
        return [child.tag for child in self.root.children]

    def __str__(self) -> str:
        return str(self.root)


@pytest.mark.asyncio
@pytest.mark.parametrize("dialect", ["L", "K"])
async def test_a_new_thread_has_its_members_and_messages(house: Any, dialect: str) -> None:
    copy = await Copy(await house.join("ada"), ".threads/a.thread").open(dialect)
    assert copy.schema == THREAD_SCHEMA
    assert copy.tags() == ["members", "messages"]
    assert len({child.attributes["$id"] for child in copy.root.children}) == 2


@pytest.mark.asyncio
async def test_the_answer_to_connect_comes_before_the_first_state(house: Any) -> None:
    ada = await house.join("ada")
    await ada.ask("room.connect", {"path": "a.thread"})
    await ada.push("room.sync")
    assert ada.types()[2:] == ["__response__", "room.sync"]


@pytest.mark.asyncio
@pytest.mark.parametrize("other", ["L", "K"])
@pytest.mark.parametrize("dialect", ["L", "K"])
async def test_changes_reach_the_others_and_not_their_author(house: Any, dialect: str, other: str) -> None:
    ada = await Copy(await house.join("ada"), "a.thread").open(dialect)
    bob = await Copy(await house.join("bob"), "/a.thread").open(other)  # each its own spelling
    await ada.add("members", "member", name="ada")
    await bob.receive()
    assert 'name="ada"' in str(bob)
    await bob.add("messages", "message", text="hi")
    await ada.receive()
    assert str(ada) == str(bob)
    await ada.client.settled()
    await bob.client.settled()
    for copy in (ada, bob):
        kinds = [message.type for message in copy.client.log]
        assert kinds.count("room.sync") + kinds.count("room.tool_call_response_chunk") == 2


@pytest.mark.asyncio
async def test_an_echo_goes_nowhere(house: Any) -> None:
    ada = await Copy(await house.join("ada"), "a.thread").open("L")
    bob = await Copy(await house.join("bob"), "a.thread").open("L")
    await ada.add("members", "member", name="ada")
    await bob.send(await bob.receive())
    await bob.send(bob.doc.get_update())
    await ada.client.settled()
    assert [message.type for message in ada.client.log].count("room.sync") == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("data", [b"not base64!", b"", base64.b64encode(b"\x05\x04\x03\x02"), b"\xff"])
async def test_an_unreadable_update_is_an_error_and_harms_nobody(house: Any, data: bytes) -> None:
    ada = await Copy(await house.join("ada"), "a.thread").open("L")
    with pytest.raises(Exception, match=r"cannot be read|not base64"):
        await ada.client.ask("room.sync", {"path": "a.thread"}, data)
    await ada.add("members", "member", name="ada")


@pytest.mark.asyncio
async def test_only_who_is_connected_may_send(house: Any) -> None:
    ada = await Copy(await house.join("ada"), "a.thread").open("L")
    eve = await house.join("eve")
    for kind in ("room.sync", "room.disconnect"):
        with pytest.raises(Exception, match="not connected"):
            await eve.ask(kind, {"path": "a.thread"}, b"AAA=")
    with pytest.raises(Exception, match="already connected"):
        await ada.client.ask("room.connect", {"path": "a.thread"})
    await ada.client.ask("room.disconnect", {"path": "a.thread"})
    with pytest.raises(Exception, match="not connected"):
        await ada.client.ask("room.sync", {"path": "a.thread"}, b"AAA=")
    assert house.hub.room("lab").documents == ()


@pytest.mark.asyncio
@pytest.mark.parametrize("ending", ["leave", "cut", "aclose"])
async def test_a_document_is_there_after_a_restart(build: Any, ending: str) -> None:
    house = await build(RoomLimits(flush_s=60))
    copy = await Copy(await house.join("ada"), "deep/er/a.thread").open("L")
    await copy.add("messages", "message", text="remember me")
    if ending == "aclose":
        await house.hub.aclose()
    else:
        await getattr(copy.client, ending)() if ending == "leave" else copy.client.cut()
        await house.happened("participant_left", "ada")
        await house.hub.aclose()
    again = await build()
    found = await Copy(await again.join("bob"), "deep/er/a.thread").open("K")
    assert 'text="remember me"' in str(found)
    assert found.tags() == ["members", "messages"]


@pytest.mark.asyncio
async def test_a_change_is_kept_that_is_being_written_when_the_room_closes(build: Any, within: Any) -> None:
    house = await build(RoomLimits(flush_s=0.01, close_timeout_s=0.05))
    copy = await Copy(await house.join("ada"), "a.thread").open("L")
    room = house.hub._rooms["lab"]
    append, begun, proceed = room._files.append, threading.Event(), threading.Event()

    def slow_append(*given: Any) -> None:
        begun.set()
        assert proceed.wait(10)
        append(*given)

    room._files.append = slow_append
    await copy.add("messages", "message", text="remember me")
    await asyncio.to_thread(begun.wait, 10)
    closing = asyncio.create_task(house.hub.aclose())

    async def cut_short() -> None:
        while not room._flushers[0].cancelling():
            await asyncio.sleep(0)

    await within(10, cut_short())
    proceed.set()
    await closing
    found = await Copy(await (await build()).join("bob"), "a.thread").open("K")
    assert 'text="remember me"' in str(found)


@pytest.mark.asyncio
async def test_a_change_is_kept_that_could_not_be_written_at_once(build: Any) -> None:
    house = await build()
    copy = await Copy(await house.join("ada"), "a.thread").open("L")
    room, failed = house.hub._rooms["lab"], threading.Event()
    append = room._files.append

    def fails(*_: Any) -> None:
        room._files.append = append
        failed.set()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    room._files.append = fails
    await copy.add("messages", "message", text="remember me")
    await asyncio.to_thread(failed.wait, 10)
    await copy.client.ask("room.disconnect", {"path": "a.thread"})
    await house.hub.aclose()
    found = await Copy(await (await build()).join("bob"), "a.thread").open("K")
    assert 'text="remember me"' in str(found)


@pytest.mark.asyncio
async def test_a_document_that_cannot_be_made_is_refused(house: Any) -> None:
    ada = await house.join("ada")
    await write_over(ada, "file")
    for kind in ("room.connect", "room.create"):
        with pytest.raises(Exception, match="is no folder"):
            await ada.ask(kind, {"path": "file/a.thread"})
    assert house.hub._rooms["lab"]._services.documents._open == {}


@pytest.mark.asyncio
async def test_changes_are_written_while_everybody_stays(house: Any, state_dir: Path) -> None:
    copy = await Copy(await house.join("ada"), "a.thread").open("L")
    file = state_dir / "rooms" / "data" / "lab" / "files" / "a.thread"
    before = file.read_bytes()
    await copy.add("messages", "message", text="hello")
    opened = house.hub._rooms["lab"]._services.documents
    while file.read_bytes() == before:
        await opened.flush()
    stored = json.loads(file.read_bytes())
    assert Document.load(file.read_bytes(), max_bytes=10**6).describe()["thread"]["properties"][1] == {
        "messages": {"items": [{"message": {"text": "hello", "attachments": []}}]}
    }
    assert stored["schema"] == THREAD_SCHEMA


@pytest.mark.asyncio
async def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_twice(house: Any) -> None:
    ada = await Copy(await house.join("ada"), "a.thread").open("K")
    bob = await Copy(await house.join("bob"), "a.thread").open("K")
    ada.client.cut()
    await house.happened("participant_left", "ada")
    await bob.add("messages", "message", text="missed")
    ada.client = await house.join("ada")
    vector = base64.b64encode(ada.doc.get_state()).decode()
    await ada.open("K", vector=vector)
    assert str(ada) == str(bob)
    assert ada.tags() == ["members", "messages"]


@pytest.mark.asyncio
async def test_a_lost_document_is_not_given_fresh_children_beside_the_clients(house: Any) -> None:
    client = await house.join("ada")
    copy = await Copy(client, "a.thread").open("K")
    await copy.stream.close()
    assert (await copy.stream.receive())[0] == {"type": "control", "method": "close", "status_code": 1000}
    await client.tool("storage.delete", {"path": "a.thread", "recursive": None})
    await copy.open("K", vector=base64.b64encode(copy.doc.get_state()).decode())
    await copy.send(copy.doc.get_update())
    fresh = await Copy(await house.join("bob"), "a.thread").open("K")
    assert fresh.tags() == ["members", "messages"]


@pytest.mark.asyncio
async def test_who_brings_a_schema_gets_it_back_and_older_clients_get_the_plain_one(house: Any) -> None:
    newer = {**THREAD_SCHEMA, "$defs": {**THREAD_SCHEMA["$defs"], "extra": NOTE["$defs"]["line"]}}
    first = await Copy(await house.join("ada"), "a.thread").open("L", schema=newer)
    assert first.schema == newer
    second = await Copy(await house.join("bob"), "a.thread").open("L")
    assert second.schema == THREAD_SCHEMA
    third = await Copy(await house.join("eve"), "a.thread").open("K")
    assert third.schema == newer


@pytest.mark.asyncio
async def test_other_schemas_are_found_by_extension_or_by_path(house: Any) -> None:
    ada = await house.join("ada")
    with pytest.raises(Exception, match=r"no schema for 'a\.note'"):
        await ada.ask("room.connect", {"path": "a.note"})
    handle = await ada.json("storage.open", {"path": ".schemas/note.json", "overwrite": True})
    await ada.ask("storage.write", handle, json.dumps(NOTE).encode())
    await ada.ask("storage.close", handle)
    assert (await Copy(ada, "a.note").open("L")).schema == NOTE
    other = await Copy(ada, "b.other").open("K", schema_path=".schemas/note.json")
    assert other.schema == NOTE
    await ada.ask("agent.call", {"name": "x", "url": "http://localhost:8080/schemas/note", "arguments": {}})


@pytest.mark.asyncio
@pytest.mark.parametrize("dialect", ["L", "K"])
async def test_documents_are_created_and_described_as_json(house: Any, dialect: str) -> None:
    ada = await house.join("ada")
    content = {"note": {"lines": [{"line": {"words": "a", "size": 2.0}}, {"line": {"words": None}}]}}
    if dialect == "L":
        copy = await Copy(ada, "a.note").open("L", schema=NOTE, initial_json=content)
        await ada.ask("room.disconnect", {"path": copy.path})
        assert await ada.json("room.describe", {"path": "a.note"}) == content
        return
    arguments = {"path": "a.note", "json": content, "schema": NOTE, "schema_path": None}
    assert (await ada.tool("sync.create", arguments)).header == {"type": "empty"}
    with pytest.raises(Exception, match="exists already"):
        await ada.tool("sync.create", arguments)
    described = await ada.tool("sync.describe", {"path": "a.note", "schema_path": None})
    assert described.header["json"] == content


@pytest.mark.asyncio
async def test_text_that_is_no_utf8_does_not_break_the_server(house: Any) -> None:
    ada = await house.join("ada")
    content = {"note": {"lines": [{"line": {"words": "a\udcffb", "size": 2.0}}]}}
    await Copy(ada, "a.note").open("L", schema=NOTE, initial_json=content)
    described = await ada.json("room.describe", {"path": "a.note"})
    assert described["note"]["lines"] == [{"line": {"words": "a\ufffdb", "size": 2.0}}]


@pytest.mark.asyncio
async def test_create_false_does_not_create(house: Any) -> None:
    ada = await house.join("ada")
    with pytest.raises(Exception, match="no document") as caught:
        await ada.ask("room.connect", {"path": "a.thread", "create": False})
    assert caught.value.code == 1003
    stream = await ada.stream("sync.open")
    await stream.send({"kind": "start", "path": "a.thread", "create": False, "vector": None})
    chunk, _ = await stream.receive()
    assert (chunk["type"], chunk["code"]) == ("error", 1003)
    assert (await stream.receive())[0]["method"] == "close"
    assert await ada.json("storage.exists", {"path": "a.thread"}) == {"exists": False}


@pytest.mark.asyncio
async def test_grants_for_documents_and_readers_echoes(house: Any) -> None:
    author = await Copy(await house.join("author"), "a.thread").open("L")
    scope = {"sync": {"paths": [{"path": "a.*", "read_only": True}]}, "developer": {}}
    reader = await Copy(await house.join("reader", scope=scope), "a.thread").open("L")
    await author.add("members", "member", name="x")
    await reader.send(await reader.receive())
    with pytest.raises(Exception, match="does not allow changing"):
        await reader.add("members", "member", name="forged")
    with pytest.raises(Exception, match="does not allow opening"):
        await reader.client.ask("room.connect", {"path": "b.thread"})
    with pytest.raises(Exception, match="does not allow changing"):
        await reader.client.ask("room.connect", {"path": "a.new.thread"})


@pytest.mark.asyncio
async def test_documents_are_bounded(build: Any) -> None:
    house = await build(RoomLimits(max_documents=2, max_document_bytes=20_000, flush_s=0.01))
    copy = await Copy(await house.join("ada"), "a.thread").open("L")
    with pytest.raises(Exception, match="may have 20000 bytes"):
        await copy.add("messages", "message", text="x" * 30_000)
    copy = await Copy(await house.join("bob"), "a.thread").open("L")
    for _ in range(50):  # echoes and repetitions are no growth
        await copy.send(copy.doc.get_update())
    await Copy(copy.client, "b.thread").open("L")
    with pytest.raises(Exception, match="2 documents open"):
        await copy.client.ask("room.connect", {"path": "c.thread"})


@pytest.mark.asyncio
async def test_deleting_an_open_document_closes_it(house: Any) -> None:
    new = await Copy(await house.join("ada"), "a.thread").open("K")
    old = await Copy(await house.join("bob"), "a.thread").open("L")
    await old.client.ask("storage.delete", {"path": "a.thread"})
    assert (await new.stream.receive())[0]["method"] == "close"
    with pytest.raises(Exception, match="not connected"):
        await old.add("members", "member", name="x")
    assert await old.client.json("storage.exists", {"path": "a.thread"}) == {"exists": False}


@pytest.mark.asyncio
async def test_a_document_is_a_file_that_uploads_do_not_overwrite_while_it_is_open(house: Any) -> None:
    copy = await Copy(await house.join("ada"), "a.thread").open("L")
    listed = (await copy.client.json("storage.list", {"path": ""}))["files"]
    assert [file["name"] for file in listed] == ["a.thread"]
    with pytest.raises(Exception, match="has open"):
        await copy.client.ask("storage.open", {"path": "a.thread", "overwrite": True})


@pytest.mark.asyncio
@pytest.mark.parametrize("dialect", ["L", "K"])
async def test_who_left_has_no_document_open_any_more(house: Any, dialect: str) -> None:
    ada = await Copy(await house.join("ada"), "a.thread").open(dialect)
    bob = await Copy(await house.join("bob"), "a.thread").open(dialect)
    ada.client.cut()
    await house.happened("participant_left", "ada")
    await bob.add("members", "member", name="bob")
    assert house.hub.room("lab").documents == ("a.thread",)
    bob.client.cut()
    await house.happened("participant_left", "bob")
    eve = await house.join("eve")
    while house.hub.room("lab").documents:
        await eve.settled()
    await write_over(eve, "a.thread")


async def write_over(client: Any, path: str) -> None:
    handle = await client.json("storage.open", {"path": path, "overwrite": True})
    await client.ask("storage.close", handle)


@pytest.mark.asyncio
async def test_a_deleted_document_is_not_written_back(house: Any) -> None:
    ada = await Copy(await house.join("ada"), "f/a.thread").open("L")
    room = house.hub._rooms["lab"]
    delete, deleted, proceed = room._files.delete, threading.Event(), threading.Event()

    def slow_delete(path: str, *, recursive: bool) -> tuple[int, bool]:
        told = delete(path, recursive=recursive)
        deleted.set()
        assert proceed.wait(10)
        return told

    room._files.delete = slow_delete
    deleting = await ada.client.start("storage.delete", {"path": "f", "recursive": True})
    await asyncio.to_thread(deleted.wait, 10)
    await ada.add("messages", "message", text="late")
    flushing = asyncio.create_task(room._services.documents.flush())
    for _ in range(5):  # would be written by now, were it not held
        await asyncio.to_thread(int)
        await ada.client.settled()
    proceed.set()
    await ada.client.answer(deleting)
    await flushing
    assert await ada.client.json("storage.exists", {"path": "f"}) == {"exists": False}


@pytest.mark.asyncio
async def test_a_file_that_is_no_document_is_not_opened_as_one(house: Any) -> None:
    ada = await house.join("ada")
    handle = await ada.json("storage.open", {"path": "a.thread", "overwrite": True})
    await ada.ask("storage.write", handle, b"{}")
    await ada.ask("storage.close", handle)
    with pytest.raises(Exception, match="not a document"):
        await ada.ask("room.connect", {"path": "a.thread"})


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"$root_tag_ref": "#/$defs/a", "$defs": {}},
        {"$root_tag_ref": "#/$defs/a", "$defs": {"a": 5}},
        {"$root_tag_ref": "#/$defs/a", "$defs": {"a": definition("a", x={"type": "array"})}},
        {
            "$root_tag_ref": "#/$defs/a",
            "$defs": {"a": definition("a", x={"type": "array", "prefixItems": [{"$ref": "#/$defs/a"}]})},
        },
    ],
)
def test_what_is_no_schema_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        DocumentSchema(raw)


def test_damaged_files_and_wide_content_are_refused() -> None:
    schema = DocumentSchema(NOTE)
    for raw in (b"", b"[]", b'{"format": "other"}', b"\xff"):
        with pytest.raises(Conflict):
            Document.load(raw, max_bytes=1000)
    for content in ({}, {"note": {"lines": [{"page": {}}]}}, {"note": {"lines": [{"line": {"words": []}}]}}):
        with pytest.raises(InvalidRequest):
            Document.create(schema, content=content, max_bytes=1000)
    document = Document.create(schema, max_bytes=1000)
    with pytest.raises(RoomFull):
        document.apply(bytes(2000))


def test_its_id_fits_into_the_32_bits_that_older_yjs_keep() -> None:
    count, *digits = Read(Document.create(DocumentSchema(THREAD_SCHEMA), max_bytes=10**4).state()).vector()
    assert count == 1  # nobody but the server has written
    client = 0
    for place, digit in enumerate(digits):  # seven bits a byte, the lowest first
        client |= (digit & 0x7F) << (7 * place)
        if digit < 0x80:
            break
    assert 0 < client < 1 << 32
