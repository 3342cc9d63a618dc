"""Being told of changes where files lie, where links lead, and where nobody tells."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from runtime.supervisor.bundles import file_watch
from runtime.supervisor.bundles.file_watch import FileWatch, watched

pytestmark = [pytest.mark.process, pytest.mark.asyncio]


@pytest_asyncio.fixture
async def watch() -> AsyncIterator[FileWatch]:
    made = FileWatch(forced=False)
    yield made
    await made.aclose()


async def following(watch: FileWatch, *files: Path, folders: tuple[Path, ...] = ()) -> None:
    """Watch, and take the first turn, which is there to look at what happened before."""
    watch.follow(watched(map(str, files), folders))
    assert await watch.wait()
    await asyncio.sleep(0.1)  # the system is asked in a thread, which says nothing


async def is_told(watch: FileWatch) -> bool:
    return await watch.wait(most_s=1.5)


async def test_a_save_is_told_and_what_lies_beside_is_not(watch: FileWatch, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("1")
    await following(watch, tmp_path / "main.py")
    (tmp_path / "notes.db").write_text("1")
    assert not await is_told(watch)
    (tmp_path / "main.py").write_text("2")
    assert await is_told(watch)


async def test_a_file_that_comes_later_is_told_also_in_a_folder_that_is_not_there(
    watch: FileWatch, tmp_path: Path
) -> None:
    await following(watch, tmp_path / "pkg" / "tools.py", tmp_path / "late.py")
    (tmp_path / "late.py").touch()
    assert await is_told(watch)
    (tmp_path / "pkg").mkdir()
    assert await is_told(watch)


async def test_a_link_that_is_swapped_is_told(watch: FileWatch, tmp_path: Path) -> None:
    for release in ("1", "2"):
        (tmp_path / "releases" / release).mkdir(parents=True)
        (tmp_path / "releases" / release / "main.py").write_text(release)
    link = tmp_path / "current"
    link.symlink_to("releases/1")
    await following(watch, link / "main.py")
    (tmp_path / "new").symlink_to("releases/2")
    (tmp_path / "new").replace(link)
    assert await is_told(watch)


async def test_so_is_the_swap_that_kubernetes_does(watch: FileWatch, tmp_path: Path) -> None:
    for version in ("..1", "..2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "chat.py").write_text(version)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "chat.py").symlink_to("..data/chat.py")
    await following(watch, tmp_path / "chat.py", folders=(tmp_path,))
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert await is_told(watch)


async def test_a_new_program_in_a_folder_of_agents_is_told_and_new_data_is_not(
    watch: FileWatch, tmp_path: Path
) -> None:
    await following(watch, folders=(tmp_path,))
    (tmp_path / "notes.json").touch()
    (tmp_path / ".main.py.swp").touch()
    assert not await is_told(watch)
    (tmp_path / "chat.py").touch()
    assert await is_told(watch)


async def test_a_folder_that_was_exchanged_is_watched_anew(watch: FileWatch, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("1")
    await following(watch, tmp_path / "app" / "main.py")
    (tmp_path / "app").rename(tmp_path / "old")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("1")
    await following(watch, tmp_path / "app" / "main.py")
    (tmp_path / "app" / "main.py").write_text("2")
    assert await is_told(watch)


async def test_where_nobody_tells_it_is_looked_and_said_once(
    watch: FileWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_watch, "_LATE_S", 0.01)
    with capture_logs() as logs:
        await watch.missed()
        assert not watch.is_polling  # once may be chance
        await watch.missed()
        await watch.missed()
    assert watch.is_polling
    assert [line["event"] for line in logs] == ["watch.polling"]
    assert "mount" in logs[0]["detail"]


async def test_polling_that_is_asked_for_is_said_too(monkeypatch: pytest.MonkeyPatch, within: Any) -> None:
    monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "1")
    with capture_logs() as logs:
        watch = FileWatch()
    assert watch.is_polling
    assert "WATCHFILES_FORCE_POLLING" in logs[0]["detail"]
    watch.follow(watched(["/tmp/x.py"], ()))
    assert not await within(2, watch.wait())
    monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "false")
    assert not FileWatch().is_polling


NO_INOTIFY = """
import asyncio, pathlib, sys
from runtime.supervisor.bundles.file_watch import FileWatch, watched
async def main():
    pathlib.Path("/proc/sys/user", sys.argv[2]).write_text("0")
    watch = FileWatch(forced=False)
    watch.follow(watched([sys.argv[1]], ()))
    while not watch.is_polling:
        await watch.wait(most_s=0.1)
    await watch.aclose()
asyncio.run(main())
"""


@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
async def test_a_limit_of_the_system_is_said_with_its_cure(
    tmp_path: Path, unshare: Callable[..., list[str]], limit: str
) -> None:
    argv = unshare(sys.executable, "-c", NO_INOTIFY, str(tmp_path / "x.py"), limit)
    done = await asyncio.to_thread(
        subprocess.run, argv, capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert "watch.polling" in done.stdout
    assert "fs.inotify" in done.stdout


@pytest.fixture
def unshare() -> Callable[..., list[str]]:
    """A command in a user namespace of its own, whose limits are its own."""
    prefix = ["unshare", "--user", "--map-root-user"]
    tried = subprocess.run([*prefix, "test", "-w", "/proc/sys/user/max_inotify_instances"], check=False)
    if tried.returncode:
        pytest.skip("no user namespaces here")
    return lambda *argv: [*prefix, *argv]
