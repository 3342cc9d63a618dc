"""Who may not write beside the sources has a folder for what it compiles, where that is needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runtime.process.confine.files.bytecode import folder_for

pytestmark = pytest.mark.unit


def packages(folder: Path, *, compiled: int, others: int) -> str:
    for number in range(compiled + others):
        package = folder / f"package{number}"
        (package / "__pycache__").mkdir(parents=True)
        (package / "__init__.py").touch()
        if number < compiled:
            (package / "__pycache__" / "__init__.cpython-313.pyc").touch()
    return str(folder)


@pytest.mark.parametrize(("compiled", "others", "needed"), [(0, 3, True), (3, 1, False), (1, 3, True)])
def test_a_folder_where_most_packages_are_not_compiled(
    tmp_path: Path, compiled: int, others: int, needed: bool
) -> None:
    state, folder = str(tmp_path / "state"), packages(tmp_path / "lib", compiled=compiled, others=others)
    found = folder_for(state, Path("/agents/a"), "/usr/bin/python3", folder)
    assert bool(found) is needed
    if found:
        assert os.stat(found).st_mode & 0o777 == 0o700
        assert folder_for(state, Path("/agents/a"), "/usr/bin/python3", folder) == found
        assert folder_for(state, Path("/agents/b"), "/usr/bin/python3", folder) != found
        assert folder_for(state, Path("/agents/a"), "/opt/python", folder) != found


def test_none_where_there_is_nothing_to_compile(tmp_path: Path) -> None:
    assert folder_for(str(tmp_path), Path("/a"), "python", str(tmp_path / "nowhere")) == ""
