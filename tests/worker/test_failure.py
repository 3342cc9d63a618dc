"""How an exception of user code is told."""

from __future__ import annotations

from pathlib import Path
from types import CodeType

import pytest

from runtime.worker.failure import describe

pytestmark = pytest.mark.unit


def raised_in(folder: Path, source: str) -> BaseException:
    program = folder / "main.py"
    program.write_text(source)
    code: CodeType = compile(source, str(program), "exec")
    try:
        exec(code, {})
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("it did not raise")


def test_the_innermost_line_of_the_bundle_is_named_even_below_a_library(tmp_path: Path) -> None:
    error = raised_in(tmp_path, "import json\ndef load():\n    json.loads('{')\nload()\n")
    told = describe(error, tmp_path)
    assert told.kind == "JSONDecodeError"
    assert told.where == f"{tmp_path}/main.py:3 in load"
    assert "json.loads" in told.traceback


def test_a_message_that_cannot_be_shown_is_survived(tmp_path: Path) -> None:
    error = raised_in(tmp_path, "class Odd(Exception):\n    def __str__(self): raise OSError\nraise Odd\n")
    assert "cannot be shown" in describe(error, tmp_path).message


def test_texts_are_bounded(tmp_path: Path) -> None:
    error = raised_in(tmp_path, "raise ValueError('x' * 10**6)")
    told = describe(error, tmp_path)
    assert len(told.message) <= 2_000
    assert len(told.traceback) < 30_000


def test_a_syntax_error_names_its_own_line(tmp_path: Path) -> None:
    try:
        compile("x = 1\ny = (\n", str(tmp_path / "main.py"), "exec")
    except SyntaxError as error:
        told = describe(error, tmp_path)
    assert told.where == f"{tmp_path}/main.py:2"
