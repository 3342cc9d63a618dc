"""Vectors of texts without a model: near where words are shared, bounded, in the forms clients ask for."""

from __future__ import annotations

import base64
import math
from array import array
from typing import Any

import pytest

from runtime.errors import InvalidRequest
from runtime.model.offline_embeddings import DIMENSIONS, MAX_NUMBERS, embeddings

pytestmark = pytest.mark.unit


def vectors(given: Any, **more: Any) -> list[list[float]]:
    return [one["embedding"] for one in embeddings({"input": given, **more})["data"]]


def near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_texts_that_share_words_are_near_and_all_are_of_length_one() -> None:
    asked, same, other = vectors(["When does the tide turn?", "the tide does turn", "a brown fox"])
    assert near(asked, same) > 0.7 > 0.2 > abs(near(asked, other))
    assert all(math.isclose(math.hypot(*one), 1, rel_tol=1e-5) for one in (asked, same, other))
    assert vectors("the tide does turn") == [same]


def test_forms_are_those_of_openais_client() -> None:
    (plain,) = vectors("tide", dimensions=8)
    (packed,) = vectors("tide", dimensions=8, encoding_format="base64")
    assert array("f", base64.b64decode(packed)).tolist() == plain  # type: ignore[arg-type]
    assert len(vectors("tide")[0]) == DIMENSIONS
    assert len(vectors([[1, 2], [3]])) == 2
    assert len(vectors([1, 2])) == 1
    assert len(vectors("?!", model="text-embedding-3-large")[0]) == 3072


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "input is"),
        ({"input": [""]}, "input is"),
        ({"input": "x", "dimensions": 0}, "from 1 to"),
        ({"input": "x", "encoding_format": "int8"}, "base64"),
        ({"input": ["x"] * (MAX_NUMBERS // DIMENSIONS + 1)}, "too many"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_what_could(more: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        embeddings(more)
