"""Which interpreters there are, and which of them a bundle may have."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runtime.errors import BundleError
from runtime.supervisor.bundles.interpreter import Interpreter, ask, choose, interpreters, satisfies

pytestmark = pytest.mark.process

OWN = tuple(sys.version_info[:3])


@pytest.mark.parametrize(
    ("wanted", "version", "is_one"),
    [
        ("", (3, 11, 7), True),
        ("3.13", (3, 13, 2), True),
        ("3.13", (3, 12, 9), False),
        ("3.13.2", (3, 13, 2), True),
        ("3.13.2", (3, 13, 1), False),
        (">=3.13", (3, 13, 0), True),
        (">= 3.13, < 3.14", (3, 13, 9), True),
        (">=3.13,<3.14", (3, 14, 0), False),
        (">=3.9", (3, 11, 7), True),
        ("~=3.12", (3, 14, 0), True),
        ("~=3.12.1", (3, 12, 9), True),
        ("~=3.12.1", (3, 13, 0), False),
        ("==3.12.*", (3, 12, 4), True),
        ("!=3.12.*", (3, 12, 4), False),
        ("!=3.12.*,>3.11", (3, 13, 0), True),
        ("<=3.12", (3, 12, 0), True),
        ("<=3.12", (3, 12, 1), False),
        (">3.12", (3, 12, 1), True),
    ],
)
def test_versions_are_asked_for_as_in_a_project(wanted: str, version: tuple[int, ...], is_one: bool) -> None:
    assert satisfies(version, wanted) is is_one


@pytest.mark.parametrize("wanted", ["newest", ">=three", "=>3.13", "python3.13"])
def test_what_names_no_version_is_refused_with_an_example(wanted: str) -> None:
    with pytest.raises(BundleError, match="names no Python version"):
        satisfies((3, 13, 0), wanted)


def test_the_first_that_satisfies_is_chosen() -> None:
    found = [Interpreter("a", (3, 11, 7)), Interpreter("b", (3, 14, 0)), Interpreter("c", (3, 13, 0))]
    assert choose("", found) == found[0]
    assert choose(">=3.13", found) == found[1]
    assert choose(">=3.13,<3.14", found) == found[2]
    assert choose(">=3.15", found) is None


def stand_in(path: Path, version: str) -> str:
    """A program that answers as an interpreter of that version would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version} cpython\n")
    path.chmod(0o755)
    return str(path)


def test_interpreters_are_found_where_people_keep_them(tmp_path: Path) -> None:
    on_path = stand_in(tmp_path / "bin" / "python3.90", "3 90 1")
    pyenv = stand_in(tmp_path / "pyenv" / "versions" / "3.91.0" / "bin" / "python3", "3 91 0")
    uv = stand_in(tmp_path / "data" / "uv" / "python" / "cpython-3.92.0-linux" / "bin" / "python3", "3 92 0")
    stand_in(tmp_path / "bin" / "python3.8", "3 8 0")  # too old for the worker
    stand_in(tmp_path / "bin" / "python3.93-config", "3 93 0")
    broken = tmp_path / "bin" / "python3.94"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    env = {
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path / 'bin'}:/there/is/no/such",
        "PYENV_ROOT": str(tmp_path / "pyenv"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    found = interpreters(env)
    assert found[0].version == OWN
    assert [one.path for one in found[1:]] == [uv, pyenv, on_path]


def test_an_interpreter_says_its_version_itself(tmp_path: Path) -> None:
    one = ask(sys.executable)
    assert one is not None
    assert one.version == OWN
    assert one.text == ".".join(map(str, OWN))
    assert ask(str(tmp_path / "python3")) is None
    assert ask("/bin/true") is None
