"""Vectors of texts without a model behind them: texts that share words are near each other.

Runs in: anywhere (pure).
"""

from __future__ import annotations

import base64
import math
import re
from array import array
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final

from runtime.errors import InvalidRequest

DIMENSIONS: Final = 1536
DIMENSIONS_OF: Final = {"text-embedding-3-large": 3072}
"""Models whose vectors are longer; tables are made for what a model gives."""

MAX_DIMENSIONS: Final = 4096
MAX_NUMBERS: Final = 1 << 21
"""Numbers of one answer: 682 vectors of the largest model, and 8 MiB as bytes."""

_WORD: Final = re.compile(r"\w+")


def embeddings(request: Mapping[str, Any]) -> dict[str, Any]:
    """What `POST /v1/embeddings` answers.

    Args:
        request: ``input`` is a text, texts, tokens, or lists of tokens; ``dimensions`` and
            ``encoding_format`` (``"float"`` or ``"base64"``, 32 bits a number) as OpenAI has them.

    Raises:
        InvalidRequest: It has no input, asks for too much, or for a format that is not known.
    """
    model = str(request.get("model") or "offline")
    texts = list(_texts(request.get("input")))
    dimensions = request.get("dimensions")
    if dimensions is None:
        dimensions = DIMENSIONS_OF.get(model, DIMENSIONS)
    if type(dimensions) is not int or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise InvalidRequest(f"dimensions is a number from 1 to {MAX_DIMENSIONS}")
    if len(texts) * dimensions > MAX_NUMBERS:
        raise InvalidRequest(
            f"{len(texts)} texts are too many for one request",
            cure=f"Ask for {MAX_NUMBERS // dimensions} at a time.",
        )
    form = request.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise InvalidRequest('encoding_format is "float" or "base64"')
    data, count = [], 0
    for index, words in enumerate(texts):
        vector = _vector(words, dimensions)
        value = vector.tolist() if form == "float" else base64.b64encode(vector.tobytes()).decode()
        data.append({"object": "embedding", "index": index, "embedding": value})
        count += len(words)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return {"object": "list", "model": model, "data": data, "usage": usage}


def _texts(given: object) -> Iterable[list[str]]:
    """The words of each text; a token counts as a word."""
    many = given if isinstance(given, list) and given and not isinstance(given[0], int) else [given]
    for one in many:
        if isinstance(one, str) and one:
            yield _WORD.findall(one.lower())
        elif isinstance(one, list) and one and all(type(token) is int for token in one):
            yield [str(token) for token in one]
        else:
            raise InvalidRequest("input is a text or a list of texts, none of them empty")


def _vector(words: Iterable[str], dimensions: int) -> array[float]:
    """Of length 1: each word is a direction of its own, as far as the dimensions reach."""
    vector = array("f", bytes(4 * dimensions))
    for word in words:
        place = int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")
        vector[(place >> 1) % dimensions] += 1.0 if place & 1 else -1.0
    length = math.sqrt(sum(number * number for number in vector))
    if not length:
        vector[0] = length = 1.0
    return array("f", (number / length for number in vector))
