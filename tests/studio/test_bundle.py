"""The committed Studio is what its sources make: nobody forgot to build, nobody edited what was built.

This needs no Node.  That the build itself gives these bytes is proved by ``make ui-check``, which does.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
UI = ROOT / "ui"
STATIC = ROOT / "runtime" / "front" / "studio" / "static"
MAX_GZIP_BYTES = 120_000
MAX_LATER_GZIP_BYTES = {"room": 85_000, "deployment": 25_000, "containers": 25_000, "terminal": 120_000}
BUILD = "ui/ and runtime/front/studio/static differ; run: make ui"


def source_hash() -> str:
    """As build.mjs counts it: every source by its path, its length and its bytes."""
    paths = [path for path in (UI / "src").rglob("*") if path.is_file() and not path.name.startswith(".")]
    names = ["build.mjs", "package-lock.json", *(path.relative_to(UI).as_posix() for path in paths)]
    found = hashlib.sha256()
    for name in sorted(names, key=str.encode):
        content = (UI / name).read_bytes()
        found.update(f"{name}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def built() -> dict[str, str]:
    lines = (STATIC / "BUILT").read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def test_the_bundle_was_built_from_the_sources_that_are_here() -> None:
    assert built()["sources"] == source_hash(), BUILD


def test_the_bundle_is_as_it_was_built() -> None:
    said = built()
    del said["sources"]
    there = {path.name for path in STATIC.iterdir()} - {"BUILT"}
    assert there == set(said), BUILD
    for name, digest in said.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest, f"{name}: {BUILD}"


def gzipped_bytes(names: set[str]) -> int:
    return sum(len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in names)


def imported_by(name: str) -> set[str]:
    """A script and those it imports before it runs, not what it fetches when it needs it."""
    found = re.findall(r'(?:\bfrom|\bimport)"\./([^"]+\.js)"', (STATIC / name).read_text())
    return {name}.union(*(imported_by(one) for one in found))


def test_the_bundle_is_small() -> None:
    at_once = {"index.html", "boot.js", "studio.css", *imported_by("studio.js")}
    assert gzipped_bytes(at_once) < MAX_GZIP_BYTES
    # What a page brings along when it is first shown: a room, deployment, a terminal.
    for first in set(later_pages()):
        assert gzipped_bytes(imported_by(first) - at_once) < MAX_LATER_GZIP_BYTES[first.split("-")[0]], first


def later_pages() -> list[str]:
    """Scripts that are fetched when they are needed."""
    fetched = [re.findall(r'\bimport\("\./([^"]+\.js)"\)', one.read_text()) for one in STATIC.glob("*.js")]
    return [name for names in fetched for name in names]


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline() -> None:
    page = (STATIC / "index.html").read_text()
    assert all(address.startswith("/studio/") for address in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    sheet = (STATIC / "studio.css").read_text()
    assert not re.search(r"@import|url\((?!['\"]?data:)", sheet)
    for script in STATIC.glob("*.js"):
        assert not re.search(r"\beval\(|new Function\(", script.read_text()), script.name


def test_the_lock_names_no_registry() -> None:
    lock = (UI / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
