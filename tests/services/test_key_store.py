from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runtime.errors import InvalidRequest, NotFound, SecretMissing, StoreFull
from runtime.rooms.token import ApiKey
from runtime.services import key_store
from runtime.services.store import Store
from tests.services.conftest import PROJECT, manifest

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


def asking(names: dict[str, str]) -> Callable[[], Awaitable[dict[str, str]]]:
    async def read() -> dict[str, str]:
        return names

    return read


async def test_no_key_is_forgotten_of_a_service_that_is_made_meanwhile(store: Store) -> None:
    await store.keys.of_service("first", "first", "index", makes=True)
    there = {"first": "index"}

    async def read() -> dict[str, str]:
        making = asyncio.create_task(store.keys.of_service("second", "second", "index", makes=True))
        done, _ = await asyncio.wait({making}, timeout=0.1)
        assert not done, "it has to wait until these are forgotten"
        made.append(making)
        return there

    made: list[asyncio.Task[str]] = []
    await store.keys.forget_services(read)
    key = ApiKey.parse(await made[0])
    assert key.id in store.keys.signing
    assert len(store.keys.signing) == 2


async def test_a_service_has_one_key_of_its_own_for_as_long_as_it_asks(store: Store, tmp_path: Path) -> None:
    service = await store.services.create(manifest(), by="test")
    asked = (service.id, "greeter", "index")
    with pytest.raises(SecretMissing, match="bulkhead apikey create index"):
        await store.keys.of_service(*asked, makes=False)
    texts = await asyncio.gather(*(store.keys.of_service(*asked, makes=True) for _ in range(5)))
    assert len(set(texts)) == 1
    key = ApiKey.parse(texts[0])
    assert store.keys.signing == {key.id: key.secret}
    _, text = await store.keys.create("index", by="ada")
    assert await store.keys.of_service(*asked, makes=False) == text
    await store.keys.forget_services(asking({service.id: "index"}))
    assert len(store.keys.signing) == 2
    await store.services.delete(service.id)
    await store.keys.load()  # as the next server does, if this one was killed here
    assert list(store.keys.signing) == [ApiKey.parse(text).id]
    await store.keys.of_service("another", "other", "index", makes=True)
    await store.keys.forget_services(asking({"another": "renamed"}))  # it asks for one of another name
    assert list(store.keys.signing) == [ApiKey.parse(text).id]


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
