"""Everyday programs in a session: what confines it must not break them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from runtime.confinement.level import Level

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

SOURCE = Path(__file__).parent / "agents" / "works" / "programs.py"
NAMES = re.findall(r"^@everyday\ndef (\w+)", SOURCE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("uid", [pytest.param(10_001, id="a user"), pytest.param(0, id="root")])
def test_it_works_in_a_session(workday: Any, uid: int, name: str) -> None:
    found = workday(uid, Level.BASIC)
    told = found.get(name, f"never tried; {found['done']}")
    if told.startswith("missing: "):
        pytest.skip(told.removeprefix("missing: "))
    assert told == ""
