"""What a tool answered, on a terminal and elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runtime.cli.room.agents import _say_content
from runtime.wire.content import FileContent

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("data", "shown", "told"),
    [(b"a\x1b]0;x\x07b", "a]0;xb\n", ""), (b"\x89PNG\xff\x1b[2J", "", "9 B that are no text")],
)
def test_a_file_is_shown_on_a_terminal_without_what_that_obeys(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    data: bytes,
    shown: str,
    told: str,
) -> None:
    content = FileContent("a.bin", "text/plain", data)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    _say_content(content)
    out, err = capsys.readouterr()
    assert out == shown
    assert told in err
    with (tmp_path / "out").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        _say_content(content)
    assert (tmp_path / "out").read_bytes() == data
