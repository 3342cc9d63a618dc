"""Whether a bundle is forked from, and what its author is told: plain decisions, bounded texts."""

from __future__ import annotations

import pytest

from runtime.process.leftovers.forkability import (
    MOST_FINDINGS,
    Fork,
    bounded,
    cure_for,
    is_forkable,
    sentence_for,
)
from runtime.wire.control import Opened

pytestmark = pytest.mark.unit

CONNECTION = Opened("connection", "a connection to 10.0.0.1:5432", "main.py:3", "psycopg")
THREAD = Opened("thread", "thread 'Otel'", "main.py:9", "opentelemetry", "Otel")


@pytest.mark.parametrize(
    ("fork", "opened", "forks"),
    [
        (Fork.AUTO, [], True),
        (Fork.AUTO, [CONNECTION], False),
        (Fork.ALWAYS, [CONNECTION, THREAD], True),
        (Fork.NEVER, [], False),
    ],
)
def test_what_is_found_decides_unless_the_bundle_says(fork: Fork, opened: list[Opened], forks: bool) -> None:
    assert is_forkable(fork, opened) is forks


def test_a_finding_is_told_with_its_line_and_who_did_it() -> None:
    assert sentence_for(CONNECTION) == "a connection to 10.0.0.1:5432 (opened at main.py:3, by psycopg)"
    assert sentence_for(THREAD) == "thread 'Otel' (started at main.py:9, by opentelemetry)"
    assert sentence_for(Opened("pipe", "a pipe")) == "a pipe"
    named = Opened("thread", "a thread of numpy", "main.py:1", "numpy", "python")
    assert sentence_for(named) == "a thread of numpy (started at main.py:1)"


def test_the_cure_fits_the_library_and_names_the_switch() -> None:
    cure = cure_for([THREAD, CONNECTION, CONNECTION], "chat.toml")
    assert "otel_config()" in cure
    assert cure.count("Connect in the agent's start") == 1
    assert cure.endswith('fork = "always" in chat.toml.')
    assert "OPENBLAS_NUM_THREADS=1" in cure_for([Opened("thread", "t", library="numpy")], "x.toml")
    assert "start" in cure_for([Opened("something new", "x")], "x.toml")


def test_what_a_native_library_started_at_its_import_is_cured_by_importing_it_later() -> None:
    thread = Opened("thread", "a thread of onnxruntime", "main.py:1", "onnxruntime", "python", "magika", True)
    kept = Opened(
        "database", "the SQLite database /c/onnxruntime.db", "main.py:1", "onnxruntime", "", "magika"
    )
    assert sentence_for(thread) == "a thread of onnxruntime (started at main.py:1, by importing magika)"
    cure = cure_for([kept, thread], "bulkhead.toml")
    assert cure.startswith(
        "Import magika in the agent's start, within the function: the threads of onnxruntime do"
    )
    assert cure.count(". ") == 1
    alone = Opened("thread", "thread 'python'", library="", name="python", is_native=True)
    assert cure_for([alone], "x.toml").startswith("Import the library in the agent's start")


def test_what_a_bundle_says_of_itself_is_bounded() -> None:
    many = bounded([Opened("k" * 999, "w" * 9999, "l" * 9999, "b" * 999, "n" * 999, "t" * 9999)] * 1000)
    assert len(many) == MOST_FINDINGS
    assert len(sentence_for(many[0])) < 1000
