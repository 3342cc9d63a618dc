"""Random generators of a program give each session numbers of its own, or their author is told."""

from __future__ import annotations

import importlib.util
import random
from typing import Any

import pytest

from runtime.process.fork import generators
from runtime.session.exit_reasons import ExitReason

PROGRAM = """
import random, secrets
seeded = random.Random(42)
derived = random.Random(secrets.randbits(64))
within = {"deep": [random.Random("text")]}
random.seed(7)
numbers = {}
try:
    import numpy
except ImportError:
    pass
else:
    numpy.random.seed(3)
    numpy.random.normal()  # which keeps its second number for the next time
    new, old = numpy.random.default_rng(4), numpy.random.RandomState(5)
    bare = numpy.random.Generator(numpy.random.Philox(6))
    numbers |= {
        "numpy": numpy.random.normal, "new": new.random, "old": old.normal, "bare": bare.random,
    }
numbers |= {
    "module": random.random, "seeded": seeded.random, "derived": derived.random,
    "within": within["deep"][0].random,
}

@service.path("/random", identity="random")
class Random(Base):
    async def start(self, *, room):
        print("drew", {name: float(draw()) for name, draw in sorted(numbers.items())})
"""


@pytest.mark.process
@pytest.mark.asyncio
async def test_every_session_draws_numbers_of_its_own(node: Any) -> None:
    node.write("random_.py", PROGRAM)
    await node.start()
    drawn = []
    for number in range(3):
        session_id = await node.ready("/random", identity=f"random{number}")
        line = await node.printed(session_id, "drew")
        drawn.append(eval(line.removeprefix("drew ")))
        await node.placement.stop(session_id, ExitReason.STOPPED)
    for name in drawn[0]:
        assert len({each[name] for each in drawn}) == 3, name
    expected = {"module", "seeded", "derived", "within"}
    if importlib.util.find_spec("numpy") is not None:
        expected |= {"numpy", "new", "old", "bare"}
    assert set(drawn[0]) == expected


class Fair(random.Random):
    """Draws from a list."""

    def random(self) -> float:
        return 0.5


@pytest.mark.unit
def test_one_that_keeps_its_own_state_is_named() -> None:
    fair = Fair()
    assert f"{__name__}.Fair" in generators.alike()
    del fair


@pytest.mark.unit
def test_one_that_asks_the_system_is_left_alone() -> None:
    before = len(generators.reseeds())
    system, usual = random.SystemRandom(), random.Random(1)
    assert len(generators.reseeds()) == before + 1
    assert "random.SystemRandom" not in generators.alike()
    del system, usual


@pytest.mark.unit
def test_no_more_are_seeded_than_a_session_has_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    there = len(generators.reseeds())
    monkeypatch.setattr(generators, "_MOST", there + 1)
    many = [random.Random(each) for each in range(3)]
    assert len(generators.reseeds()) == there + 1
    assert generators.alike()[-1] == f"2 more than {there + 1} generators"
    del many
