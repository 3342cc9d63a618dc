"""Secrets: kept sealed, in versions, and told to nobody but who starts services."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runtime.errors import Conflict, InvalidRequest, NotFound, SealBroken, StoreFull
from runtime.services import secret_store
from runtime.services.secret import DOCKER, KEYS, MAX_VALUE_BYTES, MAX_VERSIONS
from runtime.services.store import Store
from runtime.session.redaction import Hidden
from runtime.wire.sealed import KEY_BYTES, Seal
from tests.services.conftest import SetClock, manifest, opened

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_a_secret_is_told_of_without_its_value_everywhere(store: Store, tmp_path: Path) -> None:
    made = await store.secrets.create("TOKEN", b"t0p-secret-value", by="ada", about={"metadata": {"a": "b"}})
    (version,) = made.versions
    assert (made.name, made.type, made.current, version.number, version.by) == ("TOKEN", "text", 1, 1, "ada")
    shown = repr([made, await store.secrets.listed(), await store.secrets.get("TOKEN"), store.secrets])
    assert "t0p-secret-value" not in shown
    assert await store.secrets.get(made.id) == made
    for path in tmp_path.iterdir():
        assert b"t0p-secret-value" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


async def test_a_new_value_is_a_version_and_the_same_one_is_none(store: Store, clock: SetClock) -> None:
    made = await store.secrets.create("K", b"one", by="a")
    clock.at += 1
    second = await store.secrets.give("K", b"two", by="b")
    assert (second.current, [one.number for one in second.versions], second.updated_at) == (
        2,
        [1, 2],
        clock.at,
    )
    assert second.versions[0].digest != second.versions[1].digest
    assert (await store.secrets.give("K", b"two", by="c")) == second
    aside = await store.secrets.give("K", b"three", by="c", is_current=False)
    assert (aside.current, len(aside.versions)) == (2, 3)
    assert [await store.secrets.value(made.id, number) for number in (1, 2, 3)] == [b"one", b"two", b"three"]
    with pytest.raises(NotFound, match="version 9"):
        await store.secrets.value(made.id, 9)


async def test_maps_tell_their_names_and_hide_their_values(store: Store, hidden: Hidden) -> None:
    keys = await store.secrets.create(
        "env", json.dumps({"A": "aaaaaaaa", "B": "b"}).encode(), by="a", type=KEYS
    )
    await store.secrets.create(
        "reg", json.dumps({"server": "r", "password": "pppppp"}).encode(), by="a", type=DOCKER
    )
    await store.secrets.create("broken", b"\xff{", by="a", type=KEYS)
    assert keys.names == ("A", "B")
    assert hidden.text("it is aaaaaaaa, or pppppp") == "it is •••, or •••"


async def test_a_secret_in_use_is_not_deleted(store: Store) -> None:
    await store.secrets.create("K", b"v", by="a")
    made = await store.services.create(manifest(secrets=["K"]), by="a")
    with pytest.raises(Conflict, match="given to greeter"):
        await store.secrets.delete("K")
    await store.services.update(made.id, manifest(), by="a")
    await store.secrets.delete("K")
    with pytest.raises(NotFound):
        await store.secrets.get("K")
    with pytest.raises(Conflict, match="not kept any more"):
        await store.services.roll_back(made.id, 1, by="a")
    assert (await store.services.get(made.id)).revision == 2


async def test_names_are_an_owners_own(store: Store) -> None:
    await store.secrets.create("K", b"v", by="a")
    await store.secrets.create("K", b"w", by="a", owner="default")
    with pytest.raises(Conflict, match='there is a secret "K" already'):
        await store.secrets.create("K", b"x", by="a")
    other = await store.secrets.create("L", b"v", by="a")
    with pytest.raises(Conflict, match="already"):
        await store.secrets.describe("L", name="K", about={})
    renamed = await store.secrets.describe(other.id, name="M", about={"metadata": {}})
    assert (renamed.name, renamed.about) == ("M", {"metadata": {}})
    assert [one.owner for one in await store.secrets.listed(owner=None)] == ["default", "project", "project"]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
async def test_names_that_nobody_can_type_are_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidRequest, match="no usable name"):
        await store.secrets.create(name, b"v", by="a")


async def test_values_versions_and_secrets_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest, match="65,537 bytes"):
        await store.secrets.create("big", b"x" * (MAX_VALUE_BYTES + 1), by="a")
    assert await store.secrets.listed() == []
    made = await store.secrets.create("K", b"0", by="a")
    await store.services.create(manifest(secrets=["K"]), by="a")
    for number in range(1, MAX_VERSIONS + 5):
        made = await store.secrets.give("K", str(number).encode(), by="a")
    numbers = [one.number for one in made.versions]
    assert numbers[0] == 1, "the service is still given it"
    assert len(numbers) == MAX_VERSIONS + 1
    monkeypatch.setattr(secret_store, "MAX_SECRETS", 1)
    with pytest.raises(StoreFull):
        await store.secrets.create("L", b"v", by="a")


async def test_another_key_opens_nothing_and_breaks_no_list(store: Store, tmp_path: Path) -> None:
    made = await store.secrets.create("K", b"v-secret", by="a")
    await store.secrets.create("env", b'{"A": "b"}', by="a", type=KEYS)
    await store.keys.create("ci", by="a")
    await store.copy(tmp_path / "copy.sqlite3")
    learnt = Hidden()
    other = await opened(tmp_path / "copy.sqlite3", seal=Seal(bytes(KEY_BYTES)), hidden=learnt)
    try:
        assert [one.name for one in await other.secrets.listed()] == ["K", "env"]
        assert list(learnt) == []
        assert other.keys.signing == {}
        with pytest.raises(SealBroken):
            await other.secrets.value(made.id, 1)
    finally:
        await other.aclose()


async def test_what_is_kept_is_hidden_at_once_and_after_a_restart(
    store: Store, hidden: Hidden, tmp_path: Path
) -> None:
    await store.secrets.create("K", b"first-value", by="a")
    await store.services.create(manifest(secrets=["K"]), by="a")
    await store.secrets.give("K", b"second-value", by="a")
    await store.secrets.give("K", b"third-value", by="a")
    _, key = await store.keys.create("ci", by="a")
    told = f"first-value second-value third-value {key}"
    assert hidden.text(told) == f"••• ••• ••• {key[:-43]}•••"
    await store.copy(tmp_path / "copy.sqlite3")
    again = Hidden()
    await (await opened(tmp_path / "copy.sqlite3", hidden=again)).aclose()
    assert again.text(told) == f"••• second-value ••• {key[:-43]}•••", "nobody is given the second one"
