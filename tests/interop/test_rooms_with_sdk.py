"""Rooms as clients of the real SDK find them; each flow is a program of ours in the SDK's environment."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.rooms.token import FULL
from tests.interop.conftest import Bulkhead, Drive, Sdk
from tests.interop.environments import TRIED, VERSIONS, installed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]


OLDER = [pytest.param(one, marks=pytest.mark.long) for one in VERSIONS if one not in TRIED]


@pytest.fixture(scope="session", params=[*OLDER, *TRIED])
def sdk(request: pytest.FixtureRequest) -> Sdk:
    """Each release: what it sends and reads is what these tests are about."""
    return installed(request.param)


def people(server: Bulkhead, room: str, *names: str) -> dict[str, Any]:
    tokens = {name: server.token(room, name, "user" if name == "ada" else "agent") for name in names}
    return {"url": server.room_url(room), **tokens}


@pytest.mark.parametrize(
    ("driver", "other"),
    [
        ("presence", "bob"),
        ("tasks", "adder"),
        ("toolkits", "host"),
        ("state", "bob"),
        ("requirements", "author"),
    ],
)
def test_flow(sdk: Sdk, server: Bulkhead, drive: Drive, driver: str, other: str) -> None:
    drive(sdk, server, driver, **people(server, f"{driver}-{sdk.version}", "ada", other))


@pytest.mark.parametrize(
    ("version", "driver"),
    [
        ("0.7.1", "tables"),
        pytest.param("0.35.8", "tables", marks=pytest.mark.long),
        ("0.56.0", "datasets"),
        ("0.56.0", "databases"),
    ],
)
def test_tables(version: str, driver: str, server: Bulkhead, drive: Drive) -> None:
    """The ways in which releases ask for tables."""
    drive(installed(version), server, driver, **people(server, f"{driver}-{version}", "ada", "keeper"))


@pytest.mark.long  # it takes an environment of its own
def test_secrets(server: Bulkhead, drive: Drive) -> None:
    """A release that keeps secrets in rooms, with tokens that may."""
    room = "secrets"
    may = {name: server.token(room, name, scope=dict(FULL)) for name in ("ada", "keeper")}
    work = {"url": server.room_url(room), **may, "agent": server.token(room, "agent")}
    drive(installed("0.35.8"), server, "confide", **work)


@pytest.mark.long  # it takes an environment of its own
def test_memories(server: Bulkhead, drive: Drive) -> None:
    """The tools of a release that has them, over the room's memory."""
    drive(installed("0.35.8"), server, "remember", **people(server, "memories", "ada"))
