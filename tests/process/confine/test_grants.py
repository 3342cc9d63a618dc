"""Which rules come of a policy, on a real disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.policy import Policy
from runtime.process.confine import grants, landlock

pytestmark = pytest.mark.unit


def ground(folder: Path, **over: Any) -> Ground:
    facts: dict[str, Any] = {
        "folder": str(folder),
        "home": str(folder / "home"),
        "state": str(folder / ".bulkhead"),
        "real": lambda path: os.path.realpath(path, strict=True),
    }
    return Ground(**{**facts, **over})


def given(source: Path, on: Ground, **asked: Any) -> dict[str, int]:
    """Path to rights."""
    made: dict[str, int] = {}
    for path, rights, _ in grants.rules(Policy(Level.BASIC, **asked), on, source, sys.executable, {}):
        made[path] = made.get(path, 0) | rights
    return made


def test_whoever_computes_on_a_gpu_writes_no_settings_of_other_processes(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    rules = given(tmp_path, ground(tmp_path), gpu=True)
    assert [path for path in rules if path == "/proc"], "it may be read"
    assert not [path for path in rules if path.startswith("/proc") and rules[path] & landlock.WRITE_FILE]
