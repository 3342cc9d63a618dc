"""Which user a bundle and the sessions of a generation get, of a range."""

from __future__ import annotations

import pytest

from runtime.confinement.uids import BLOCK, Uids
from runtime.knob import parse_uids

pytestmark = pytest.mark.unit


def test_a_bundle_has_the_same_user_each_time_and_none_has_anothers() -> None:
    uids = Uids(200000, 265535)
    found = {name: uids.of_bundle(name) for name in (f"/agents/{number}.py" for number in range(2000))}
    assert len(set(found.values())) == 2000
    assert all(200000 <= uid < 216384 for uid in found.values())
    assert {name: uids.of_bundle(name) for name in found} == found
    assert Uids(200000, 265535).of_bundle("/agents/0.py") == found["/agents/0.py"]


def test_more_bundles_than_users_share_them() -> None:
    uids = Uids(5000, 5000 + 4095)
    assert {uids.of_bundle(str(number)) for number in range(1100)} == set(range(5000, 6024))


def test_blocks_are_apart_and_come_again_when_nobody_has_their_users_any_more() -> None:
    uids = Uids(200000, 265535)
    blocks = []
    while (block := uids.block()) is not None:
        blocks.append(block)
    taken = [uid for block in blocks for uid in range(block.first, block.last + 1)]
    assert len(taken) == len(set(taken)) == 48 * BLOCK
    assert min(taken) == 216384
    assert max(taken) == 265535
    user = blocks[7].take()
    assert user is not None
    blocks[7].close()
    assert uids.block() is None, "a session still has a user of it"
    blocks[7].give_back(user)
    again = uids.block()
    assert again is not None
    assert again.first == blocks[7].first
    blocks[7].close()
    assert uids.block() is None


def test_no_two_sessions_have_one_user_and_one_that_was_given_back_comes_last() -> None:
    block = Uids(200000, 265535).block()
    assert block is not None
    users = [block.take() for _ in range(BLOCK)]
    assert users == [*range(block.first + 1, block.last + 1), None]
    for user in (block.first + 9, block.first + 3):
        block.give_back(user)
    assert [block.take(), block.take(), block.take()] == [block.first + 3, block.first + 9, None]


@pytest.mark.parametrize(
    "text", ["", "5", "0-9999", "9-5", "1-4294967295", "1-2", "a-b", "-5-9999", "1-1000"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="users"):
        parse_uids(text)


def test_a_range_is_read() -> None:
    assert parse_uids(" 200000 - 265535 ") == (200000, 265535)
