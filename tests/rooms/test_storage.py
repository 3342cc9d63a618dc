"""Files: handles of the older dialect, streams of the newer, confinement and quota."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SystemClock
from runtime.errors import Conflict, InvalidRequest, NotFound, PermissionDenied, RoomFull
from runtime.files import removal
from runtime.rooms.files import Files, clean_path
from runtime.rooms.hub import RoomHub
from runtime.rooms.limits import RoomLimits
from runtime.rooms.signing.links import LINK_S

pytestmark = pytest.mark.process

BLOB = os.urandom(300_000)


async def write(client: Any, path: str, data: bytes, *, overwrite: bool = True) -> None:
    handle = await client.json("storage.open", {"path": path, "overwrite": overwrite})
    for start in range(0, len(data), 100_000):
        await client.ask("storage.write", handle, data[start : start + 100_000])
    await client.ask("storage.close", handle)


async def upload(
    client: Any, path: str, data: bytes, *, size: int | None = None, overwrite: bool = True
) -> int:
    """Upload as newer clients do; the number of pulls."""
    stream = await client.stream("storage.upload")
    start = {
        "kind": "start",
        "path": path,
        "overwrite": overwrite,
        "name": "n",
        "mime_type": "m",
        "size": size,
    }
    await stream.send(start)
    pulls = 0
    while True:
        chunk, _ = await stream.receive()
        if chunk["type"] == "error":
            raise AssertionError(chunk["text"])
        if chunk["type"] == "control":
            assert chunk == {"type": "control", "method": "close", "status_code": 1000}
            return pulls
        assert chunk["headers"] == {"kind": "pull", "chunk_size": 65_536}
        piece = data[pulls * 65_536 : (pulls + 1) * 65_536]
        pulls += 1
        if piece:
            await stream.send({"kind": "data"}, piece)
        else:
            await stream.close()


async def download(client: Any, path: str) -> tuple[dict[str, Any], bytes]:
    stream = await client.stream("storage.download")
    await stream.send({"kind": "start", "path": path, "chunk_size": 70_000})
    start, _ = await stream.receive()
    if start["type"] == "error":
        raise AssertionError(start["text"])
    data = b""
    while len(data) < start["headers"]["size"]:
        await stream.send({"kind": "pull"})
        chunk, piece = await stream.receive()
        assert chunk["headers"] == {"kind": "data"}
        assert len(piece) <= 70_000
        data += piece
    assert (await stream.receive())[0]["method"] == "close"
    return start["headers"], data


@pytest.mark.asyncio
async def test_files_written_in_one_dialect_are_read_in_the_other(house: Any) -> None:
    ada = await house.join("ada")
    await write(ada, "a/b.bin", BLOB)
    assert await upload(ada, "/a/c.txt", BLOB, size=len(BLOB)) == 5
    for path, mime_type in (("a/b.bin", "application/octet-stream"), ("a/c.txt", "text/plain")):
        answer = await ada.ask("storage.download", {"path": path})
        assert answer.header == {"type": "file", "name": path[2:], "mime_type": mime_type}
        assert answer.data == BLOB
        headers, data = await download(ada, path)
        assert headers == {"kind": "start", "name": path[2:], "mime_type": mime_type, "size": len(BLOB)}
        assert data == BLOB


@pytest.mark.asyncio
async def test_uploads_of_unknown_size_and_empty_files(house: Any) -> None:
    ada = await house.join("ada")
    await upload(ada, "unknown", BLOB)
    await upload(ada, "empty", b"", size=0)
    assert (await download(ada, "unknown"))[1] == BLOB
    assert (await download(ada, "empty"))[1] == b""


@pytest.mark.asyncio
async def test_an_upload_that_ends_early_leaves_nothing(house: Any, state_dir: Path) -> None:
    ada = await house.join("ada")
    with pytest.raises(AssertionError, match="ended after"):
        await upload(ada, "cut", BLOB, size=len(BLOB) + 1)
    assert await ada.json("storage.exists", {"path": "cut"}) == {"exists": False}
    bob = await house.join("bob")
    await bob.ask("storage.open", {"path": "never", "overwrite": True})
    await bob.leave()
    await house.hub.aclose()
    assert list((state_dir / "rooms" / "data" / "lab" / "staging").iterdir()) == []


@pytest.mark.asyncio
async def test_listings_and_descriptions(house: Any) -> None:
    ada = await house.join("ada")
    await write(ada, "f/x.txt", b"12345")
    for path in ("f", "/f/", "./f"):
        (old,) = (await ada.json("storage.list", {"path": path}))["files"]
        (new,) = (await ada.tool("storage.list", {"path": path})).header["json"]["files"]
        assert set(old) == {"name", "is_folder", "created_at", "updated_at"}
        assert new == {**old, "size": 5}
        assert (old["name"], old["is_folder"]) == ("x.txt", False)
    assert [file["name"] for file in (await ada.json("storage.list", {"path": ""}))["files"]] == ["f"]
    assert (await ada.json("storage.stat", {"path": "f"}))["is_folder"] is True
    assert await ada.json("storage.stat", {"path": "nothing"}) == {"exists": False}
    assert (await ada.tool("storage.stat", {"path": "f/x.txt"})).header["json"]["size"] == 5
    assert await ada.json("storage.exists", {"path": "f"}) == {"exists": True}


@pytest.mark.asyncio
async def test_listing_a_file_or_a_missing_folder_fails_but_schemas_always_list(house: Any) -> None:
    ada = await house.join("ada")
    await write(ada, "x.txt", b"1")
    for path in ("x.txt", "missing", "x.txt/y"):
        with pytest.raises(Exception, match="no folder") as caught:
            await ada.ask("storage.list", {"path": path})
        assert caught.value.code == 1003
        with pytest.raises(Exception, match="no folder"):
            await ada.tool("storage.list", {"path": path})
    listed = await ada.json("storage.list", {"path": ".schemas"})
    assert "thread.json" in [one["name"] for one in listed["files"]]
    nobody = await house.join("nobody", scope={})
    assert await nobody.json("storage.list", {"path": ".schemas"}) == {"files": []}


@pytest.mark.asyncio
async def test_everybody_is_told_about_changes(house: Any) -> None:
    ada, ghost = await house.join("ada"), await house.join("ghost")
    await write(ada, "/a.txt", b"1")
    await ada.tool("storage.move", {"source_path": "a.txt", "destination_path": "b.txt", "overwrite": False})
    await ada.ask("storage.delete", {"path": "b.txt"})
    for client in (ada, ghost):
        told = await client.push("storage.file.updated")
        assert told.header == {"path": "a.txt", "participant_id": ada.id}
        moved = await client.push("storage.file.moved")
        assert moved.header == {"source_path": "a.txt", "destination_path": "b.txt", "participant_id": ada.id}
        assert (await client.push("storage.file.deleted")).header["path"] == "b.txt"


@pytest.mark.asyncio
async def test_what_exists_is_replaced_only_when_asked(house: Any) -> None:
    ada = await house.join("ada")
    await write(ada, "a", b"1")
    with pytest.raises(Exception, match="exists already"):
        await ada.ask("storage.open", {"path": "a", "overwrite": False})
    with pytest.raises(AssertionError, match="exists already"):
        await upload(ada, "a", b"2", overwrite=False)
    await upload(ada, "a", b"2", size=1)
    assert (await ada.ask("storage.download", {"path": "a"})).data == b"2"


@pytest.mark.asyncio
async def test_folders_are_deleted_only_recursively(house: Any) -> None:
    ada = await house.join("ada")
    await write(ada, "f/g/x", b"1")
    for path in ("", "/", "."):
        with pytest.raises(Exception, match="root"):
            await ada.ask("storage.delete", {"path": path, "recursive": True})
    with pytest.raises(Exception, match="recursively"):
        await ada.ask("storage.delete", {"path": "f"})
    await ada.ask("storage.delete", {"path": "f", "recursive": True})
    with pytest.raises(Exception, match="no file"):
        await ada.ask("storage.delete", {"path": "f", "recursive": True})


@pytest.mark.asyncio
async def test_no_path_leaves_the_room(house: Any, state_dir: Path) -> None:
    ada = await house.join("ada")
    await write(ada, "a", b"1")
    os.symlink("/etc", state_dir / "rooms" / "data" / "lab" / "files" / "link")
    for path in ("../secret", "a/../../b", "/../x", "link/passwd", "x\x00y", "a" * 2000, "b" * 300):
        with pytest.raises(Exception, match=r"outside|zero byte|longer"):
            await ada.ask("storage.download", {"path": path})
        with pytest.raises(Exception, match=r"outside|zero byte|longer"):
            await write(ada, path, b"x")
        with pytest.raises(Exception, match=r"outside|zero byte|longer"):
            await ada.ask("storage.delete", {"path": path, "recursive": True})
    assert "link" not in str(await ada.json("storage.list", {"path": ""}))


def test_a_link_is_deleted_and_never_what_it_leads_to(files: Files, tmp_path: Path) -> None:
    root = tmp_path / "room/files"
    (root / "folder").mkdir()
    (root / "folder/file").write_text("x" * 10)
    targets = {
        "in": "folder/file",
        "out": tmp_path / "secret",
        "to folder": "folder",
        "up": "..",
        "gone": "no",
    }
    for name, target in targets.items():
        (root / name).symlink_to(target)
    files.prepare()
    used = files.used_bytes
    for name in targets:
        assert files.delete(name, recursive=True) == (0, True)
        assert not (root / name).is_symlink()
    (root / "folder/deep").symlink_to(tmp_path)
    with pytest.raises(InvalidRequest, match="outside"):
        files.delete("folder/deep/secret", recursive=False)
    files.delete("folder/deep", recursive=False)
    assert (tmp_path / "secret").read_text() == "the server's"
    assert (root / "folder/file").exists()
    files.prepare()
    assert files.used_bytes == used == 10


@pytest.mark.asyncio
async def test_a_handle_belongs_to_who_opened_it(house: Any) -> None:
    ada, eve = await house.join("ada"), await house.join("eve")
    handle = await ada.json("storage.open", {"path": "a", "overwrite": True})
    for kind in ("storage.write", "storage.close"):
        with pytest.raises(Exception, match="handle"):
            await eve.ask(kind, handle, b"x")


@pytest.mark.asyncio
async def test_storage_and_open_files_are_bounded(build: Any) -> None:
    house = await build(RoomLimits(max_storage_bytes=1000, max_open_files=2, max_message_bytes=10_000))
    ada = await house.join("ada")
    await write(ada, "a", b"x" * 600)
    with pytest.raises(Exception, match="may have 1000 bytes"):
        await write(ada, "b", b"x" * 600)
    await ada.ask("storage.delete", {"path": "a"})
    await ada.ask("storage.open", {"path": "c", "overwrite": True})  # beside the one that failed above
    with pytest.raises(Exception, match="uploads in progress"):
        await ada.ask("storage.open", {"path": "d", "overwrite": True})
    bob = await house.join("bob")
    await ada.leave()
    await house.happened("participant_left", "ada")
    for _ in range(3):  # replacing takes no further room, and what was left unfinished counts no more
        await write(bob, "a", b"x" * 400)
    await house.hub.aclose()
    again = await build(RoomLimits(max_storage_bytes=1000))
    with pytest.raises(Exception, match="may have 1000 bytes"):
        await write(await again.join("bob"), "b", b"x" * 700)


@pytest.mark.asyncio
@pytest.mark.parametrize("what", ["commit", "delete"])
async def test_what_somebody_does_who_leaves_meanwhile_is_counted(build: Any, what: str) -> None:
    house = await build(RoomLimits(max_storage_bytes=1000))
    ada, bob = await house.join("ada"), await house.join("bob")
    if what == "delete":
        await write(ada, "a", b"x" * 600)
    else:
        handle = await ada.json("storage.open", {"path": "a", "overwrite": True})
        await ada.ask("storage.write", handle, b"x" * 600)
    files, begun, proceed = house.hub._rooms["lab"]._files, threading.Event(), threading.Event()
    do, at_its_end = getattr(files, what), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(*given: Any, **more: Any) -> Any:
        begun.set()
        assert proceed.wait(10)
        try:
            return do(*given, **more)
        finally:
            loop.call_soon_threadsafe(at_its_end.set)

    setattr(files, what, slow)
    await (
        ada.send("storage.delete", {"path": "a"}) if what == "delete" else ada.send("storage.close", handle)
    )
    await asyncio.to_thread(begun.wait, 10)
    ada.cut()
    await house.happened("participant_left", "ada")
    proceed.set()
    await at_its_end.wait()
    setattr(files, what, do)
    if what == "delete":
        await write(bob, "b", b"x" * 600)
    else:
        with pytest.raises(Exception, match="may have 1000 bytes"):
            await write(bob, "b", b"x" * 600)


@pytest.mark.asyncio
async def test_a_folder_that_somebody_goes_on_writing_to_is_not_told_as_deleted(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await build(RoomLimits(max_storage_bytes=1000))
    ada, empty = await house.join("ada"), removal._empty
    await write(ada, "f/a", b"x" * 600)

    def written_meanwhile(folder: int, top: int) -> None:
        empty(folder, top)
        os.write(fd := os.open("log", os.O_WRONLY | os.O_CREAT, dir_fd=folder), b"x" * 100)
        os.close(fd)

    with monkeypatch.context() as patched:
        patched.setattr(removal, "_empty", written_meanwhile)
        with pytest.raises(Exception, match="not all of 'f' could be deleted"):
            await ada.ask("storage.delete", {"path": "f", "recursive": True})
    listed = await ada.json("storage.list", {"path": "f"})
    assert [one["name"] for one in listed["files"]] == ["log"]
    with pytest.raises(Exception, match="may have 1000 bytes"):
        await write(ada, "b", b"x" * 901)
    await write(ada, "b", b"x" * 900)
    await ada.ask("storage.delete", {"path": "f", "recursive": True})
    assert await ada.json("storage.exists", {"path": "f"}) == {"exists": False}


@pytest.mark.asyncio
async def test_a_file_too_large_for_one_message_says_so(build: Any) -> None:
    house = await build(RoomLimits(max_message_bytes=100_000))
    ada = await house.join("ada")
    await upload(ada, "big", BLOB, size=len(BLOB))
    with pytest.raises(Exception, match="too many for one message"):
        await ada.ask("storage.download", {"path": "big"})
    assert (await download(ada, "big"))[1] == BLOB


@pytest.mark.asyncio
async def test_grants_for_files(house: Any) -> None:
    ada = await house.join("ada", scope={"storage": {"paths": [{"path": "pub", "read_only": True}]}})
    boss = await house.join("boss")
    await write(boss, "pub/x", b"1")
    await write(boss, "private", b"1")
    assert (await ada.ask("storage.download", {"path": "pub/x"})).data == b"1"
    for kind, path in (
        ("storage.download", "private"),
        ("storage.open", "pub/y"),
        ("storage.delete", "pub/x"),
    ):
        with pytest.raises(Exception, match="does not allow") as caught:
            await ada.ask(kind, {"path": path, "overwrite": True})
        assert caught.value.code == 1001


@pytest.mark.asyncio
async def test_a_link_opens_its_one_file_for_a_while(house: Any) -> None:
    ada = await house.join("ada")
    await write(ada, "docs/a b.txt", b"hello")
    await write(ada, "secret", b"no")
    for ask in (ada.ask, ada.tool):
        url = (await ask("storage.download_url", {"path": "docs/a b.txt"})).header["json"]["url"]
        assert url.startswith(f"{house.url.replace('ws', 'http', 1)}/rooms/lab/files/docs/a%20b.txt?token=")
        token = url.partition("token=")[2]
        found = await house.hub.linked_file("lab", "docs/a b.txt", token)
        assert (found.name, found.read(0, 100)) == ("a b.txt", b"hello")
        for room, path in (("lab", "secret"), ("lab", "docs/../secret"), ("other", "docs/a b.txt")):
            with pytest.raises((PermissionDenied, InvalidRequest)):
                await house.hub.linked_file(room, path, token)
        with pytest.raises(PermissionDenied):
            house.hub.admit("lab", token)
        with pytest.raises(Exception, match="no file"):
            await ask("storage.download_url", {"path": "nothing"})
    with pytest.raises(PermissionDenied):
        await house.hub.linked_file("lab", "secret", house.hub.token("lab", "ada"))


@pytest.mark.asyncio
async def test_a_link_ends_with_its_hour(state_dir: Path) -> None:
    class Later(SystemClock):
        ahead_s = 0.0

        def wall(self) -> float:
            return super().wall() + self.ahead_s

    clock = Later()
    hub = RoomHub(state_dir=state_dir, clock=clock)
    (state_dir / "rooms/data/lab/files").mkdir(parents=True)
    (state_dir / "rooms/data/lab/files/a").write_bytes(b"1")
    url = hub._links.make("wss://x/rooms/lab", "lab", "a")
    assert url.startswith("https://x/rooms/lab/files/a?token=")
    token = url.partition("token=")[2]
    assert await hub.linked_file("lab", "a", token)
    clock.ahead_s = LINK_S + 1
    with pytest.raises(PermissionDenied, match="expired"):
        await hub.linked_file("lab", "a", token)


def test_paths_have_one_spelling() -> None:
    assert [clean_path(path) for path in ("/a//b/", "./a/b", "a/b")] == ["a/b"] * 3
    assert [clean_path(path) for path in ("", "/", ".")] == [""] * 3
    with pytest.raises(InvalidRequest):
        clean_path("a/\ud800")


def test_folders_that_a_file_needs_are_their_owners_alone(tmp_path: Path) -> None:
    files = Files(tmp_path / "files", tmp_path / "staging", max_bytes=10)
    files.prepare()
    files.commit(files.stage(), "a/b/c", overwrite=False)
    files.move("a/b/c", "d/e/c", overwrite=False)
    for folder in ("a", "a/b", "d", "d/e"):
        assert (tmp_path / "files" / folder).stat().st_mode & 0o077 == 0, folder


def test_moving_on_disk(tmp_path: Path) -> None:
    files = Files(tmp_path / "files", tmp_path / "staging", max_bytes=10)
    files.prepare()
    for path in ("f/a", "b"):
        files.commit(files.stage(), path, overwrite=False)
    with pytest.raises(Conflict):
        files.move("b", "f/a", overwrite=False)
    with pytest.raises(Conflict):
        files.move("f", "f/inside", overwrite=False)
    with pytest.raises(Conflict):
        files.commit(files.stage(), "b/below-a-file", overwrite=False)
    with pytest.raises(NotFound):
        files.move("missing", "c", overwrite=False)
    files.move("f", "g/h", overwrite=False)
    assert [entry.name for entry in files.list("g/h")] == ["a"]
    files.reserve(10)
    with pytest.raises(RoomFull):
        files.reserve(1)


# ---- what containers of the room do meanwhile


@pytest.fixture
def files(tmp_path: Path) -> Files:
    (tmp_path / "secret").write_text("the server's")
    made = Files(tmp_path / "room/files", tmp_path / "room/staging", max_bytes=1 << 20)
    made.prepare()
    return made


def swapped_after_the_look(files: Files, monkeypatch: pytest.MonkeyPatch, place: Path, target: Path) -> None:
    """A container puts a link there right after the path was looked at."""
    look = files._refuse_links

    def late(path: str) -> None:
        look(path)
        if not place.is_symlink():
            place.rename(place.with_name("aside"))
            place.symlink_to(target)

    monkeypatch.setattr(files, "_refuse_links", late)


def test_a_link_that_comes_between_the_look_and_the_use_leads_nowhere(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "room/files"
    (root / "folder").mkdir()
    (root / "folder/file").write_text("innocent")
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/file").write_text("the server's")
    staged = files.stage()
    files.append(staged, b"evil")
    for act in (
        lambda: files.read("folder/file", max_bytes=100),
        lambda: files.commit(staged, "folder/file", overwrite=True),
        lambda: files.commit(staged, "folder/deeper/new", overwrite=True),
        lambda: files.delete("folder/file", recursive=False),
        lambda: files.move("folder/file", "mine", overwrite=True),
        lambda: files.list("folder"),
    ):
        with monkeypatch.context() as patched:
            swapped_after_the_look(files, patched, root / "folder", tmp_path / "victim")
            with pytest.raises((NotFound, Conflict, InvalidRequest)):
                act()
        (root / "folder").unlink()
        (root / "aside").rename(root / "folder")
    with monkeypatch.context() as patched:
        swapped_after_the_look(files, patched, root / "folder/file", tmp_path / "secret")
        with pytest.raises(NotFound):
            files.read("folder/file", max_bytes=100)
    assert [one.name for one in (tmp_path / "victim").iterdir()] == ["file"]
    assert (tmp_path / "victim/file").read_text() == "the server's"


def test_a_pipe_is_no_file_and_keeps_nobody_waiting(files: Files, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "room/files/pipe")
    assert files.stat("pipe") is None
    assert files.list("") == []
    for act in (lambda: files.size("pipe"), lambda: files.read("pipe", max_bytes=1)):
        with pytest.raises(NotFound):
            act()
    assert files.delete("pipe", recursive=False) == (0, True)


def test_folders_in_folders_without_end_are_deleted(files: Files, tmp_path: Path) -> None:
    (tmp_path / "room/files/top").mkdir()
    inside = os.open(tmp_path / "room/files/top", os.O_RDONLY)
    for _ in range(200):
        os.mkdir("d", dir_fd=inside)
        deeper = os.open("d", os.O_RDONLY, dir_fd=inside)
        os.close(inside)
        inside = deeper
    os.close(inside)
    with pytest.raises(Conflict):
        files.delete("top", recursive=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 50, hard))
    try:
        files.delete("top", recursive=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert files.list("") == []
