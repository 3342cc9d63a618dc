"""Services: each change a revision, and any of these to be gone back to."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import Conflict, NotFound, SecretMissing, StoreFull
from runtime.services import service_store
from runtime.services.revisions import MAX_REVISIONS
from runtime.services.store import Store
from runtime.wire.manifest.template import read_template
from tests.services.conftest import SetClock, manifest, opened
from tests.wire.manifest.test_examples import FLAT_TEMPLATE

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


async def test_a_service_is_kept_with_who_made_it_and_when(store: Store, clock: SetClock) -> None:
    made = await store.services.create(manifest(), by="ada")
    assert made.spec == manifest() | {"id": made.id}
    assert (made.name, made.room, made.revision, made.is_enabled) == ("greeter", "", 1, True)
    (first,) = await store.services.history(made.id)
    assert (first.number, first.by, first.what, first.at) == (1, "ada", "created", clock.at)
    assert first.spec == manifest()
    assert await store.services.get(made.id) == made == await store.services.named("greeter")


async def test_each_change_is_a_revision_and_none_is_no_change(store: Store, clock: SetClock) -> None:
    made = await store.services.create(manifest(), by="ada")
    clock.at += 5
    changed = await store.services.update(made.id, manifest(image="greeter:2") | {"id": made.id}, by="bob")
    assert (changed.revision, changed.created_at, changed.updated_at) == (2, 1_000.0, 1_005.0)
    assert (await store.services.update(made.id, manifest(image="greeter:2"), by="eve")).revision == 2
    off = await store.services.enable(made.id, False, by="bob")
    assert (off.revision, off.is_enabled, off.spec["enabled"]) == (3, False, False)
    on = await store.services.enable(made.id, True, by="bob")
    assert (on.revision, on.is_enabled, "enabled" in on.spec) == (4, True, False)
    history = await store.services.history(made.id)
    assert [(one.number, one.by, one.what) for one in history] == [
        (4, "bob", "enabled"),
        (3, "bob", "disabled"),
        (2, "bob", "updated"),
        (1, "ada", "created"),
    ]


async def test_names_are_unique_in_a_room_and_in_the_project(store: Store) -> None:
    mine = await store.services.create(manifest(), by="a")
    await store.services.create(manifest(), by="a", room="lab")
    for room in ("", "lab"):
        with pytest.raises(Conflict, match='Service name already in use: "greeter"'):
            await store.services.create(manifest(), by="a", room=room)
    other = await store.services.create(manifest("other"), by="a")
    with pytest.raises(Conflict, match="already in use"):
        await store.services.update(other.id, manifest(), by="a")
    renamed = await store.services.update(mine.id, manifest("new"), by="a")
    assert (renamed.name, [one.name for one in await store.services.listed()]) == ("new", ["new", "other"])
    assert [one.room for one in await store.services.listed(room=None)] == ["lab", "", ""]
    assert [one.name for one in await store.services.listed(room="lab")] == ["greeter"]


async def test_of_two_changes_of_one_revision_the_second_is_told(store: Store) -> None:
    made = await store.services.create(manifest(), by="a")
    await store.services.update(made.id, manifest(image="b"), by="a", expected=1)
    with pytest.raises(service_store.ChangedMeanwhile, match="revision 2 is in force, not 1"):
        await store.services.update(made.id, manifest(image="c"), by="a", expected=1)
    assert (await store.services.get(made.id)).spec["container"]["image"] == "b"


async def test_going_back_brings_back_manifest_image_and_secrets(store: Store) -> None:
    secret = await store.secrets.create("KEY", b"first-value", by="a")
    wants = [{"name": "KEY", "secret": {"id": "KEY"}}]
    made = await store.services.create(manifest(environment=wants), by="a")
    await store.services.note_image(made.id, 1, "sha256:aaa")
    await store.secrets.give("KEY", b"second-value", by="a")
    assert await store.secrets.users("KEY") == ["greeter"]
    await store.services.renew(made.id, by="a")
    assert await store.secrets.users("KEY") == []
    await store.services.update(made.id, manifest("renamed", image="greeter:2"), by="a")
    back = await store.services.roll_back(made.id, 1, by="bob")
    assert (back.revision, back.name, back.image_digest) == (4, "greeter", "sha256:aaa")
    newest, _, second, first = await store.services.history(made.id)
    assert (newest.what, newest.by) == ("rolled back to 1", "bob")
    assert newest.secret_versions == first.secret_versions == {secret.id: 1}
    assert (second.what, second.secret_versions) == ("secrets changed", {secret.id: 2})
    assert await store.secrets.value(secret.id, 1) == b"first-value"
    with pytest.raises(NotFound, match="revision 9 is not kept"):
        await store.services.roll_back(made.id, 9, by="a")


async def test_an_image_that_stays_keeps_what_it_stood_for(store: Store) -> None:
    made = await store.services.create(manifest(), by="a")
    await store.services.note_image(made.id, 1, "sha256:aaa")
    assert (await store.services.update(made.id, manifest(command="x"), by="a")).image_digest == "sha256:aaa"
    assert (await store.services.update(made.id, manifest(image="other:1"), by="a")).image_digest == ""


async def test_a_secret_that_is_missing_stops_a_deployment_by_its_name(store: Store) -> None:
    asked = manifest(
        secrets=["one"], pull_secret={"id": "two"}, environment=[{"name": "A", "secret": {"id": "x"}}]
    )
    with pytest.raises(SecretMissing) as told:
        await store.services.create(asked, by="a")
    for named in (
        '"one" (container.secrets[0])',
        '"two"',
        '"x" (container.environment[0].secret)',
        "secret set",
    ):
        assert named in str(told.value)
    assert await store.services.listed(room=None) == []
    await store.secrets.create("empty", None, by="a")
    with pytest.raises(SecretMissing, match='a value of "empty"'):
        await store.services.create(manifest(secrets=["empty"]), by="a")


async def test_what_a_form_calls_secret_is_kept_as_one(store: Store, tmp_path: Path) -> None:
    rendered = read_template(FLAT_TEMPLATE).render({"key": "k-very-secret"})
    made = await store.services.create(rendered.service, by="a", obscured=rendered.obscured)
    tone, key = made.spec["container"]["environment"]
    (secret,) = await store.secrets.listed()
    assert (tone, key) == ({"name": "TONE", "value": ""}, {"name": "API_KEY", "secret": {"id": secret.id}})
    assert secret.name == "researcher.API_KEY"
    assert await store.secrets.value(secret.id, 1) == b"k-very-secret"
    again = await store.services.update(made.id, rendered.service, by="a", obscured=rendered.obscured)
    assert again.revision == 1
    for path in tmp_path.iterdir():
        assert b"k-very-secret" not in path.read_bytes()


async def test_what_people_write_into_variables_is_not_on_the_disk(store: Store, tmp_path: Path) -> None:
    await store.services.create(manifest(environment=[{"name": "PASSWORD", "value": "hunter22222"}]), by="a")
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"greeter" in held
    assert b"hunter22222" not in held


async def test_a_service_that_is_deleted_is_gone_with_its_history(store: Store) -> None:
    made = await store.services.create(manifest(), by="a")
    assert (await store.services.delete(made.id)).name == "greeter"
    for asked in (
        store.services.get(made.id),
        store.services.history(made.id),
        store.services.delete(made.id),
    ):
        with pytest.raises(NotFound):
            await asked
    assert (await store.services.create(manifest(), by="a")).revision == 1
    await store.services.create(manifest(), by="a", room="lab")
    assert [one.room for one in await store.services.delete_room("lab")] == ["lab"]
    assert await store.services.delete_room("") == []
    assert len(await store.services.listed(room=None)) == 1


async def test_revisions_and_services_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await store.services.create(manifest(), by="a")
    for number in range(MAX_REVISIONS + 3):
        await store.services.update(made.id, manifest(image=f"i:{number}"), by="a")
    history = await store.services.history(made.id)
    assert len(history) == MAX_REVISIONS
    assert history[0].number == MAX_REVISIONS + 4
    monkeypatch.setattr(service_store, "MAX_SERVICES", 1)
    with pytest.raises(StoreFull, match="1 services already"):
        await store.services.create(manifest("b"), by="a")


async def test_all_of_it_is_there_after_a_restart(store: Store, tmp_path: Path) -> None:
    made = await store.services.create(manifest(), by="a")
    await store.services.update(made.id, manifest(image="b"), by="a")
    _, text = await store.keys.create("ci", by="a")
    before = (await store.services.listed(), await store.services.history(made.id), store.keys.signing.copy())
    await store.copy(tmp_path / "copy.sqlite3")
    again = await opened(tmp_path / "copy.sqlite3")
    try:
        after = (await again.services.listed(), await again.services.history(made.id), again.keys.signing)
        assert after == before
        assert text.endswith(next(iter(again.keys.signing.values())))
    finally:
        await again.aclose()
