from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import ConfigError
from runtime.front.home.sealing_key import seal_of

pytestmark = pytest.mark.unit


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    sealed = seal_of(tmp_path).seal(b"x", "a")
    (key,) = tmp_path.iterdir()
    assert key.stat().st_mode & 0o777 == 0o600
    held = key.read_bytes()
    assert seal_of(tmp_path).open(sealed, "a") == b"x"
    assert key.read_bytes() == held


@pytest.mark.parametrize("held", ["", "abcd", "z" * 64])
def test_what_is_no_key_is_never_replaced(tmp_path: Path, held: str) -> None:
    (tmp_path / "seal.key").write_text(held)
    with pytest.raises(ConfigError) as told:
        seal_of(tmp_path)
    assert "backup" in told.value.cure
    assert (tmp_path / "seal.key").read_text() == held


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"seal\.key cannot be read or made"):
        seal_of(tmp_path / "missing")
