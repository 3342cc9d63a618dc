"""Bundles whose decorators say what their sessions may reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from runtime.settings import ConfinementSettings
from tests.placement.conftest import Node

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

WRITES = """
    @service.path("/w", confinement={"write": ["data"]})
    class Writer(Base):
        pass
"""

PLAIN = """
    @service.path("/p")
    class Plain(Base):
        pass
"""
OFF = """
    @service.path("/o", confinement={"level": "off"})
    class Off(Base):
        pass
"""


async def test_a_program_is_run_again_when_it_declares_more_than_it_was_given(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(confinement=ConfinementSettings(level="basic"))
    node.write("w/main.py", WRITES)
    node.write("plain.py", PLAIN)
    (node.folder / "w" / "data").mkdir()
    try:
        with capture_logs() as logs:
            await node.start()
            await node.ready("/w")
            again = [line["bundle"] for line in logs if line["event"] == "bundle.loads_again"]
            assert again == ["w"]
            loaded = [line for line in logs if line["event"] == "bundle.loaded" and line["bundle"] == "w"]
            assert [line["code_generation"] for line in loaded] == [1], "nobody saw the first"
            node.write("w/main.py", WRITES + "\n    x = 1\n")
            await node.placement.reload_changed()
            await node.placement.loaded()
            await node.bundle_state("w", lambda bundle: bundle.generation == 2)
            assert len([line for line in logs if line["event"] == "bundle.loads_again"]) == 1, "known by now"
    finally:
        await node.close()


async def test_a_bundle_that_asks_for_what_it_may_not_have_is_listed_with_the_cure(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(confinement=ConfinementSettings(level="basic"))
    node.write("w/main.py", WRITES)
    node.write("off.py", OFF)
    try:
        await node.start()
        states = {bundle.name: bundle for bundle in node.placement.bundles()}
        assert {bundle.state for bundle in states.values()} == {"failed"}
        assert f"there is no {node.folder}/w/data. Make it" in states["w"].error
        assert '@service.path("/o"): level = "off" is looser' in states["off"].error
        (node.folder / "w" / "data").mkdir()
        await node.bundle_state("w", lambda bundle: bundle.state == "ready")  # though no file was changed
        await node.ready("/w")
    finally:
        await node.close()


async def test_where_nothing_is_held_back_a_program_runs_once(make_node: Callable[..., Node]) -> None:
    node = make_node(confinement=ConfinementSettings(level="off"))
    node.write("w/main.py", WRITES)
    try:
        with capture_logs() as logs:
            await node.start()
            await node.ready("/w")
        assert [line for line in logs if line["event"] == "bundle.loads_again"] == []
    finally:
        await node.close()


OPENS = """
    import sqlite3
    from pathlib import Path
    sqlite3.connect(Path(__file__).parent / "data" / "x.db").execute("create table t (x)")
"""


async def test_a_database_that_may_not_be_made_at_import_is_told_with_what_allows_it(
    make_node: Callable[..., Node],
) -> None:
    node = make_node(confinement=ConfinementSettings(level="basic"))
    node.write("w/main.py", OPENS + PLAIN)
    (node.folder / "w" / "data").mkdir()
    try:
        await node.start()
        (bundle,) = node.placement.bundles()
        assert "unable to open database file" in bundle.error
        assert 'to allow more: write=["data"] in the table [confinement] of bulkhead.toml' in bundle.error
    finally:
        await node.close()
