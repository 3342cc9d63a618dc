"""What bundles declared is known to the next server."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.supervisor.bundles.confined import declared
from runtime.supervisor.bundles.confined.declared import FILE, DeclaredBefore

pytestmark = pytest.mark.unit

SAID = {"/a": {"write": ["data"]}, "/b": {}}


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    (tmp_path / "a").mkdir()
    return str(tmp_path / "a")


def test_it_is_kept_and_forgotten_when_nothing_is_asked_for_any_more(tmp_path: Path, bundle: str) -> None:
    before = DeclaredBefore(tmp_path)
    assert before.last(bundle) == {}
    before.note(bundle, SAID)
    assert before.last(bundle) == DeclaredBefore(tmp_path).last(bundle) == SAID
    before.note(bundle, {"/a": {}, "/b": {}})
    assert DeclaredBefore(tmp_path).last(bundle) == {}


def test_what_asks_for_nothing_writes_nothing(tmp_path: Path, bundle: str) -> None:
    DeclaredBefore(tmp_path).note(bundle, {"/a": {}})
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"/x": []}', '{"/x": {"/a": 3}}', "[" * 100_000])
def test_a_file_that_is_damaged_says_nothing(tmp_path: Path, bundle: str, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    before = DeclaredBefore(tmp_path)
    assert before.last("/x") == {}
    before.note(bundle, SAID)
    assert DeclaredBefore(tmp_path).last(bundle) == SAID


def test_bundles_that_are_gone_are_forgotten_and_never_more_are_kept(
    tmp_path: Path, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declared, "_MAX_BUNDLES", 2)
    before = DeclaredBefore(tmp_path)
    for name in ("b", "c", "d"):
        (tmp_path / name).mkdir()
        before.note(str(tmp_path / name), SAID)
    (tmp_path / "d").rmdir()
    before.note(bundle, SAID)
    again = DeclaredBefore(tmp_path)
    assert [bool(again.last(str(tmp_path / name))) for name in "abcd"] == [True, False, True, False]
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    before.note(bundle, {"/a": {"read": ["x"]}})  # cannot be written: no error
