"""Random generators that a program made while it was imported: each session gets them with seeds of its own.

A fork copies their state, so all sessions would draw the same numbers: equal ids, samples, jitter.
"""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

Reseed = Callable[[], object]

_OUT_OF_REACH: Final = {"tensorflow": "tf.random", "cupy": "cupy.random", "mlx.core": "mlx.core.random"}
"""Libraries with a generator of their own that cannot be seeded without starting what they compute with."""


_MOST: Final = 1000
"""Each costs every session a few millionths of a second."""


def reseeds() -> list[Reseed]:
    """What a child is to call, besides `random.seed`."""
    found: list[Reseed] = [partial(_reseed, each) for each in _renewable()[:_MOST]]
    torch: Any = sys.modules.get("torch")
    if hasattr(torch, "seed"):
        found.append(torch.seed)
    return found


def alike() -> list[str]:
    """Generators that will give every session the same numbers."""
    own = {
        f"{type(each).__module__}.{type(each).__qualname__}"
        for each in _instances()
        if each is not random._inst and not isinstance(each, random.SystemRandom) and not _is_renewable(each)
    }
    told = sorted({*own, *(told for module, told in _OUT_OF_REACH.items() if module in sys.modules)})
    if (more := len(_renewable()) - _MOST) > 0:
        told.append(f"{more} more than {_MOST} generators")
    return told


def _renewable() -> list[Any]:
    return [each for each in _instances() if _is_renewable(each)]


def _is_renewable(generator: Any) -> bool:
    if isinstance(generator, random.Random):
        return generator is not random._inst and _is_seeded_as_usual(generator)
    return type(generator).__module__.startswith("numpy.")  # others' constructors may want arguments


def _is_seeded_as_usual(generator: random.Random) -> bool:
    """Whether its numbers come from the state that `random.Random.seed` sets."""
    kind = type(generator)
    return kind.random is random.Random.random and kind.getrandbits is random.Random.getrandbits


def _reseed(generator: Any) -> None:
    if isinstance(generator, random.Random):
        random.Random.seed(generator)  # the class's own: a program's may take other arguments
    elif hasattr(generator, "get_state"):
        _forget_last(generator)
    else:
        # There is no method that seeds every kind of numpy's anew; a new one of the kind is.
        generator.state = type(generator)().state


def _forget_last(state: Any) -> None:
    """Of numpy's older generators, which keep the second of each pair of normal numbers."""
    now = state.get_state(legacy=False)
    if now.get("has_gauss"):
        state.set_state({**now, "has_gauss": 0, "gauss": 0.0})


def _instances() -> list[Any]:
    numpy: Any = sys.modules.get("numpy.random")
    wanted: tuple[type[Any], ...] = (random.Random,)
    if numpy is not None:
        wanted += (numpy.BitGenerator, numpy.RandomState)
    objects = gc.get_objects()
    kinds = {kind for kind in set(map(type, objects)) if issubclass(kind, wanted)}
    return [each for each in objects if type(each) in kinds]
