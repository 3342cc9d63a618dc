"""What a model's tokens cost: list prices, with their day, and those that an operator names.  Pure.

US dollars for a million tokens, in and out.  Discounts for cached or batched input are not counted, so what
is told is the most that it may have been.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

AS_OF: Final = "2026-06-30"
"""When the prices below were read."""

Price = tuple[float, float]

SHIPPED: Final[Mapping[str, Price]] = {
    "gpt-5.5": (5.0, 30.0),
    "gpt-5.4": (2.5, 15.0),
    "gpt-5.4-mini": (0.75, 4.5),
    "gpt-5.4-nano": (0.2, 1.25),
    "gpt-5.1": (1.25, 10.0),
    "gpt-5": (1.25, 10.0),
    "gpt-5-mini": (0.25, 2.0),
    "gpt-5-nano": (0.05, 0.4),
    "gpt-4.1": (2.0, 8.0),
    "gpt-4.1-mini": (0.4, 1.6),
    "gpt-4.1-nano": (0.1, 0.4),
    "gpt-4o": (2.5, 10.0),
    "gpt-4o-mini": (0.15, 0.6),
    "o3": (2.0, 8.0),
    "o3-mini": (1.1, 4.4),
    "o4-mini": (1.1, 4.4),
    "o1": (15.0, 60.0),
    "claude-opus-4-5": (5.0, 25.0),
    "claude-opus-4-1": (15.0, 75.0),
    "claude-sonnet-4-5": (3.0, 15.0),
    "claude-sonnet-4": (3.0, 15.0),
    "claude-haiku-4-5": (1.0, 5.0),
    "gemini-2.5-pro": (1.25, 10.0),
    "gemini-2.5-flash": (0.3, 2.5),
    "gemini-2.5-flash-lite": (0.1, 0.4),
    "offline": (0.0, 0.0),
}
_DATED: Final = re.compile(r"-(20\d{2}-\d{2}-\d{2}|20\d{6}|latest)$")


def price_of(model: str, named: Mapping[str, Price]) -> Price | None:
    """What a model costs; None where nobody knows.

    A name is looked for as it is, without its provider (``openai/``), and without the day of its release.

    Args:
        named: What an operator set, which goes before what is shipped.
    """
    name = model.strip().lower()
    for known in (named, SHIPPED):
        for one in (name, name.rpartition("/")[2], _DATED.sub("", name.rpartition("/")[2])):
            if one in known:
                return known[one]
    return None


def cost_of(
    models: Mapping[str, tuple[int, int]], named: Mapping[str, Price]
) -> tuple[float, dict[str, int]]:
    """US dollars for the tokens of each model, in and out; and those models without a price, with theirs."""
    cost, unknown = 0.0, dict[str, int]()
    for model, (tokens_in, tokens_out) in models.items():
        price = price_of(model, named)
        if price is None:
            unknown[model] = unknown.get(model, 0) + tokens_in + tokens_out
        else:
            cost += (tokens_in * price[0] + tokens_out * price[1]) / 1_000_000
    return cost, unknown
