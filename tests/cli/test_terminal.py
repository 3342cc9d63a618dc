"""What stands on the screen: colours only where they are wanted, columns that line up, no foreign escapes."""

from __future__ import annotations

import io
import json

import pytest
import yaml

from runtime.cli.terminal import (
    Output,
    clean,
    is_plain,
    length,
    note,
    paint,
    say,
    show,
    table,
    to_json,
    to_yaml,
)
from runtime.wire.text import size

pytestmark = pytest.mark.unit

ITEMS = [{"id": "s_1", "room": "a"}, {"id": "s_20", "room": "b\x1b[2J"}]
COLUMNS = {"table": ("id", "room"), "wide": ("id", "room")}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", ["CI", "NO_COLOR"])
def test_plain_when_asked_for_or_when_nobody_looks(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in ("CI", "NO_COLOR"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert is_plain(io.StringIO())
    assert not is_plain(Terminal())
    assert paint("x", "red", Terminal()) == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv(name, "1")
    assert is_plain(Terminal())
    assert paint("x", "red", Terminal()) == "x"
    monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "dumb")
    assert is_plain(Terminal())


def test_columns_line_up_and_cells_stay_on_their_line() -> None:
    assert table(("a", "b"), [("long one", "x\ny"), ("s", "z")], indent=" ") == [
        " a          b",
        " long one   x y",
        " s          z",
    ]


def test_escape_sequences_are_taken_out_and_lines_kept() -> None:
    assert clean("a\x1b[31mb\x9bc\nd\te\r") == "a[31mbc\nd\te"


def test_what_is_said_has_no_controls_but_its_own_colours(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever says it may have forgotten whose text it is: a task of an agent's, the answer of a tool."""
    say("\x1b[31mred\x1b[0m\x1b]0;title\x07 \x1b[8mhidden\x9b2J\r\u202eexe.gnp\tx\ny\u2066\u200f\u061c\u2069")
    note("\x1b[2J")
    assert capsys.readouterr() == ("\x1b[31mred\x1b[0m]0;title [8mhidden2Jexe.gnp\tx\ny\n", "[2J\n")
    value = {"a\x9b": "é\x1b\x7f\u202e\u2067\u200e\n"}
    assert to_json(value) == '{"a\\u009b": "é\\u001b\\u007f\\u202e\\u2067\\u200e\\n"}'
    assert json.loads(to_json(value)) == value
    assert clean("a\u2066b\u200ec\u202ed") == "abcd"


@pytest.mark.parametrize("odd", ["\u202e", "\x85", "\u2067", "\x1b", "\u2028", "\u00a0", "\u200d", "\ufeff"])
def test_yaml_that_was_said_is_read_as_it_was(odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is written to files, edited and given back."""
    value = {f"a{odd}": f"é{odd}x", "two": f"lines\nof{odd}\\text\n", "none": [odd, "é 'x'\nb"]}
    say(to_yaml(value))
    said = capsys.readouterr().out
    assert yaml.safe_load(said) == value
    assert "\n    b\n" in said  # what has none stays as it is read best
    assert odd in "\u00a0\u200d" or odd not in said


def test_what_the_terminal_cannot_show_is_shown_as_an_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, write in (("stdout", say), ("stderr", note)):
        for encoding, shown in (("utf-8", b"a\\udcff \xe2\x80\xa6\n"), ("ascii", b"a\\udcff \\u2026\n")):
            raw = io.BytesIO()
            monkeypatch.setattr(f"sys.{name}", io.TextIOWrapper(raw, encoding=encoding, errors="strict"))
            write("a\udcff …")
            assert raw.getvalue() == shown
    assert clean("a\udcff") == "a\ufffd"


def test_every_form_of_a_list() -> None:
    assert show(ITEMS, Output.TABLE, name="id", columns=COLUMNS) == "ID     ROOM\ns_1    a\ns_20   b[2J"
    assert json.loads(show(ITEMS, Output.JSON, name="id", columns=COLUMNS)) == ITEMS
    assert yaml.safe_load(show(ITEMS, Output.YAML, name="id", columns=COLUMNS)) == ITEMS
    assert show(ITEMS, Output.NAME, name="id", columns=COLUMNS) == "s_1\ns_20"
    assert show([], Output.TABLE, name="id", columns=COLUMNS, empty="nothing") == "nothing"


def test_sizes_and_lengths_for_people() -> None:
    assert (size(12), size(42991616), size(3 << 30)) == ("12 B", "41 MiB", "3.0 GiB")
    assert (length(5.9), length(242), length(7322)) == ("5s", "4m02", "2h02")
