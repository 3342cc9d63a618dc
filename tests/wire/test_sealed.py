from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import SealBroken
from runtime.wire.sealed import KEY_BYTES, Seal

pytestmark = pytest.mark.unit

SEAL = Seal(bytes(range(KEY_BYTES)))


@given(plain=st.binary(max_size=500), about=st.text(st.characters(codec="utf-8"), max_size=40))
def test_what_was_sealed_is_opened_and_not_to_be_seen(plain: bytes, about: str) -> None:
    sealed = SEAL.seal(plain, about)
    assert SEAL.open(sealed, about) == plain
    assert len(plain) < 4 or plain not in sealed
    assert SEAL.seal(plain, about) != sealed  # so that nobody sees that two are alike


@given(text=st.text(max_size=100))
def test_texts_come_back_as_they_were(text: str) -> None:
    assert SEAL.open_text(SEAL.seal_text(text, "a"), "a") == text


@pytest.mark.parametrize("at", [0, 1, 12, 13, 20, -1])
def test_changed_bytes_are_not_opened(at: int) -> None:
    sealed = bytearray(SEAL.seal(b"hunter2", "room lab, secret KEY"))
    sealed[at] ^= 1
    with pytest.raises(SealBroken) as told:
        SEAL.open(bytes(sealed), "room lab, secret KEY")
    assert "room lab, secret KEY" in str(told.value)
    assert "seal.key" in told.value.cure


def test_a_sealed_text_is_worth_nothing_elsewhere_or_with_another_key() -> None:
    sealed = SEAL.seal(b"hunter2", "secret a, version 1")
    for seal, about in ((SEAL, "secret a, version 2"), (Seal(bytes(KEY_BYTES)), "secret a, version 1")):
        with pytest.raises(SealBroken):
            seal.open(sealed, about)


@pytest.mark.parametrize("held", ["", "not base64!", "AAAA", "ünïcode"])
def test_what_is_no_sealed_text_is_told_apart(held: str) -> None:
    with pytest.raises(SealBroken, match="not sealed as"):
        SEAL.open_text(held, "a")


def test_a_digest_tells_texts_apart_to_who_has_the_key_alone() -> None:
    assert SEAL.digest(b"x", "a") == SEAL.digest(b"x", "a")
    others = (SEAL.digest(b"y", "a"), SEAL.digest(b"x", "b"), Seal(bytes(KEY_BYTES)).digest(b"x", "a"))
    assert SEAL.digest(b"x", "a") not in others


def test_a_key_is_never_shown_nor_a_short_one_taken() -> None:
    assert repr(SEAL) == "Seal(…)"
    with pytest.raises(ValueError, match="32 bytes"):
        Seal(b"short")
