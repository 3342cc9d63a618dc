"""Private folders: one for each session, gone with it, whatever was made in it, and nothing beside it."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.files import removal
from runtime.process.confine.home import short
from runtime.process.confine.home.private import IMPORT, PrivateFolders, clear_leftovers

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

Within = Callable[[float, Any], Any]


async def gone(path: str | Path) -> None:
    while os.path.lexists(path):
        await asyncio.sleep(0.01)


def hard_to_remove(folder: Path, outside: Path) -> None:
    (folder / "link").symlink_to(outside)
    (folder / "closed").mkdir()
    (folder / "closed" / "file").write_text("x")
    (folder / "closed").chmod(0)
    os.mkfifo(folder / "fifo")
    here = os.open(folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/socket")  # the folder's own path may be too long for one
    for _ in range(2000):  # deeper than a path may be long, and than Python calls itself
        os.mkdir("deeper", dir_fd=here)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


async def test_it_is_removed_with_whatever_is_in_it(tmp_path: Path, within: Within) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    folders = PrivateFolders(str(tmp_path / "state"))
    name, other = folders.new(), folders.new()
    path, others = folders.make(name), folders.make(other)
    assert oct(os.stat(path).st_mode & 0o777) == "0o700"
    hard_to_remove(Path(path), outside)
    folders.leave(name)
    folders.leave(name)
    await within(20, gone(path))
    assert (outside / "kept").read_text() == "x"
    assert os.path.isdir(others)
    folders.close()
    folders.leave(other)
    await within(20, gone(folders.path))


async def test_what_a_dead_server_left_is_cleared_and_a_living_ones_is_not(
    tmp_path: Path, within: Within
) -> None:
    state = str(tmp_path)
    living = PrivateFolders(state)
    left = tmp_path / "sessions" / "abcdef"
    (left / IMPORT).mkdir(parents=True)
    hard_to_remove(left / IMPORT, tmp_path)
    (tmp_path / "sessions" / "link").symlink_to(tmp_path)
    assert await asyncio.to_thread(clear_leftovers, state) == 1
    assert not left.exists()
    assert os.path.isdir(living.path)
    living.close()
    await within(20, gone(living.path))
    assert await asyncio.to_thread(clear_leftovers, str(tmp_path / "nowhere")) == 0


async def test_what_cannot_be_removed_does_not_stop_the_rest(
    tmp_path: Path, within: Within, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = PrivateFolders(str(tmp_path))
    name = folders.new()
    path = Path(folders.make(name))
    (path / "stuck").mkdir()
    (path / "other").mkdir()
    opened = removal._opened

    def not_that(parent: int, name: str) -> int:
        if name == "stuck":
            raise OSError("immutable")
        return opened(parent, name)

    monkeypatch.setattr(removal, "_opened", not_that)
    folders.leave(name)
    folders.close()
    await within(20, folders.gone(20))
    assert path.joinpath("stuck").is_dir()
    assert not path.joinpath("other").exists()


async def test_a_link_put_in_place_of_a_folder_leads_to_no_other_mode(tmp_path: Path) -> None:
    """Between the look at a folder and the change of its mode, somebody who lives may exchange it."""
    (tmp_path / "victim").mkdir(mode=0o755)
    (tmp_path / "folder").symlink_to("victim")
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="folder"):
            removal._open_up(here, "folder")
        os.mkdir("closed", 0, dir_fd=here)
        removal._open_up(here, "closed")
    finally:
        os.close(here)
    assert (tmp_path / "victim").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "closed").stat().st_mode & 0o777 == 0o700


FORKSERVER = """
    import multiprocessing, os, sys
    from runtime.process.confine import landlock, ring

    def work():
        pass

    if __name__ == "__main__":
        own, way = sys.argv[1:]
        os.environ["TMPDIR"] = way
        rules = [("/", landlock.READ, False), (own, landlock.WRITE, True), ("/dev", landlock.WRITE, False)]
        if landlock.abi():
            ring.ruleset(rules).restrict()
        process = multiprocessing.get_context("forkserver").Process(target=work)
        process.start()
        process.join()
        sys.exit(process.exitcode)
"""


async def test_sockets_can_be_made_in_a_folder_however_deep_the_state_lies(
    tmp_path: Path, within: Within
) -> None:
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(FORKSERVER))
    folders = PrivateFolders(str(tmp_path / ("deep" * 20)))
    name = folders.new()
    own, way = folders.make(name), os.path.join(folders.short, name)
    assert len(way) <= short.LONGEST < len(own)
    root = str(Path(__file__).resolve().parents[3])
    env = {**os.environ, "PYTHONPATH": root}

    def run(to: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, str(script), own, to]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    ran = await asyncio.to_thread(run, way)
    assert ran.returncode == 0, ran.stderr
    assert (await asyncio.to_thread(run, own)).returncode != 0, "by the long path it cannot be had"
    folders.leave(name)
    folders.close()
    await within(20, gone(folders.path))
    await within(20, gone(os.path.dirname(folders.short)))


async def test_the_short_way_of_a_server_that_died_is_taken_away(tmp_path: Path) -> None:
    state = tmp_path / ("deep" * 20)
    lives, dead = PrivateFolders(str(state)), short.ShortWay(str(state / "sessions" / "gone"))
    others = short.ShortWay(str(tmp_path / "elsewhere" / "sessions" / "gone"))
    for way in (dead, others):
        os.close(way._fd)
        way._fd = -1
    try:
        clear_leftovers(str(state))
        assert not os.path.lexists(os.path.dirname(dead.path))
        assert os.path.lexists(others.path), "of another server"
        assert os.path.lexists(lives.short), "of one that lives"
    finally:
        short.clear_leftovers(str(tmp_path / "elsewhere" / "sessions"))
        lives.close()
        await lives.gone(20)


async def test_a_path_that_is_short_anyway_needs_no_other(tmp_path: Path) -> None:
    assert short.ShortWay.where_needed("/srv/state/sessions/3f2a9c", 6) is None


async def test_what_cannot_be_begun_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(OSError, match="Too many open files"):
        PrivateFolders(str(tmp_path))
    assert os.listdir(tmp_path / "sessions") == []
