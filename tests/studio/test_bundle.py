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
STATIC = ROOT / "runtime" / "front" / "static"
MAX_GZIP_BYTES = 120_000
BUILD = "ui/ and runtime/front/static differ; run: make ui"


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


def test_the_bundle_is_small() -> None:
    loaded = ("index.html", "boot.js", "studio.js", "studio.css")
    size_bytes = sum(len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in loaded)
    assert size_bytes < MAX_GZIP_BYTES


def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline() -> None:
    page = (STATIC / "index.html").read_text()
    assert all(address.startswith("/studio/") for address in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    sheet = (STATIC / "studio.css").read_text()
    assert not re.search(r"@import|url\((?!['\"]?data:)", sheet)
    assert not re.search(r"\beval\(|new Function\(", (STATIC / "studio.js").read_text())


def test_the_lock_names_no_registry() -> None:
    lock = (UI / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
