from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType

from runtime.front.http.complaint import complaint

pytestmark = pytest.mark.unit


class Inner(msgspec.Struct):
    count: int


class Asked(msgspec.Struct):
    name: Annotated[str, Meta(min_length=1, max_length=9)]
    word: Literal["b", "a"] = "a"
    wait_s: Annotated[float, Meta(ge=0, le=60)] | UnsetType = UNSET
    note: dict[str, int] | None = None
    marks: list[Literal["x", "y"]] = []
    url: Annotated[str, Meta(pattern="^https?:", max_length=9, description="http or https")] = "http:"
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("sent", "field", "says"),
    [
        ("{}", "name", "name is missing; name must be a text of 1 to 9 characters."),
        ('{"name":""}', "name", "name must be a text of 1 to 9 characters."),
        ('{"name":"x","word":"c"}', "word", "word must be one of b, a."),
        ('{"name":"x","wait_s":61}', "wait_s", "wait_s must be a number from 0 to 60."),
        ('{"name":"x","marks":["x","z"]}', "marks[1]", "marks[1] must be one of x, y."),
        ('{"name":"x","url":"x"}', "url", "url must be a text: http or https."),
        ('{"name":"x","note":[]}', "note", "note must be a JSON object."),
        ('{"name":"x","inner":{"count":"1"}}', "inner.count", "inner.count does not fit: Expected `int`"),
        ("[]", "", 'Send a JSON object such as {"name": "ada", "word": "b"}.'),
        ("nonsense", "", 'Send a JSON object such as {"name": "ada", "word": "b"}.'),
    ],
)
def test_a_complaint_names_the_field_and_what_it_may_be(sent: str, field: str, says: str) -> None:
    with pytest.raises(msgspec.DecodeError) as caught:
        msgspec.json.decode(sent, type=Asked)
    found, told = complaint(caught.value, Asked, {"name": "ada", "word": "b"})
    assert found == field
    assert told.startswith(says)
