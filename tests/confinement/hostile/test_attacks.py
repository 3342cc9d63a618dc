"""Every attack on a real server, from a session beside healthy ones of the same and of another bundle.

Unconfined they work, or they would prove nothing; at a level they fail that it promises to refuse.
"""

from __future__ import annotations

from typing import Any

import pytest

from runtime.cli.session.chaos.attacks import GOT_THROUGH, NOT_TRIED, REFUSED
from runtime.confinement.level import Level
from runtime.worker.chaos.hostile import ATTACKS
from runtime.worker.chaos.inodes import inodes

pytestmark = [pytest.mark.process, pytest.mark.timeout(200)]

CASES = [
    pytest.param(uid, name, id=f"{name}-{who}")
    for uid, who in ((10_001, "user"), (0, "root"))
    for name, attack in ATTACKS.items()
    if uid == 0 or not attack.as_root
]


def _is_told_apart(uid: int, name: str) -> bool:
    """What a user can, root can: as root only the rest is tried unconfined."""
    return (uid == 0) == ATTACKS[name].as_root


@pytest.mark.long
@pytest.mark.parametrize(("uid", "name"), [case for case in CASES if _is_told_apart(*case.values)])
def test_unconfined_it_works(battle: Any, uid: int, name: str) -> None:
    one = battle(uid, Level.OFF)[name]
    if ATTACKS[name].level is Level.OFF:
        assert one["result"] != GOT_THROUGH, one  # refused by the front itself, or never given away
        return
    if one["result"] in (NOT_TRIED, REFUSED):
        pytest.skip(f"{name}: {one['detail']}")
    assert one["result"] == GOT_THROUGH, one


@pytest.mark.parametrize(("uid", "name"), CASES)
def test_basic_keeps_what_it_promises(battle: Any, uid: int, name: str) -> None:
    one = battle(uid, Level.BASIC)[name]
    if one["result"] == NOT_TRIED:
        pytest.skip(f"{name}: {one['detail']}")
    if ATTACKS[name].is_promised(Level.BASIC):
        assert one["promised"], "sessions are less confined than they were to be"
        assert one["result"] != GOT_THROUGH, one
        assert not one["is_untold"], one
        assert one["lost"] == 0, one  # its sibling answered all the while


@pytest.mark.parametrize("name", [name for name, one in ATTACKS.items() if not one.as_root])
def test_strict_keeps_what_it_promises(battle: Any, name: str) -> None:
    one = battle(10_001, Level.STRICT)[name]
    if one["result"] == NOT_TRIED:
        pytest.skip(f"{name}: {one['detail']}")
    assert not one["is_unheard"], one
    if ATTACKS[name].is_promised(Level.STRICT):
        assert one["promised"], "sessions are less confined than they were to be"
        assert one["result"] != GOT_THROUGH, one
        assert not one["is_untold"], one
        assert one["lost"] == 0, one


@pytest.mark.parametrize("name", [name for name, one in ATTACKS.items() if not one.as_root])
def test_users_of_their_own_keep_more(battle: Any, name: str) -> None:
    """A server that is root, and gives each session a user: what Landlock has no word for is refused, too."""
    one = battle(0, Level.BASIC, "200000-265535")[name]
    if ATTACKS[name].is_promised(Level.BASIC) or ATTACKS[name] in inodes.attacks:
        assert one["result"] != GOT_THROUGH, one
        assert one["lost"] == 0, one
