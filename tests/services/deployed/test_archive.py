"""What is unpacked of an archive, and that nothing else is."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from runtime.cli.failure import CommandFailed
from runtime.cli.service.packing import packed
from runtime.errors import InvalidRequest, NotFound
from runtime.services.deployed import archive
from runtime.services.deployed.archive import digest, unpack
from runtime.services.deployed.kept_folders import KeptFolders

pytestmark = pytest.mark.unit


def tar(*members: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                made.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def long_header(size: int) -> bytes:
    """A header of GNU tar that says that the next name is so long."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, size
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(size), compresslevel=1)


MAIN = ("main.py", b"pass")


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ((MAIN, ("../outside.py", b"")), "no path within"),
        ((MAIN, ("/etc/outside", b"")), "no path within"),
        ((MAIN, ("a/../../outside", b"")), "no path within"),
        ((MAIN, link("inner", "/etc/passwd")), "is a link"),
        ((MAIN, link("inner", "main.py", tarfile.LNKTYPE)), "is a link"),
        ((link("inner", "..", tarfile.SYMTYPE), ("inner/outside", b"")), "is a link"),
        ((MAIN, link("pipe", "", tarfile.FIFOTYPE)), "is no file"),
        ((MAIN, MAIN), "twice"),
        ((MAIN, ("main.py/inner", b"")), "twice"),
        ((("other.py", b""),), "no main.py"),
        ((MAIN, ("large", b"x" * 2000)), "more than 0 MiB"),
        ((MAIN, *((f"f{n}", b"") for n in range(20))), "more than 10 files"),
        ((MAIN, ("a/" * 20 + "f", b"")), "more than 10 files"),
        ((MAIN, ("f\udcff", b"")), "no name of a file"),
        ((MAIN, ("f" * 256, b"")), "no name of a file"),
    ],
)
def test_what_would_lead_out_or_is_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: tuple[tarfile.TarInfo, ...], told: str
) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    monkeypatch.setattr(archive, "MAX_FILES", 10)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InvalidRequest, match=told):
        unpack(tar(*members), folder)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_name_that_is_longer_than_the_memory_is_not_read(tmp_path: Path) -> None:
    sent = long_header(64 << 20)
    assert len(sent) < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest, match="headers of its files are too long"):
            unpack(sent, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "sent", [b"", b"\x1f\x8bno", gzip.compress(b"none" * 200, mtime=0)[:-9], b"BZh91AY&SY"]
)
def test_what_is_no_archive_is_refused_as_such(tmp_path: Path, sent: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"no tar of a bundle|no main\.py"):
        unpack(sent, tmp_path)


def test_a_folder_is_packed_without_what_nobody_sends_and_has_the_same_digest_there(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in (
        "main.py",
        "inner/words.py",
        ".git/config",
        "__pycache__/x.pyc",
        "data/raw/big",
        "notes.csv",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / ".env").write_text("KEY=1")
    (source / ".bulkheadignore").write_text("# what it learns from\ndata/raw\n*.csv\n")
    (source / "run.sh").write_text("")
    (source / "run.sh").chmod(0o755)
    os.symlink("main.py", source / "alias.py")
    found = packed(source)
    assert found.has_dotenv
    kept = KeptFolders(tmp_path / "kept")
    name = kept.keep(found.archive)
    place = kept.path(name)
    files = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert files == {"main.py", "alias.py", "inner/words.py", "run.sh"}
    assert os.access(place / "run.sh", os.X_OK)
    assert not (place / "alias.py").is_symlink()
    assert digest(place) == name == kept.keep(packed(source).archive)
    os.symlink("/etc/passwd", source / "outside")
    with pytest.raises(CommandFailed, match="a link out of"):
        packed(source)


def test_what_nobody_wants_and_nobody_runs_is_removed(tmp_path: Path) -> None:
    kept = KeptFolders(tmp_path / "kept")
    wanted, running, old = (kept.keep(tar(("main.py", text))) for text in (b"1", b"2", b"3"))
    (tmp_path / "kept" / ".coming-of-a-dead-server").mkdir()
    assert kept.prune({wanted}, {kept.path(running)}) == [old]
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {wanted, running}
    with pytest.raises(NotFound, match="not kept here any more"):
        kept.path(old)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read whatever its owner closed")
def test_a_folder_that_cannot_be_read_is_not_left_out_in_silence(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    (tmp_path / "closed").mkdir(mode=0o000)
    with pytest.raises(PermissionError, match="closed"):
        packed(tmp_path)
