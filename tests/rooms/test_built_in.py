"""What every room has before anybody brings anything: schemas of documents, a toolkit of its files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.rooms.built_in.schemas import BUILT_IN_SCHEMAS, THREAD_SCHEMA
from runtime.rooms.document_schema import DocumentSchema

pytestmark = pytest.mark.process

NAMES = ["document", "gallery", "presentation", "thread", "transcript"]
DECK = {"presentation": {"slides": [{"slide": {"title": "One", "background": "", "lines": []}}]}}


async def invoke(client: Any, dialect: str, tool: str, arguments: Any, **more: Any) -> Any:
    """Call a tool of the room's own toolkit in one of the three spellings; the answer's message."""
    header: dict[str, Any] = {"toolkit": "storage", "tool": tool, "arguments": arguments, **more}
    if dialect != "L":
        header |= {"arguments": {"type": "json", "json": arguments}, "tool_call_id": f"c-{id(header)}"}
    return await client.ask("room.invoke_tool" if dialect == "K" else "agent.invoke_tool", header)


@pytest.mark.parametrize("name", NAMES)
def test_each_schema_can_be_read_and_has_single_types(name: str) -> None:
    schema = BUILT_IN_SCHEMAS[name]
    assert DocumentSchema(schema).root == name
    assert '"type": [' not in json.dumps(schema)


@pytest.mark.asyncio
async def test_the_schemas_are_files_of_a_room_that_take_no_room_on_disk(house: Any) -> None:
    ada = await house.join("ada")
    listed = await ada.json("storage.list", {"path": ".schemas"})
    assert [one["name"] for one in listed["files"]] == [f"{name}.json" for name in NAMES]
    assert (await ada.json("storage.exists", {"path": ".schemas/gallery.json"}))["exists"] is True
    read = await ada.ask("storage.download", {"path": ".schemas/gallery.json"})
    assert json.loads(read.data) == BUILT_IN_SCHEMAS["gallery"]
    with pytest.raises(Exception, match="no file"):
        await ada.ask("storage.download_url", {"path": ".schemas/gallery.json"})


@pytest.mark.asyncio
async def test_a_document_needs_no_schema_of_its_own(house: Any) -> None:
    ada = await house.join("ada")
    await ada.ask("room.create", {"path": "talk.presentation", "json": DECK})
    assert await ada.json("room.describe", {"path": "talk.presentation"}) == DECK


@pytest.mark.asyncio
async def test_a_schema_that_somebody_brings_is_the_rooms_from_then_on(house: Any) -> None:
    ada = await house.join("ada")
    mine = {**BUILT_IN_SCHEMAS["document"], "$defs": {**BUILT_IN_SCHEMAS["document"]["$defs"]}}
    mine["$defs"]["quote"] = DocumentSchema(THREAD_SCHEMA).raw["$defs"]["log"] | {}
    handle = await ada.json("storage.open", {"path": ".schemas/document.json", "overwrite": False})
    await ada.ask("storage.write", handle, json.dumps(mine).encode())
    await ada.ask("storage.close", handle)
    opened = await ada.json("room.connect", {"path": "a.document", "create": True})
    assert opened["schema"] == mine
    await ada.ask("storage.delete", {"path": ".schemas/document.json"})
    again = await ada.json("room.connect", {"path": "b.document", "create": True})
    assert again["schema"] == BUILT_IN_SCHEMAS["document"]


@pytest.mark.asyncio
@pytest.mark.parametrize("dialect", ["L", "T", "K"])
@pytest.mark.parametrize("addressed", [True, False])
async def test_files_are_listed_read_and_written_by_tools(house: Any, dialect: str, addressed: bool) -> None:
    ada = await house.join("ada")
    more = {"participant_id": ada.id} if addressed else {}
    listed = (await ada.json("room.list_toolkits", more))["tools"]["storage"]
    assert listed["participant_id"] is None
    assert (
        listed["tools"]["read_file"]["input_schema"] == listed["tools"]["read_file"]["input_spec"]["schema"]
    )
    given = {"path": "notes/a.txt", "text": "gr\u00fc\u00df", "overwrite": False}
    saved = await invoke(ada, dialect, "write_file", given, **more)
    assert saved.header == {"type": "text", "text": "the file is saved"}
    read = await invoke(ada, dialect, "read_file", {"path": "notes/a.txt"}, **more)
    assert (read.header["mime_type"], read.data.decode()) == ("text/plain", "gr\u00fc\u00df")
    found = await invoke(ada, dialect, "list_files_in_room", {"path": "notes"}, **more)
    assert [one["name"] for one in found.header["json"]["files"]] == ["a.txt"]
    link = await invoke(ada, dialect, "get_file_download_url", {"path": "notes/a.txt"}, **more)
    assert link.header["type"] == "link"
    with pytest.raises(Exception, match="exists already"):
        await invoke(ada, dialect, "write_file", given, **more)
    with pytest.raises(Exception, match=r"no tool 'burn'\. It has list_files_in_room|server: storage\.burn"):
        await invoke(ada, dialect, "burn", {})
    with pytest.raises(Exception, match="needs 'text'"):
        await invoke(ada, dialect, "write_file", {"path": "b.txt"}, **more)
    await ada.ask("room.create", {"path": "talk.presentation", "json": DECK})
    assert (await invoke(ada, dialect, "read_file", {"path": "talk.presentation"}, **more)).header[
        "json"
    ] == DECK


@pytest.mark.asyncio
async def test_the_tools_may_what_their_caller_may(house: Any) -> None:
    reader = await house.join(
        "reader", scope={"agents": {}, "storage": {"paths": [{"path": "", "read_only": True}]}}
    )
    with pytest.raises(Exception, match="does not allow writing"):
        await invoke(reader, "L", "write_file", {"path": "a.txt", "text": "x", "overwrite": True})
    other = await house.join("other", scope={"agents": {"allowed_toolkits": ["maths"]}, "storage": {}})
    with pytest.raises(Exception, match="does not allow calling toolkit 'storage'"):
        await invoke(other, "L", "list_files_in_room", {"path": ""})


@pytest.mark.asyncio
@pytest.mark.parametrize("dialect", ["L", "T", "K"])
async def test_a_toolkit_of_that_name_takes_the_place_of_the_rooms(house: Any, dialect: str) -> None:
    host, ada = await house.join("host"), await house.join("ada")
    tools = {"read_file": {"title": "", "description": "", "input_spec": {"types": ["json"]}}}
    kit = {"name": "storage", "title": "Mine", "description": "", "public": True, "tools": tools}
    await host.ask("room.register_toolkit", kit)
    assert (await ada.json("room.list_toolkits"))["tools"]["storage"]["participant_id"] == host.id
    header: dict[str, Any] = {"toolkit": "storage", "tool": "read_file", "arguments": {"path": "x"}}
    if dialect != "L":
        header |= {"arguments": {"type": "json", "json": {"path": "x"}}, "tool_call_id": "one"}
    await ada.start("room.invoke_tool" if dialect == "K" else "agent.invoke_tool", header)
    assert (await host.push("room.tool_call.storage")).header["name"] == "read_file"
