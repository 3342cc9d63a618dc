"""Bundles whose decorators say what their sessions may reach."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from runtime.session import events
from runtime.settings import ConfinementSettings
from runtime.supervisor.bundles.confined import keep_up
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


async def test_a_server_that_is_started_again_knows_what_was_declared(make_node: Callable[..., Node]) -> None:
    first = make_node(confinement=ConfinementSettings(level="basic"))
    first.write("w/main.py", WRITES)
    (first.folder / "w" / "data").mkdir()
    for is_first in (True, False):
        node = first if is_first else make_node(confinement=ConfinementSettings(level="basic"))
        try:
            with capture_logs() as logs:
                await node.start()
                await node.ready("/w")
            assert [line["event"] for line in logs].count("bundle.loads_again") == (1 if is_first else 0)
        finally:
            await node.close()


EACH = """
    import tempfile

    def tried(path, text=None):
        try:
            return open(path, "w").write(text) if text else open(path).read()
        except OSError as error:
            return type(error).__name__

    class Tries(Base):
        async def start(self, *, room):
            await super().start(room=room)
            with tempfile.NamedTemporaryFile() as own:
                print("read", tried(OUTSIDE), "wrote", tried(DATA, "x"), "own", tried(own.name, "x"))

    @service.path("/much", confinement=MUCH)
    class Much(Tries):
        pass

    @service.path("/little", confinement=LITTLE)
    class Little(Tries):
        pass
"""
ALL, NOTHING = "read bait wrote 1 own 1", "read PermissionError wrote PermissionError own 1"


def two_endpoints(node: Node, much: object, little: object) -> None:
    """One that asks for much, one for little; both try to read a file outside, and to write data."""
    (node.folder / "e" / "data").mkdir(parents=True)
    outside = node.folder.parent / "outside"
    outside.write_text("bait")
    known = {"OUTSIDE": str(outside), "DATA": f"{node.folder}/e/data/x", "MUCH": much, "LITTLE": little}
    said = "".join(f"\n    {name} = {value!r}" for name, value in known.items())
    node.write("e/main.py", f"{said}\n{EACH}")


@pytest.mark.parametrize("fork", ["auto", "never"])
async def test_of_two_endpoints_each_may_what_it_asked_for(make_node: Callable[..., Node], fork: str) -> None:
    node = make_node(confinement=ConfinementSettings(level="basic"))
    two_endpoints(node, {"read": [str(node.folder.parent / "outside")], "write": ["data"]}, None)
    (node.folder / "e" / "bulkhead.toml").write_text(f'fork = "{fork}"\n')
    try:
        await node.start()
        much, little = await node.ready("/much"), await node.ready("/little")
        assert await node.printed(much, "read") == ALL
        assert await node.printed(little, "read") == NOTHING
        told = await node.event(little, events.Refused)
        assert isinstance(told, events.Refused)
        assert told.found[0]["what"] == str(node.folder.parent / "outside")
        assert "read=[" in told.found[0]["cure"]
    finally:
        await node.close()


@pytest.mark.parametrize("level", ["basic", "strict"])
async def test_where_nothing_is_held_back_an_endpoint_is_that_asks_for_it(
    make_node: Callable[..., Node], level: str
) -> None:
    node = make_node(confinement=ConfinementSettings(level="off"))
    two_endpoints(node, None, {"level": level, "network": "all"})
    try:
        await node.start()
        much, little = await node.ready("/much"), await node.ready("/little")
        assert await node.printed(much, "read") == ALL
        assert await node.printed(little, "read") == NOTHING
    finally:
        await node.close()


READS = """
    from pathlib import Path

    @service.path("/reads")
    class Reads(Base):
        async def start(self, *, room):
            await super().start(room=room)
            print("read", (Path(__file__).parent / "notes").read_text())
"""


async def test_what_is_put_beside_one_of_several_programs_is_given_to_its_next_sessions(
    make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_up, "LOOK_S", 0.1)
    node = make_node(confinement=ConfinementSettings(level="basic"))
    node.write("reads.py", READS)
    node.write("broken.py", "syntax error", preamble="")  # what is not its own makes its folder a split one
    (node.folder / "notes").write_text("old")
    try:
        await node.start(watch=True)
        (node.folder / "aside").write_text("new")
        (node.folder / "aside").rename(node.folder / "notes")
        await node.bundle_state("reads", lambda bundle: bundle.generation == 2)
        assert await node.printed(await node.ready("/reads"), "read") == "read new"
    finally:
        await node.close()
