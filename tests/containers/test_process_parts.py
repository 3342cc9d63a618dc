"""What stands in for an image, a log that is kept, and the pieces of a request that run it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import SystemClock
from runtime.containers.process.catalogue import Catalogue
from runtime.containers.process.kept_log import KeptLog
from runtime.containers.process.ports import Ports
from runtime.errors import ConfigError, InvalidRequest, PermissionDenied, RoomFull
from runtime.rooms.built_in.containers import asked, grants
from runtime.rooms.built_in.containers.early_input import MAX_BYTES, EarlyInput, Input
from runtime.rooms.request import Request
from runtime.rooms.token import Claims

pytestmark = pytest.mark.unit


def request(**arguments: Any) -> Request:
    return Request(None, 1, "containers.run", {"image": "x", **arguments})  # type: ignore[arg-type]


def catalogue(folder: Path, *entries: str, any_command: bool = False) -> Catalogue:
    return Catalogue(entries, base=folder, agents=folder / "agents", any_command=any_command)


@pytest.mark.asyncio
async def test_no_two_boxes_are_told_to_listen_at_one_port() -> None:
    boxes = [Ports() for _ in range(400)]
    for one in boxes:
        await one.open(dict.fromkeys(range(1, 6), 0), "127.0.0.1")
    told = [port for one in boxes for port in one.inner.values()]
    assert len(set(told)) == len(told)
    for one in boxes:
        await one.close()


def test_an_image_is_found_by_its_name_then_by_its_beginning_then_among_the_agents(tmp_path: Path) -> None:
    for name in ("agents/greeter", "exact", "long", "short"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "main.py").write_text("")
    known = catalogue(tmp_path, "r/*=short", "r/a*=long", "r/abc:1=exact")
    found = [known.find(name) for name in ("r/abc:1", "r/abc:2", "r/x", "other/greeter:1@sha256:00", "none")]
    assert [None if one is None else one.path and one.path.name for one in found] == [
        "exact",
        "long",
        "short",
        "greeter",
        None,
    ]
    whatever = catalogue(tmp_path, any_command=True).find("none")
    assert whatever is not None
    assert (whatever.argv, whatever.path) == (None, None)
    assert catalogue(tmp_path).find("../agents/..") is None
    with pytest.raises(ConfigError, match="image=path"):
        catalogue(tmp_path, "greeter")


def test_an_image_is_another_when_its_files_are(tmp_path: Path) -> None:
    program = tmp_path / "agents" / "greeter" / "main.py"
    program.parent.mkdir(parents=True)
    program.write_text("1")
    known = catalogue(tmp_path)
    before = known.image("greeter")
    program.write_text("22")
    after = known.image("greeter")
    assert before is not None
    assert after is not None
    assert before.id != after.id
    assert after.size_bytes == 2
    assert [one.references for one in known.images()] == [("greeter",)]


@pytest.mark.asyncio
async def test_a_log_keeps_its_end_and_tells_what_was_missed() -> None:
    log = KeptLog(100)
    reading = log.read(follow=True)
    log.append("first")
    assert await anext(reading) == "first"
    for number in range(100):
        log.append(f"line {number:04}")
    assert await anext(reading) == "… 90 lines are not kept any more"
    log.close()
    rest = [line async for line in reading]
    assert rest == [f"line {number:04}" for number in range(90, 100)]
    assert [line async for line in log.read(follow=False)] == rest == log.last(50)


@pytest.mark.asyncio
async def test_who_follows_is_woken_by_what_comes() -> None:
    log = KeptLog(100)
    reading = log.read(follow=True)
    coming = asyncio.ensure_future(anext(reading))
    await asyncio.sleep(0)
    log.append("new")
    assert await coming == "new"
    await reading.aclose()


def test_both_ways_of_saying_what_is_to_run_are_one() -> None:
    older = asked.ask_of(
        request(
            command="sh -c 'a b'",
            env={"K": "V"},
            ports={"80": 8080},
            mount_path="/data",
            mount_subpath="docs",
            credentials=[{"username": "u", "password": "p"}],
        )
    )
    newer = asked.ask_of(
        request(
            command="sh -c 'a b'",
            env=[{"key": "K", "value": "V"}],
            ports=[{"container_port": 80, "host_port": 8080}],
            mounts={"room": [{"path": "/data", "subpath": "docs", "read_only": False}], "images": []},
            credentials=[{"registry": None, "username": "u", "password": "p"}],
            template="none",
            name=None,
            annotations=None,
        )
    )
    assert older == newer
    assert older.argv == ("sh", "-c", "a b")
    assert "'p'" not in repr(older)


def test_an_agent_gets_the_files_of_the_room() -> None:
    ask = asked.ask_of(request(template="agent"))
    assert [(bind.path, bind.read_only) for bind in ask.mounts.room] == [("/data", False)]
    assert ask.for_agent


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"env": {"K": 1}}, "must be a text"),
        ({"env": "K=V"}, "an object"),
        ({"env": {"K": "x" * 70_000}}, "more than"),
        ({"command": ["sh", 1]}, "list of texts"),
        ({"command": "x" * 70_000}, "longer than"),
        ({"ports": {"70000": 1}}, "no port"),
        ({"mounts": {"room": [{"path": "/a/../b"}]}}, "no path to mount at"),
        ({"mounts": {"room": [{"path": "/"}]}}, "at /"),
        ({"mounts": {"room": [{"path": "/d", "subpath": "../x"}]}}, "within"),
        ({"mounts": {"volumes": [{"path": "/d"}]}}, "volumes"),
        ({"mounts": {"files": [{"path": "/d", "text": "x" * (1 << 20)}] * 2}}, "files to mount"),
        ({"credentials": [{"username": "u"}]}, "password"),
        ({"name": "x" * 200}, "no name"),
    ],
)
def test_what_cannot_be_run_is_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        asked.ask_of(request(**arguments))


def test_a_beginning_needs_its_star() -> None:
    claims = Claims("a", scope={"containers": {"run": ["a/b", "c/*"]}})
    allowed = [grants.allows_image(claims, "run", name) for name in ("a/b", "a/b-evil", "c/d", "d")]
    assert allowed == [True, False, True, False]
    assert grants.allows_image(claims, "pull", "anything")
    for scope in ({}, {"containers": {"use_containers": False}}):
        with pytest.raises(PermissionDenied):
            grants.check(Claims("a", scope=scope))


def test_a_folder_with_something_read_only_in_it_is_not_mounted_for_writing() -> None:
    paths = [{"path": "docs/fixed", "read_only": True}, {"path": "docs"}]
    claims = Claims("a", scope={"containers": {}, "storage": {"paths": paths}})
    grants.check_mount(claims, "docs/mine", write=True)
    grants.check_mount(claims, "docs", write=False)
    for path in ("docs", "docs/fixed", ""):
        with pytest.raises(PermissionDenied):
            grants.check_mount(claims, path, write=True)


class Now(SystemClock):
    """A clock that stands."""

    at = 0.0

    def now(self) -> float:
        return self.at


def test_early_input_waits_a_while_and_not_without_end() -> None:
    clock = Now()
    early = EarlyInput(clock)
    early.keep(("ada", "r"), Input(1, b"a"))
    early.keep(("ada", "r"), Input(255))
    assert [one.channel for one in early.take(("ada", "r"))] == [1, 255]
    assert early.take(("ada", "r")) == []
    early.keep(("ada", "old"), Input(1, b"x" * (MAX_BYTES - 1000)))
    with pytest.raises(RoomFull):
        early.keep(("ada", "more"), Input(1, b"x" * 1000))
    early.keep(("bob", "more"), Input(1, b"x" * 1000))
    clock.at = 60.0
    early.keep(("ada", "more"), Input(1, b"x" * 1000))  # the old one is forgotten
    assert early.take(("ada", "old")) == []
    early.forget("ada")
    assert early.take(("ada", "more")) == []


@pytest.mark.parametrize(
    "header", [{}, {"channel": "1"}, {"channel": 4, "width": 0}, {"channel": 4, "height": "x"}]
)
def test_input_that_cannot_be_read_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        Input.of(header, b"")
