"""The client of the commands: which server it means, what a refusal becomes, how events are read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from runtime.cli.api import Api, ServerEvent, find_server, running_in
from runtime.cli.failure import CommandFailed, ExitCode
from runtime.cli.room.awaited import is_elsewhere

pytestmark = pytest.mark.unit


def test_a_problem_becomes_what_happened_and_the_cure(server: Any) -> None:
    server.answer("GET /x", {"title": "No agent at /wether", "detail": "Known paths: /weather"}, 404)
    with pytest.raises(CommandFailed) as caught:
        Api(server.url).get("/x")
    assert (caught.value.message, caught.value.cure) == ("No agent at /wether", "Known paths: /weather")


def test_a_problem_with_its_cure_apart_begins_with_what_happened(server: Any) -> None:
    body = {
        "title": "Not found",
        "detail": "revision 7 is not kept. Kept are 2, 1.",
        "cure": "Kept are 2, 1.",
    }
    server.answer("GET /x", body, 404)
    server.answer("GET /y", {**body, "detail": "it is not kept", "cure": ""}, 404)
    for path, told in (("/x", "revision 7 is not kept. Kept are 2, 1."), ("/y", "it is not kept")):
        with pytest.raises(CommandFailed) as caught:
            Api(server.url).get(path)
        assert str(caught.value) == told


@pytest.mark.parametrize(("token", "told"), [("", "asks for a token"), ("x", "does not take this token")])
def test_a_server_that_wants_a_token_is_told_with_where_it_goes(server: Any, token: str, told: str) -> None:
    server.answer("GET /x", {"title": "A token", "type": "urn:bulkhead:problem:token_required"}, 401)
    with pytest.raises(CommandFailed, match=told) as caught:
        Api(server.url, token).get("/x")
    assert "BULKHEAD_API_TOKEN" in caught.value.cure
    assert caught.value.exit_code == ExitCode.AUTH


def test_a_path_that_the_server_does_not_have_is_told_as_that(server: Any) -> None:
    server.answer(
        "GET /x", {"title": "Not found", "type": "urn:bulkhead:problem:not_found", "detail": "N"}, 404
    )
    with pytest.raises(CommandFailed, match=f"nothing is served at {server.url}/x. Is this"):
        Api(server.url).get("/x")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "GET /workers?all=1 lists the ones that are known.",
            "`bulkhead ps -a` lists the ones that are known.",
        ),
        ("GET /workers lists the endpoints.", "`bulkhead ps` lists the endpoints."),
        ("GET /workers/s_1/crash has the report.", "`bulkhead crash show s_1` has the report."),
        ("No crash has it. GET /crashes lists them.", "No crash has it. `bulkhead crash list` lists them."),
        ("GET /quarantine lists them.", "`bulkhead quarantine list` lists them."),
        ("GET /workers/s_1/stacks", "GET /workers/s_1/stacks"),
    ],
)
def test_a_cure_in_requests_is_told_in_commands(server: Any, said: str, told: str) -> None:
    server.answer("GET /x", {"title": "no", "detail": said}, 404)
    with pytest.raises(CommandFailed) as caught:
        Api(server.url).get("/x")
    assert caught.value.cure == told


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ExitCode.FAILED),
        (401, ExitCode.AUTH),
        (403, ExitCode.AUTH),
        (429, ExitCode.NOT_READY),
        (503, ExitCode.NOT_READY),
    ],
)
def test_the_exit_status_tells_refusals_apart(server: Any, status: int, code: ExitCode) -> None:
    server.answer("GET /x", {"title": "no"}, status)
    with pytest.raises(CommandFailed) as caught:
        Api(server.url).get("/x")
    assert caught.value.exit_code == code


def test_nobody_there_is_told_with_how_to_start_one() -> None:
    with pytest.raises(CommandFailed, match="no server is running at") as caught:
        Api("http://127.0.0.1:9").get("/x")
    assert "bulkhead serve" in caught.value.cure
    assert caught.value.exit_code == ExitCode.NOT_READY


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://"])
def test_what_is_no_address_is_a_usage_error(url: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        Api(url).get("/")
    assert caught.value.exit_code == ExitCode.USAGE


def test_the_operator_token_goes_along(server: Any) -> None:
    server.answer("GET /x", {})
    Api(server.url, "secret").get("/x")
    assert server.asked[-1][2]["authorization"] == "Bearer secret"
    assert "secret" not in repr(Api(server.url, "secret"))


def test_events_are_read_with_their_ids_and_many_lines(server: Any) -> None:
    stream = b'id: 1\nevent: session.ready\ndata: {"a":\ndata: 1}\n\n: a comment\n\nid: 2\ndata: plain\n\n'
    server.answer("GET /events", stream)
    assert list(Api(server.url).events(last_id="0")) == [
        ServerEvent("1", "session.ready", {"a": 1}),
        ServerEvent("2", "message", "plain"),
    ]
    assert server.asked[-1][2]["last-event-id"] == "0"


def test_the_server_of_this_folder_is_found_from_below_it(
    bulkhead: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".bulkhead").mkdir()
    about = {"pid": os.getpid(), "url": "http://127.0.0.1:7/", "started_at": 0, "version": "0"}
    (Path(".bulkhead") / "server.json").write_text(json.dumps(about))
    Path("deep/down").mkdir(parents=True)
    monkeypatch.chdir("deep/down")
    assert find_server(None).url == "http://127.0.0.1:7"


def test_a_server_that_died_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(json.dumps({"pid": 2**22 + 5, "url": "http://127.0.0.1:7"}))
    assert running_in(tmp_path) is None


@pytest.mark.parametrize("held", ["", "{", "[]", '{"pid": 1}'])
def test_a_half_written_file_is_as_good_as_none(tmp_path: Path, held: str) -> None:
    (tmp_path / "server.json").write_text(held)
    assert running_in(tmp_path) is None


def test_the_named_server_is_taken_as_it_is() -> None:
    assert find_server("http://example.org/base/").url == "http://example.org/base"


def test_who_is_with_another_server_of_the_folder_is_found_there(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, url in ((".bulkhead", "http://127.0.0.1:7"), (".bulkhead/run", server.url)):
        (tmp_path / folder).mkdir()
        about = {"pid": os.getpid(), "url": url, "key": "k"}
        (tmp_path / folder / "server.json").write_text(json.dumps(about))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BULKHEAD_STATE_DIR", raising=False)
    server.answer("GET /rooms", [{"name": "lab", "participants": [{"name": "pirate"}]}])
    usual = find_server(None)
    assert usual.url == "http://127.0.0.1:7"
    assert is_elsewhere(usual, "lab", "pirate") == server.url
    assert is_elsewhere(usual, "lab", "parrot") == is_elsewhere(usual, "other", "pirate") == ""
    assert is_elsewhere(find_server(server.url), "lab", "pirate") == "", (
        "the one that is asked is not another"
    )
