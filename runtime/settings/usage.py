"""What use costs: the slice ``usage`` of the settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from runtime.errors import ConfigError
from runtime.knob import knob


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSettings:
    """What models cost, beside the list prices that are shipped."""

    prices: tuple[str, ...] = knob(
        (), "US dollars for a million tokens in and out, such as my-model=0.5/1.5; before those shipped"
    )

    def __post_init__(self) -> None:
        named_prices(self.prices)


def named_prices(prices: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Each by its model's name in small letters: US dollars for a million tokens, in and out.

    Raises:
        ConfigError: One is not written as ``MODEL=IN/OUT``.
    """
    found = {}
    for one in prices:
        name, _, both = one.rpartition("=")
        tokens_in, _, tokens_out = both.partition("/")
        try:
            price = float(tokens_in), float(tokens_out)
        except ValueError:
            price = (-1.0, -1.0)
        if not name.strip() or not all(math.isfinite(each) and each >= 0 for each in price):
            raise ConfigError(
                f"usage.prices: {one!r} is no price",
                cure="Write each as MODEL=IN/OUT in US dollars for a million tokens: my-model=0.5/1.5.",
            )
        found[name.strip().lower()] = price
    return found
