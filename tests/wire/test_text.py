"""Text that can be written as UTF-8."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.wire.text import utf8_text

pytestmark = pytest.mark.unit


def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    assert utf8_text("a\udcffb") == "a\ufffdb"
    assert utf8_text("\ud83d\ude00 \ud83d") == "\U0001f600 \ufffd"
    assert utf8_text("\udcff\udcfe") == "\ufffd\ufffd"


@given(st.text(st.characters(codec=None)))
def test_any_text_becomes_valid_and_valid_text_stays(text: str) -> None:
    made = utf8_text(text)
    made.encode()
    assert utf8_text(made) == made
