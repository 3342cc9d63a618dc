"""Every attack on a real server, from a session beside healthy ones of the same and of another bundle.

Unconfined they work, or they would prove nothing; at a level they fail that it promises to refuse.
"""

from __future__ import annotations

from typing import Any

import pytest

from runtime.cli.session.chaos.attacks import GOT_THROUGH, NOT_TRIED, REFUSED
from runtime.confinement.level import Level
from runtime.worker.chaos.hostile import ATTACKS

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

USERS = [pytest.param(10_001, id="a user"), pytest.param(0, id="root")]
NAMES = list(ATTACKS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("uid", USERS)
def test_unconfined_it_works(battle: Any, uid: int, name: str) -> None:
    one = battle(uid, Level.OFF)[name]
    if ATTACKS[name].level is Level.OFF:
        assert one["result"] != GOT_THROUGH, one  # refused by the front itself, or never given away
        return
    if one["result"] in (NOT_TRIED, REFUSED):
        pytest.skip(f"{name} as {'a user' if uid else 'root'}: {one['detail']}")
    assert one["result"] == GOT_THROUGH, one
