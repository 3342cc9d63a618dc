"""How large a body may be, by what it is sent to."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import Headers

from runtime.front.http.body import BoundedRequest
from runtime.model.contract import MAX_REQUEST_BYTES
from runtime.services.deployed.archive import MAX_ARCHIVE_BYTES

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/accounts/projects/p/deployments/0123456789abcdef/archive", MAX_ARCHIVE_BYTES),
        ("/v1/responses", MAX_REQUEST_BYTES),
        ("/my-agent/archive", 1000),  # an endpoint of somebody's, which need not say who calls it
        ("/archive", 1000),
    ],
)
def test_a_bundle_may_be_larger_and_nothing_else_is_for_its_name(path: str, most: int) -> None:
    async def pushed(_: str, __: Headers) -> None: ...

    request = BoundedRequest(
        "PUT", "http", path, b"", Headers(), "", "1.1", {}, max_content_length=1000, send_push_promise=pushed
    )
    assert request.body.max_bytes == most
