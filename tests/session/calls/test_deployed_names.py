"""How bundles that were sent are named: what is made of a name leads back to it."""

from __future__ import annotations

import pytest

from runtime.session.calls import deployed

pytestmark = pytest.mark.unit

DIGEST = "0123456789abcdef" * 4


def test_names_of_a_bundle_that_was_sent_lead_back_to_its_service() -> None:
    assert deployed.digest_of(deployed.reference("greeter", DIGEST)) == DIGEST
    path = deployed.path_of("s1", "/greet")
    assert (deployed.service_of(path), deployed.own_path(path)) == ("s1", "/greet")
    name = deployed.bundle_name("greeter", DIGEST)
    assert name == "greeter@01234567"
    assert deployed.told_path(path, name) == "greeter/greet"


def test_those_of_any_other_bundle_stay_as_they_are() -> None:
    assert deployed.digest_of("python:3.13") is None
    assert deployed.service_of("/chat") is None
    assert deployed.own_path("/chat") == deployed.told_path("/chat", "chat") == "/chat"
