from __future__ import annotations

import pytest

from runtime.wire.manifest.own import RESERVED, EndpointSpec, reserved_by, service_spec

pytestmark = pytest.mark.unit


def test_the_least_form_is_exactly_what_strict_readers_take() -> None:
    assert service_spec([EndpointSpec(path="/chat", identity="chatbot")], port=8081, name="my-service") == {
        "version": "v1",
        "kind": "Service",
        "metadata": {"name": "my-service"},
        "container": {"image": ""},
        "ports": [
            {
                "num": 8081,
                "type": "http",
                "endpoints": [{"path": "/chat", "meshagent": {"identity": "chatbot"}}],
            }
        ],
    }


def test_a_service_without_a_name_says_where_to_put_one() -> None:
    assert service_spec([], port=1)["metadata"] == {"name": "<YOUR_SERVICE_NAME>"}


def test_permissions_image_command_and_environment_are_written_when_given() -> None:
    spec = service_spec(
        [EndpointSpec(path="/a", identity="a", api={"messaging": {}})],
        port=1,
        image="i:1",
        command="python main.py",
        environment={"A": "1"},
    )
    assert spec["container"] == {
        "image": "i:1",
        "command": "python main.py",
        "environment": [{"name": "A", "value": "1"}],
    }
    assert spec["ports"][0]["endpoints"][0]["meshagent"] == {"identity": "a", "api": {"messaging": {}}}


@pytest.mark.parametrize("path", [*RESERVED, "/workers/x", "/rooms/a/b", "/.well-known/x"])
def test_what_the_front_keeps_is_reserved_with_all_below_it(path: str) -> None:
    assert reserved_by(path)


@pytest.mark.parametrize("path", ["/chat", "/workersx", "/a/workers", "/roomservice"])
def test_what_only_looks_alike_is_free(path: str) -> None:
    assert reserved_by(path) is None
