"""What holds each session of a zygote: their rules are looked up once for many, and left out for none."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest

from runtime.process.confine import inner, landlock
from runtime.process.confine.inner import Inner
from tests.process.confine.conftest import in_child

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(landlock.abi() == 0, reason="the kernel has no Landlock"),
]


def held(tmp_path: Path, *paths: Path) -> dict[str, Any]:
    private = tmp_path / "private"
    private.mkdir()
    rules = [(str(path), landlock.READ, True) for path in paths]
    return {"inner": rules, "private": str(private), "short": "", "level": "basic", "users": []}


def read(made: Inner, name: str, *paths: Path) -> str:
    """What a session of this name reads of each path; - where it may not."""
    entry = made.entry(name)

    def attempt(path: Path) -> str:
        try:
            return path.read_text()
        except PermissionError:
            return "-"

    def work() -> str:
        landlock.give_up_new_privileges()
        entry.enter()
        Path(entry.folder, "own").write_text(name)
        return " ".join(map(attempt, paths))

    try:
        return in_child(work)
    finally:
        entry.close()


def test_each_has_its_own_folder_and_what_is_granted_and_paths_are_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, other = tmp_path / "shared", tmp_path / "other"
    for each in (shared, other):
        each.write_text(each.name)
    made = Inner(held(tmp_path, shared, tmp_path / "later"))
    looked_up: list[str] = []
    opened = inner.ring.opened

    def counted(path: str, *, exactly: bool) -> int | None:
        looked_up.append(path)
        return opened(path, exactly=exactly)

    monkeypatch.setattr(inner.ring, "opened", counted)
    own = tmp_path / "private" / "one" / "own"
    assert read(made, "one", shared, other) == "shared -"
    assert read(made, "two", shared, other, own) == "shared - -"
    assert looked_up.count(str(shared)) == 1
    made.forget()


def test_what_comes_to_lie_there_counts_for_those_that_are_forked_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inner, "FRESH_S", 0.0)
    shared = tmp_path / "shared"
    made = Inner(held(tmp_path, shared))
    shared.write_text("new")
    assert read(made, "one", shared) == "new"
    (tmp_path / "aside").write_text("newer")
    (tmp_path / "aside").rename(shared)
    assert read(made, "two", shared) == "newer"
    made.forget()


def test_without_descriptors_there_is_no_session_rather_than_one_that_lacks_a_right(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.write_text("x")
    made = Inner(held(tmp_path, *[shared] * 9))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 6, hard))  # not for all at once
        assert read(made, "first", shared) == "x"
        resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))
        with pytest.raises(OSError, match="Too many open files"):
            made.entry("one")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert read(made, "one", shared) == "x"
    made.forget()
