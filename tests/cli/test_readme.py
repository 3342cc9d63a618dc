"""The README is what a newcomer needs, and no more: all commands, paths, settings are in the reference.

That the reference leaves nothing out is held by `tests/docs/test_reference.py`, that the README's examples do
what they show by `tests/docs/test_examples.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_it_is_short_and_has_what_a_newcomer_looks_for() -> None:
    assert README.count("\n") < 150
    headings = re.findall(r"^## (.*)$", README, re.MULTILINE)
    assert headings == ["Two commands", "The first agent", "In a container", "Read on"]
    assert README.index("<img") < README.index("## Two commands"), "a picture comes first"


def test_every_link_leads_somewhere() -> None:
    named = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", README)
    named += re.findall(r'(?:src|srcset)="([^"]+)"', README)
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("kind", ["tutorial", "guides", "explanation"])
def test_it_leads_to_each_kind_of_documentation(kind: str) -> None:
    assert f"(docs/pages/{kind}/" in README
    assert "make docs" in README
