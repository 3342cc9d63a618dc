"""What tokens cost, of models that are known, and what is told of those that are not."""

from __future__ import annotations

import pytest

from runtime.errors import ConfigError
from runtime.model.offline import NAME
from runtime.model.prices import cost_of, price_of
from runtime.settings.usage import UsageSettings, named_prices

pytestmark = pytest.mark.unit


def test_a_model_is_known_by_its_name_without_provider_and_day() -> None:
    assert price_of("gpt-4o", {}) == price_of("openai/gpt-4o-2024-08-06", {}) == (2.5, 10.0)
    assert price_of("claude-sonnet-4-5-20250929", {}) == (3.0, 15.0)
    assert price_of("gpt-4o-audio-preview", {}) is None
    assert price_of(NAME, {}) == (0.0, 0.0)


def test_named_prices_go_first_and_the_unknown_are_told() -> None:
    named = named_prices(("my-model=1/2", "GPT-4o=4/8"))
    used = {"my-model": (1_000_000, 500_000), "gpt-4o": (500_000, 0), "nobodys": (3, 4)}
    assert cost_of(used, named) == (4.0, {"nobodys": 7})


@pytest.mark.parametrize("wrong", ["my-model", "=1/2", "m=1", "m=1/x", "m=-1/2", "m=nan/1"])
def test_what_is_no_price_is_refused_with_its_form(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"my-model=0\.5/1\.5"):
        UsageSettings(prices=(wrong,))
