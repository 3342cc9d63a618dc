"""What a sampler hands over, and what the front takes of it."""

from __future__ import annotations

import msgspec
import pytest

from runtime.errors import RemoteProtocolError
from runtime.wire.looking.profile import (
    MAX_DEPTH,
    MAX_STACKS,
    TEXT_CHARS,
    Profile,
    ProfileFrame,
    ProfileStack,
    profile_from_bytes,
    profile_to_bytes,
)

pytestmark = pytest.mark.unit


def profile(count: int) -> Profile:
    """`count` stacks, each heavier than the one before."""
    return Profile(
        by="sampler",
        samples=count,
        frames=[ProfileFrame(f"f{at}", "a.py", at) for at in range(count)],
        stacks=[ProfileStack("running", "thread MainThread", [at], at + 1) for at in range(count)],
    )


def test_what_has_no_room_are_the_lightest_and_they_are_counted() -> None:
    whole = profile(200)
    raw = profile_to_bytes(whole, most_bytes=3000)
    assert len(raw) <= 3000
    found = profile_from_bytes(raw)
    assert 0 < len(found.stacks) < 200
    weights = [one.weight for one in found.stacks]
    assert weights == list(range(200, 200 - len(weights), -1))
    assert found.dropped + sum(weights) == sum(one.weight for one in whole.stacks)
    assert [found.frames[one.frames[0]].line for one in found.stacks] == [weight - 1 for weight in weights]
    assert len(profile_from_bytes(profile_to_bytes(profile(MAX_STACKS + 9))).stacks) == MAX_STACKS


def test_what_a_worker_wrote_is_bounded_and_no_frame_is_looked_for_that_is_not_there() -> None:
    long = Profile(
        frames=[ProfileFrame("f" * 9999, "a" * 9999)],
        stacks=[ProfileStack("running", "r" * 9999, [0] * 9999, 1)],
    )
    found = profile_from_bytes(msgspec.msgpack.encode(long))
    assert len(found.frames[0].function) == len(found.frames[0].file) == TEXT_CHARS
    assert len(found.stacks[0].root) == TEXT_CHARS
    assert len(found.stacks[0].frames) == MAX_DEPTH
    for wrong in ([7], [-1]):
        told = Profile(stacks=[ProfileStack("running", "", wrong, 1)])
        with pytest.raises(RemoteProtocolError):
            profile_from_bytes(msgspec.msgpack.encode(told))
    with pytest.raises(RemoteProtocolError):
        profile_from_bytes(b"\xc1")
