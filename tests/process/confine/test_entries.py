"""What came to lie in folders that were granted entry by entry."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.process.confine import landlock
from runtime.process.confine.files import entries
from runtime.process.confine.files.entries import Entries
from runtime.process.confine.hold import _kept_still

pytestmark = pytest.mark.unit


def later(folder: Path) -> None:
    """Whatever the clock of the disk is good for: it was changed since."""
    at = folder.stat().st_mtime_ns + 10_000_000_000
    os.utime(folder, ns=(at, at))


def of(folder: Path, *left_out: Path) -> Entries:
    rules = [(str(folder), landlock.READ_DIR, True), (str(folder / "inner"), landlock.READ, True)]
    return Entries.of(rules, [str(one) for one in left_out])


def test_what_is_put_there_or_replaced_is_news(tmp_path: Path) -> None:
    (tmp_path / "one.py").touch()
    seen = of(tmp_path)
    assert seen.news(of_system_alone=False) == ""
    (tmp_path / "new").touch()
    later(tmp_path)
    assert seen.news(of_system_alone=False) == str(tmp_path / "new")
    assert seen.news(of_system_alone=True) == "", "nobody follows what is in it"
    seen = of(tmp_path)
    (tmp_path / "aside").touch()
    (tmp_path / "aside").rename(tmp_path / "one.py")
    later(tmp_path)
    assert seen.news(of_system_alone=False) == str(tmp_path / "one.py")


def test_what_is_nobodys_business_is_no_news(tmp_path: Path) -> None:
    for name in ("one.py", "gone", "other.py"):
        (tmp_path / name).touch()
    seen = of(tmp_path, tmp_path / "other.py", tmp_path / "state")
    (tmp_path / "gone").unlink()
    (tmp_path / "one.py").write_text("changed")
    (tmp_path / "state").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / ".one.py.swp").touch()
    (tmp_path / "aside").touch()
    (tmp_path / "aside").rename(tmp_path / "other.py")
    later(tmp_path)
    assert seen.news(of_system_alone=False) == ""


def test_of_the_system_what_programs_look_up_is_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_SYSTEM", (str(tmp_path),))
    monkeypatch.setattr(entries, "_LOOKED_UP", {str(tmp_path / "resolv.conf")})
    (tmp_path / "resolv.conf").touch()
    seen = of(tmp_path)
    (tmp_path / "mtab").touch()
    later(tmp_path)
    assert seen.news(of_system_alone=True) == ""
    (tmp_path / "aside").touch()
    (tmp_path / "aside").rename(tmp_path / "resolv.conf")
    later(tmp_path)
    assert seen.news(of_system_alone=True) == str(tmp_path / "resolv.conf")


def test_of_what_is_not_the_bundles_own_only_code_is_news(tmp_path: Path) -> None:
    rules = [(str(tmp_path), landlock.READ_DIR, True)]  # a checkout that is installed to be edited
    seen = Entries.of(rules, [], str(tmp_path / "agents"))
    (tmp_path / "notes.txt").touch()
    (tmp_path / "build").mkdir()
    later(tmp_path)
    assert seen.news(of_system_alone=False) == ""
    (tmp_path / "more.py").touch()
    later(tmp_path)
    assert seen.news(of_system_alone=False) == str(tmp_path / "more.py")


def test_packages_that_are_installed_beside_a_bundle_are_no_news(tmp_path: Path) -> None:
    packages = os.path.realpath(sysconfig.get_path("purelib"))  # where the examples of a wheel lie as well
    own = f"{packages}/runtime/examples"
    ground = Ground(folder=own, home=str(tmp_path), state=str(tmp_path), real=os.path.realpath)
    rules = [(path, landlock.READ_DIR, True) for path in (packages, own, str(tmp_path))]
    kept = _kept_still(rules, Policy(Level.BASIC), ground, sys.executable)
    assert [path for path, _, _ in kept] == [own, str(tmp_path)]
