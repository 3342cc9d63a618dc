"""One path, one bundle: who gets it, and what the others are told."""

from __future__ import annotations

import pytest

from runtime.supervisor.bundles.served.claims import Claim, settle

pytestmark = pytest.mark.unit


def test_each_path_goes_to_the_first_who_claims_it_and_the_other_is_told_both_names() -> None:
    owners, refused = settle([Claim("a", "a.py", ("/x", "/y")), Claim("b", "b.py", ("/z", "/x"))])
    assert owners == {"/x": "a", "/y": "a"}
    assert "a.py" in str(refused["b"])
    assert "b.py" in str(refused["b"])


@pytest.mark.parametrize("path", ["/", "/workers", "/rooms/lobby", "/healthz", "/studio/x", "/.well-known/a"])
def test_what_the_server_needs_cannot_be_claimed(path: str) -> None:
    owners, refused = settle([Claim("a", "a.py", (path,))])
    assert owners == {}
    assert path in str(refused["a"])


def test_a_path_that_only_begins_like_a_reserved_one_is_free() -> None:
    owners, refused = settle([Claim("a", "a.py", ("/workersbee", "/roomservice"))])
    assert (set(owners), refused) == ({"/workersbee", "/roomservice"}, {})
