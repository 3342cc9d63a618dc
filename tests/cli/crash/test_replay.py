"""What ``bulkhead replay`` runs: arguments that were hidden, the program, a report from a file."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from runtime.cli.crash.crash_file import report_in
from runtime.cli.crash.replay import _bundle, _revealed, replay
from runtime.cli.failure import CommandFailed
from runtime.wire import control
from runtime.worker.bundle import LoadedBundle
from runtime.worker.replay import Call, _Replay

pytestmark = pytest.mark.unit

HIDDEN = "•••"


def test_hidden_arguments_are_given_or_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLAY_AUTH_KEY", "from-env")
    told = {"fruit": "pear", "n": 1, "auth": {"key": HIDDEN}, "text": f"Bearer {HIDDEN}", "list": [1, HIDDEN]}
    found = _revealed(told, {"text": "Bearer x", "list.1": "y", "more": "z"})
    assert found == {
        "fruit": "pear",
        "n": 1,
        "auth": {"key": "from-env"},
        "text": "Bearer x",
        "list": [1, "y"],
        "more": "z",
    }
    with pytest.raises(CommandFailed) as refused:
        _revealed({"a b": HIDDEN}, {})
    assert "-a a b=… (or REPLAY_A_B)" in refused.value.cure


def test_a_bundle_is_its_folder_when_it_is_called_like_it(tmp_path: Path) -> None:
    (tmp_path / "chat").mkdir()
    program = tmp_path / "chat" / "main.py"
    program.touch()
    assert _bundle({"code": {"file": str(program), "bundle": "chat"}}, None) == program.parent
    assert _bundle({"code": {"file": str(program), "bundle": "main"}}, None) == program
    assert _bundle({"code": {"file": "/gone.py", "bundle": "gone"}}, program) == program
    for code in ({"file": "/gone.py", "bundle": "gone"}, {"file": "", "bundle": ""}):
        with pytest.raises(CommandFailed):
            _bundle({"code": code}, None)


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, raw in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(raw)
            archive.addfile(about, io.BytesIO(raw))
    return path


def test_a_report_is_read_from_its_file(tmp_path: Path) -> None:
    report: dict[str, Any] = dict.fromkeys(("session", "endpoint", "identity", "room", "sentence"), "x")
    report |= {"generation": 1, "arguments": {}, "code": {"file": "/x.py", "bundle": "x", "sha256": ""}}
    raw = json.dumps(report).encode()
    assert report_in(pack(tmp_path / "a.tar.gz", {"crash-s_1/report.json": raw})) == report
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(b"nothing of the kind")
    others = [
        bad,
        tmp_path / "none.tar.gz",
        pack(tmp_path / "b.tar.gz", {"x/other.json": raw}),
        pack(tmp_path / "c.tar.gz", {"x/report.json": b"{"}),
        pack(tmp_path / "d.tar.gz", {"x/report.json": b"[]"}),
        pack(tmp_path / "e.tar.gz", {"x/report.json": b" " * (9 << 20)}),
        pack(tmp_path / "f.tar.gz", {"x/report.json": b"[" * 100_000}),
        pack(tmp_path / "g.tar.gz", {"x/report.json": json.dumps(report | {"arguments": []}).encode()}),
        pack(tmp_path / "h.tar.gz", {"x/report.json": json.dumps(report | {"code": {}}).encode()}),
    ]
    for other in others:
        with pytest.raises(CommandFailed) as refused:
            report_in(other)
        assert refused.value.cure


def test_a_file_of_others_does_not_choose_what_runs_here(tmp_path: Path) -> None:
    program = tmp_path / "mine.py"
    program.write_text("raise SystemExit('it ran')")
    report: dict[str, Any] = dict.fromkeys(("session", "endpoint", "identity", "room", "sentence"), "x")
    report |= {"generation": 1, "arguments": {}}
    report["code"] = {"file": str(program), "bundle": "mine", "sha256": "0" * 64}
    file = pack(tmp_path / "a.tar.gz", {"x/report.json": json.dumps(report).encode()})
    with pytest.raises(CommandFailed, match="not the code") as refused:
        replay(str(file), state_dir=tmp_path)
    assert f"--source {program}" in refused.value.cure


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("chatbot", "chat --url http://h:1 --room 'my room' --to clerk"),
        ("task_runner", "agents ask --url http://h:1 --room 'my room' --agent summer --input '{}'"),
        ("toolkit", "agents list --url http://h:1 --room 'my room'"),
    ],
)
def test_what_fits_its_kind_is_told_to_who_runs_it_again(kind: Any, words: str) -> None:
    start = control.Start("s_1", 2, "/a", "clerk", "my room", "ws://h:1/rooms/x", "t")
    again = _Replay(Call(start, server="http://h:1"), cast(Any, None))
    again._kind, again._session = kind, cast(Any, SimpleNamespace(agent_name="summer"))
    assert again._to_try() == f"bulkhead {words}"


def test_a_program_that_has_its_endpoint_no_more_is_told_as_in_a_session(tmp_path: Path) -> None:
    again = _Replay(Call(control.Start("", 1, "/gone", "clerk", "r", "", ""), server=""), cast(Any, None))
    asyncio.run(again._run(LoadedBundle(tmp_path, {}, "clerk")))
    assert again._session is not None
    assert "has no endpoint /gone" in str(again._session.error)
