"""Which names a room of this server may have."""

from __future__ import annotations

import pytest

from runtime.wire.room_name import MAX_QUOTED_CHARS, is_room_name, room_folder_name

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "name", ["myroom", "a b", "v1.2", "...", "Räume ☂", "secret", "x" * MAX_QUOTED_CHARS]
)
def test_names_that_can_be(name: str) -> None:
    assert is_room_name(name)
    assert "." not in room_folder_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../../etc", "a/b", "a/../b c", "a\nb", "\ud800", "x" * 201, "☂" * 23]
)
def test_names_that_cannot_be(name: str) -> None:
    assert not is_room_name(name)
