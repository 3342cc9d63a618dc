"""Services and secrets by the real command line: kept here, run in a room, and deployed there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.interop.conftest import KEY, Bulkhead, Sdk
from tests.interop.test_command_line import Cli, cli, command_line
from tests.interop.test_containers_with_sdk import server

__all__ = ["cli", "command_line", "server"]  # fixtures

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MANIFEST = """\
version: v1
kind: Service
metadata: {name: NAME}
ports: []
container:
  image: "debian:12"
  command: "sh -c 'echo hello from it; sleep 600'"
  environment: [{name: A, value: "1"}]
"""
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def test_services_are_kept_changed_and_deleted(sdk: Sdk, server: Bulkhead, cli: Cli, tmp_path: Path) -> None:
    name, room = f"kept-{sdk.version.replace('.', '-')}", f"deployed-{sdk.version}"
    file = tmp_path / "service.yaml"
    file.write_text(MANIFEST.replace("NAME", name))
    everywhere = ("--global",) if sdk.number >= (0, 35) else ()
    created = cli("service", "create", "--file", str(file), *everywhere)
    (service_id,) = set(re.findall(UUID, created))
    file.write_text(file.read_text().replace('"1"', '"2"'))
    cli("service", "update", "--file", str(file), *everywhere)
    shown = cli("service", "show" if sdk.number < (0, 50) else "get", service_id)
    assert "'value': '2'" in shown
    assert "hello from it" in shown
    if sdk.number >= (0, 50):
        assert service_id in cli("service", "disable", name)
    cli("service", "delete", service_id)
    assert name not in cli("service", "create", "--file", str(file), "--room", room)  # its id alone
    assert name in cli("service", "list", "--room", room)
    if sdk.number >= (0, 25):
        where = (f"--room={room}", "--project-id", KEY.project)
        told = "describe" if sdk.number >= (0, 50) else "list"
        named = ("--name", name) if told == "describe" else ()
        assert name in cli("room", "service", told, *where, *named)
        cli("room", "service", "restart", *where, "--name", name)


def test_secrets_are_set_and_listed_and_never_shown(sdk: Sdk, cli: Cli) -> None:
    name = f"search-{sdk.version}"
    if sdk.number >= (0, 45):
        cli("secret", "create", name, "--type", "text", "--value", "correct-horse-battery")
        listed = cli("secret", "list")
        assert "nobody else" in cli("secret", "access", name, fails=True)
    else:
        group = {True: ("secret", "keys"), False: ("secret", "key")}[sdk.number < (0, 20)]
        group = ("secrets", "keys") if (0, 20) <= sdk.number < (0, 30) else group
        cli(*group, "create", "--name", name, "--data", "A=correct-horse-battery B=2")
        listed = cli(group[0], "list")
    assert name in listed
    assert "correct-horse" not in listed


def test_an_image_is_deployed_into_a_room(sdk: Sdk, cli: Cli) -> None:
    if sdk.number < (0, 50):
        pytest.skip("this release has no command for it")
    room = ("--room", f"by-tag-{sdk.version}")
    said = cli("deploy", *room, "--tag", "registry.example/adder:1")
    assert "Service is live" in said
    assert "was deployed to room" in said
