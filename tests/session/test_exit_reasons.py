"""The table of exit reasons is whole, nobody keeps a second one, and Studio has what stands in it."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from runtime.session.exit_reasons import EXIT_REASONS, ExitReason, ReasonRow, row_of

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
# Words that mean nothing else; `memory`, `idle` and the like are names of limits and states, too.
TELLING = {reason.value for reason in ExitReason if "_" in reason} | {"dismissed", "drained", "quarantined"}


def test_every_reason_has_a_row_and_every_row_every_column() -> None:
    assert list(EXIT_REASONS) == list(ExitReason)
    for column in fields(ReasonRow):  # so that mypy misses one that is left out
        assert column.required, column.name


@pytest.mark.parametrize("reason", list(ExitReason))
def test_a_row_agrees_with_itself(reason: ExitReason) -> None:
    row = reason.row
    assert row.sentence.endswith(".")
    assert row.cure.endswith(".")
    assert row.aftermath.endswith(".")
    assert "\n" not in row.cure
    assert len(row.cure) < 110
    assert row.word
    assert row.brief
    if row.is_clean:
        assert (row.tone, row.is_death) == ("idle", False)
        assert row.restart in (("with_server", "moved") if row.whose == "server" else ("never",))
    if row.has_line:
        assert row.limit == "looked", "only what is looked at before it is killed is known to be at a line"
    if row.limit is not None:
        assert row.whose == "limit"


def test_no_two_reasons_are_told_alike() -> None:
    assert len({row.sentence for row in EXIT_REASONS.values()}) == len(EXIT_REASONS)


def test_a_word_of_a_newer_server_has_no_row() -> None:
    assert row_of("hang") is ExitReason.HANG.row
    assert row_of("abducted") is None


def second_tables(source: str) -> list[int]:
    """Lines with a set, list, tuple, dict or match of two or more reasons."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Set | ast.Tuple | ast.List):
            parts: list[Any] = node.elts
        elif isinstance(node, ast.Dict):
            parts = node.keys
        elif isinstance(node, ast.Match):
            parts = [case.pattern.value for case in node.cases if isinstance(case.pattern, ast.MatchValue)]
        else:
            continue
        named = [part for part in parts if isinstance(part, ast.Attribute)]
        members = [one for one in named if isinstance(one.value, ast.Name) and one.value.id == "ExitReason"]
        said = [part for part in parts if isinstance(part, ast.Constant) and part.value in TELLING]
        if len(members) > 1 or len(said) > 1:
            found.append(node.lineno)
    return found


def test_nobody_keeps_a_second_table() -> None:
    kept = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "runtime").rglob("*.py")
        if path.name != "exit_reasons.py" and (lines := second_tables(path.read_text()))
    }
    assert kept == {}, (
        "make what differs a column of ReasonRow (runtime/session/exit_reasons.py), and read it"
    )


def test_a_second_table_is_seen() -> None:
    assert second_tables("a = {ExitReason.HANG, ExitReason.CPU}") == [1]
    assert second_tables("a = {'hang': 1, 'room_lost': 2, 'drained': 3}") == [1]
    assert second_tables("a = {'idle': ExitReason.IDLE, 'ready': 1}") == []


def test_studio_reads_what_is_generated_from_the_table() -> None:
    spec = importlib.util.spec_from_file_location("generator", ROOT / "ui" / "exit_reasons.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.FILE.read_text(encoding="utf-8") == generator.text(), "run `make ui`"


def test_studio_keeps_no_second_table() -> None:
    quoted = re.compile("[\"'](" + "|".join(TELLING) + ")[\"']")
    kept = {
        str(path.relative_to(ROOT)): found
        for path in (ROOT / "ui" / "src").rglob("*.js")
        if path.name != "exit_reasons.js" and (found := quoted.findall(path.read_text(encoding="utf-8")))
    }
    assert kept == {}, "make what differs a column that ui/exit_reasons.py writes, and read meaning(reason)"
