"""`python main.py` finds the meshagent names, and nothing else does before it asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
HOOK = (ROOT / "runtime" / "compat" / "bulkhead.pth").read_text()


def run(program: str, *paths: Path) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *paths)))}
    done = subprocess.run(
        [sys.executable, "-S", "-c", HOOK + program], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_names_are_ours_where_nobody_else_has_them() -> None:
    program = "import sys; sys.path += [p for p in %r if p]\nfrom meshagent.api.services import ServiceHost\n"
    assert run(program % sys.path + "print(ServiceHost.__module__)") == "runtime.sdk.host"


def test_an_installed_sdk_is_never_touched(tmp_path: Path) -> None:
    package = tmp_path / "meshagent" / "api"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("RoomClient = 'theirs'\n")
    program = (
        "from meshagent.api import RoomClient\n"
        "try:\n    import meshagent.agents\n"
        "except ModuleNotFoundError:\n    print(RoomClient, 'and no agents')\n"
    )
    assert run(program, tmp_path) == "theirs and no agents"


def test_a_program_that_does_not_ask_pays_for_next_to_nothing() -> None:
    program = "import sys; print('runtime.compat.finder' in sys.modules, 'typing' in sys.modules)"
    assert run(program) == "False False"
