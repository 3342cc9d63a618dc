"""The wheel that a new service brings along: whole, the same each time, and made of whatever runs here."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from runtime import __version__
from runtime.cli.service import own_wheel

pytestmark = pytest.mark.unit

INFO = f"bulkhead_runtime-{__version__}.dist-info"


def test_it_has_every_module_and_a_record_that_holds(tmp_path: Path) -> None:
    path = own_wheel.write(tmp_path / "wheels")
    assert path is not None
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        root = Path(own_wheel.__file__).parents[3]
        modules = {file.relative_to(root).as_posix() for file in (root / "runtime").rglob("*.py")}
        assert {module.removeprefix("runtime/compat/toplevel/") for module in modules} <= {*names}
        assert {"runtime/examples/chat.py", "runtime/front/studio/static/index.html", "bulkhead.pth"} <= {
            *names
        }
        assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
        record = {row[0]: row[1] for row in csv.reader(wheel.read(f"{INFO}/RECORD").decode().splitlines())}
        assert record.keys() == {*names}
        for name in names:
            if name != f"{INFO}/RECORD":
                digest = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b"=")
                assert record[name] == f"sha256={digest.decode()}", name
        about = message_from_bytes(wheel.read(f"{INFO}/METADATA"))
        assert (about["Name"], about["Version"]) == ("bulkhead-runtime", __version__)
        assert "openai>=2; extra == 'openai'" in about.get_all("Requires-Dist", [])
        assert b"bulkhead = runtime.__main__:main" in wheel.read(f"{INFO}/entry_points.txt")


def test_an_installation_makes_the_wheel_it_came_from(tmp_path: Path) -> None:
    first = own_wheel.write(tmp_path / "first")
    assert first is not None
    site = tmp_path / "site-packages"
    with zipfile.ZipFile(first) as wheel:
        wheel.extractall(site)
    # What an installer adds: the command, byte code, and notes of its own.
    (site / INFO / "INSTALLER").write_text("pip\n")
    with (site / INFO / "RECORD").open("a") as record:
        record.write(
            f"../../bin/bulkhead,,\nruntime/__pycache__/errors.cpython-311.pyc,,\n{INFO}/INSTALLER,,\n"
        )
    code = "import sys, pathlib; from runtime.cli.service import own_wheel; "
    code += "own_wheel.write(pathlib.Path(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "second")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
    )
    assert (tmp_path / "second" / first.name).read_bytes() == first.read_bytes()


def test_where_there_is_nothing_to_make_it_of_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_wheel.runtime, "__file__", str(tmp_path / "runtime" / "__init__.py"))
    monkeypatch.setattr(own_wheel, "DISTRIBUTION", "no-such-distribution")
    assert own_wheel.write(tmp_path / "wheels") is None
    assert not (tmp_path / "wheels").exists()
