"""Secrets of a room: who may, what lies on the disk, and one participant that asks another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from runtime.errors import SealBroken
from runtime.rooms.built_in.secrets import vault
from runtime.rooms.built_in.secrets.vault import FILE, Kept, Vault
from runtime.rooms.token import MAX_NAME_CHARS
from runtime.session.redaction import HIDDEN, Hidden
from runtime.wire.sealed import KEY_BYTES, Seal
from tests.rooms.conftest import Build, Client, House, RoomError

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

SCOPE = {"messaging": {}, "developer": {}, "secrets": {}}
WORTH = b"hunter2-\x00\xff"


@pytest_asyncio.fixture
async def house(build: Build) -> House:
    seal = Seal(b"k" * KEY_BYTES)
    return await build(seal=lambda: seal)


async def put(client: Client, data: bytes, **headers: Any) -> None:
    content = {"type": "binary", "headers": {**headers, "has_data": True}}
    assert (await client.answer(await client.start_tool("secrets.set_secret", content, data))).header == {
        "type": "empty"
    }


async def got(client: Client, **wanted: Any) -> bytes | None:
    answer = await client.tool("secrets.get_secret", wanted)
    return answer.data if answer.header["type"] == "file" else None


async def listed(client: Client) -> list[dict[str, Any]]:
    secrets: list[dict[str, Any]] = (await client.tool("secrets.list_secrets")).header["json"]["secrets"]
    return secrets


async def test_a_secret_is_its_owners_and_whom_it_is_lent_to(house: House) -> None:
    ada, bob, eve = [await house.join(name, scope=SCOPE) for name in ("ada", "bob", "eve")]
    await put(ada, WORTH, name="api", type="text/plain")
    await put(ada, b"lent", name="lent", type="key", delegated_to="bob")
    assert await got(ada, name="api") == WORTH
    assert await got(bob, name="lent") == b"lent"
    assert await got(bob, name="api") is None
    assert await listed(eve) == []
    (kept,) = await listed(bob)
    assert (kept["name"], kept["type"], kept["delegated_to"]) == ("lent", "key", "bob")
    with pytest.raises(RoomError, match="no such secret of yours"):
        await bob.tool("secrets.delete_secret", {"id": kept["id"]})
    with pytest.raises(RoomError, match="another's") as refused:
        await put(bob, b"mine", secret_id=kept["id"])
    assert refused.value.code == 1001
    with pytest.raises(RoomError, match="admin"):
        await put(bob, b"x", name="api", for_identity="ada")
    # The same again takes the place of what was there; older clients list and delete, too.
    await put(ada, b"new", name="api", type="text/plain")
    assert await got(ada, name="api") == b"new"
    both = (await ada.json("secrets.list_secrets"))["secrets"]
    assert [one["name"] for one in both] == ["api", "lent"]
    await ada.ask("secrets.delete_secret", {"id": both[1]["id"]})
    assert await got(bob, name="lent") is None


async def test_a_token_without_the_family_has_no_secrets(house: House) -> None:
    agent = await house.join("agent")
    for tool, content in (("get_secret", {"name": "api"}), ("list_secrets", {})):
        with pytest.raises(RoomError, match="does not allow secrets") as refused:
            await agent.tool(f"secrets.{tool}", content)
        assert refused.value.code == 1001


async def test_what_is_on_the_disk_tells_nothing_and_is_bound_to_its_place(
    house: House, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    ada = await house.join("ada", scope=SCOPE)
    await put(ada, WORTH, name="api")
    await put(ada, b"other", name="other")
    (file,) = house.state_dir.rglob(FILE)
    assert file.stat().st_mode & 0o777 == 0o600
    raw = file.read_bytes()
    assert WORTH not in raw
    assert WORTH.hex().encode() not in raw
    await house.hub.close_room("lab")
    # One sealed text in the place of another's.
    rows = json.loads(raw)
    rows[0]["sealed"], rows[1]["sealed"] = rows[1]["sealed"], rows[0]["sealed"]
    file.write_text(json.dumps(rows))
    again = await house.join("ada", scope=SCOPE)
    with pytest.raises(RoomError, match="cannot be opened"):
        await got(again, name="api")
    await house.hub.close_room("lab")
    file.write_text("nonsense")
    again = await house.join("ada", scope=SCOPE)
    with pytest.raises(RoomError, match=r"cannot be read.*backup"):
        await put(again, b"x", name="new")
    assert file.read_text() == "nonsense"
    out = capsys.readouterr()
    assert "hunter2" not in out.out + out.err


async def test_a_secret_is_asked_of_a_participant_and_kept_where_it_is_lent(house: House) -> None:
    agent = await house.join("agent", scope=SCOPE)
    ada, eve = await house.join("ada", scope=SCOPE), await house.join("eve", scope=SCOPE)
    asks = {"url": "https://api.example", "type": "bearer", "participant_id": ada.id, "timeout": 60}
    for lent in (None, "agent"):
        waiting = await agent.start_tool(
            "secrets.request_secret", {"type": "json", "json": {**asks, "delegate_to": lent}}
        )
        asked = (await ada.push("secrets.request_secret")).header
        assert asked["request"]["url"] == asks["url"]
        content = {"type": "binary", "headers": {"request_id": asked["request_id"], "error": None}}
        with pytest.raises(RoomError, match="nobody asks"):
            await eve.answer(await eve.start_tool("secrets.provide_secret", content, b"false"))
        await ada.answer(await ada.start_tool("secrets.provide_secret", content, WORTH))
        answer = await agent.answer(waiting)
        assert (answer.header["type"], answer.data) == ("file", WORTH)
    # It was lent, so nobody is asked again; nor is one who is not told.
    again = await agent.tool("secrets.request_secret", {**asks, "delegate_to": "agent"})
    assert again.data == WORTH
    lent_to = {"url": asks["url"], "type": "bearer", "delegated_to": "agent"}
    await ada.tool("secrets.delete_requested_secret", lent_to)
    assert await listed(ada) == []


async def test_whoever_waits_for_a_secret_is_told_of_a_refusal_and_of_a_leave(house: House) -> None:
    agent, ada = await house.join("agent", scope=SCOPE), await house.join("ada", scope=SCOPE)
    asks = {"url": "u", "type": "t", "participant_id": ada.id}
    call = {"type": "json", "json": asks}
    waiting = await agent.start_tool("secrets.request_secret", call)
    asked = (await ada.push("secrets.request_secret")).header
    content = {"type": "binary", "headers": {"request_id": asked["request_id"], "error": "no"}}
    await ada.answer(await ada.start_tool("secrets.provide_secret", content))
    with pytest.raises(RoomError, match="refused: no"):
        await agent.answer(waiting)
    waiting = await agent.start_tool("secrets.request_secret", call)
    await ada.push("secrets.request_secret")
    ada.cut()
    with pytest.raises(RoomError, match="has left"):
        await agent.answer(waiting)
    with pytest.raises(RoomError, match=r"not supported.*secret of the room"):
        await agent.tool("secrets.request_oauth_token", {})
    assert (await agent.json("secrets.get_offline_oauth_token", {})) == {"access_token": None}


async def test_no_log_shows_a_secret_of_a_room_from_when_it_is_kept_or_handed_out(build: Build) -> None:
    seal, hidden = Seal(b"k" * KEY_BYTES), Hidden()
    house = await build(seal=lambda: seal, hidden=hidden)
    ada, agent = await house.join("ada", scope=SCOPE), await house.join("agent", scope=SCOPE)
    await put(ada, b"kept-5ecret", name="api")
    assert hidden.text("it is kept-5ecret") == f"it is {HIDDEN}"
    asks = {"url": "u", "type": "t", "participant_id": ada.id}
    waiting = await agent.start_tool("secrets.request_secret", {"type": "json", "json": asks})
    asked = (await ada.push("secrets.request_secret")).header
    content = {"type": "binary", "headers": {"request_id": asked["request_id"], "error": None}}
    await ada.answer(await ada.start_tool("secrets.provide_secret", content, b"given-5ecret"))
    assert (await agent.answer(waiting)).data == b"given-5ecret"
    assert hidden.text("given-5ecret") == HIDDEN
    # What an earlier run of the server kept is hidden before anybody has it.
    later = Hidden()
    again = await build(seal=lambda: seal, hidden=later)
    assert await got(await again.join("ada", scope=SCOPE), name="api") == b"kept-5ecret"
    assert later.text("kept-5ecret") == HIDDEN


async def test_their_number_and_size_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seal = Seal(b"k" * KEY_BYTES)
    monkeypatch.setattr(vault, "MAX_SECRETS", 2)
    held = Vault("lab", tmp_path / "lab", lambda: seal)
    for number in range(2):
        await held.put(Kept(str(number), "ada", "t", "n"), b"x")
    with pytest.raises(Exception, match="keeps 2 secrets"):
        await held.put(Kept("more", "ada", "t", "n"), b"x")
    await held.put(Kept("1", "ada", "t", "n"), b"again")
    with pytest.raises(Exception, match="may have"):
        await held.put(Kept("1", "ada", "t", "n"), b"x" * (vault.MAX_SECRET_BYTES + 1))
    assert await held.get("1") == b"again"
    with pytest.raises(SealBroken):
        await Vault("lab", tmp_path / "lab", lambda: Seal(b"o" * KEY_BYTES)).get("1")
    with pytest.raises(Exception, match="keeps no secrets"):
        await Vault("lab", tmp_path / "lab", None).list()


async def test_of_two_who_choose_one_id_at_once_the_first_has_it(house: House) -> None:
    ada, eve = [await house.join(name, scope=SCOPE) for name in ("ada", "eve")]
    content = {"type": "binary", "headers": {"secret_id": "one", "type": "key", "has_data": True}}
    asked = [
        await client.start_tool("secrets.set_secret", content, who)
        for client, who in ((ada, b"ada"), (eve, b"eve"))
        for _ in range(3)
    ]
    said = [(await future).header["type"] for future in asked]
    (owner,) = [who for who, client in ((b"ada", ada), (b"eve", eve)) if await listed(client)]
    assert said in (["empty"] * 3 + ["error"] * 3, ["error"] * 3 + ["empty"] * 3)
    assert await got(ada if owner == b"ada" else eve, secret_id="one") == owner


async def test_as_many_secrets_as_may_be_are_read_again(tmp_path: Path) -> None:
    seal = Seal(b"k" * KEY_BYTES)
    held = Vault("lab", tmp_path, lambda: seal)
    wide = "\U0001f511" * 1000
    await held.put(Kept(wide, wide[:MAX_NAME_CHARS], wide, wide, wide), b"x" * vault.MAX_SECRET_BYTES)
    assert (tmp_path / FILE).stat().st_size * vault.MAX_SECRETS <= vault.MOST_BYTES


async def test_what_is_noted_with_a_secret_that_is_asked_for_is_bounded(house: House) -> None:
    agent, ada = await house.join("agent", scope=SCOPE), await house.join("ada", scope=SCOPE)
    asked = {"url": "u", "type": "t" * 2000, "participant_id": ada.id, "delegate_to": "agent", "timeout": 0.1}
    with pytest.raises(RoomError, match="longer than 1000"):
        await agent.tool("secrets.request_secret", asked)
