"""What the last lines of a program say of its end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from runtime.session.cures.last_words import exception_in, missing_variable

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("KeyError: 'SEARCH_KEY'", "SEARCH_KEY"),
        ("openai.OpenAIError: set the environment variable OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("fatal: DATABASE_URL is not set", "DATABASE_URL"),
        ("KeyError: 'colour'", ""),
        ("ValueError: no", ""),
    ],
)
def test_the_variable_that_a_program_misses_is_found(line: str, name: str) -> None:
    assert missing_variable(["Traceback", line]) == name


def test_the_last_exception_is_read_with_the_line_of_the_program() -> None:
    program = """
import os
try:
    1 / 0
except ZeroDivisionError:
    import traceback; traceback.print_exc()
print("noise", flush=True)
def needs(name):
    return os.environ[name]
needs("NOT_THERE_AT_ALL")
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    lines = ["started", *ran.stderr.splitlines()]
    found = exception_in(lines)
    assert found is not None
    assert (found.kind, found.message) == ("KeyError", "'NOT_THERE_AT_ALL'")
    assert found.traceback.startswith("Traceback")
    assert "ZeroDivisionError" not in found.traceback
    assert missing_variable(lines) == "NOT_THERE_AT_ALL"
    of_file = [line.replace("<string>", "/app/main.py") for line in lines]
    told = exception_in(of_file)
    assert told is not None
    assert told.where == "/app/main.py:9 in needs"


@pytest.mark.parametrize(
    "lines", [[], ["Traceback (most recent call last):"], ["Traceback (most recent call last):", "what? no!"]]
)
def test_what_is_no_traceback_is_none(lines: list[str]) -> None:
    assert exception_in(lines) is None
