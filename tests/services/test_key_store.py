from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import InvalidRequest, NotFound, StoreFull
from runtime.rooms.token import ApiKey
from runtime.services import key_store
from runtime.services.store import Store
from tests.services.conftest import PROJECT

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_a_key_is_shown_once_and_signs_at_once(store: Store, tmp_path: Path) -> None:
    made, text = await store.keys.create("ci", by="ada", description="for tests")
    key = ApiKey.parse(text)
    assert (key.id, key.project) == (made.id, PROJECT)
    assert store.keys.signing == {key.id: key.secret}
    assert (await store.keys.listed()) == [made]
    assert (made.name, made.by, made.account, made.description) == ("ci", "ada", "default", "for tests")
    assert key.secret not in repr(made)
    assert await store.keys.listed(account="other") == []
    for path in tmp_path.iterdir():
        assert key.secret.encode() not in path.read_bytes()


async def test_a_key_that_is_deleted_signs_nothing(store: Store) -> None:
    signing = store.keys.signing
    made, _ = await store.keys.create("ci", by="a")
    await store.keys.delete(made.id)
    assert signing == {}
    with pytest.raises(NotFound):
        await store.keys.delete(made.id)


async def test_keys_are_bounded_and_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequest):
        await store.keys.create(" ", by="a")
    with pytest.raises(InvalidRequest):
        await store.keys.create("a", by="a", description="x" * 2_001)
    monkeypatch.setattr(key_store, "MAX_KEYS", 1)
    await store.keys.create("a", by="a")
    with pytest.raises(StoreFull):
        await store.keys.create("b", by="a")
    assert len(store.keys.signing) == 1
