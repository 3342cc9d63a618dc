"""Where a session's limits come from: several layers, the strongest first, each limit with its source.  Pure.

The agent's author knows best (the decorator), then whoever runs the server (its settings), then whoever
packed the bundle (the table ``[limits]`` of its file), and last come our defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from runtime.errors import ConfigError
from runtime.session.spec import UNLIMITED, Limits

DECORATOR = "decorator"
DEFAULT = "default"


class SourcedLimits(msgspec.Struct, frozen=True):
    """Limits, and for each of them where it was said.

    Attributes:
        sources: By the names of `Limits.plain`; only of limits that there are.
    """

    limits: Limits = msgspec.field(default_factory=Limits)
    sources: Mapping[str, str] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, limits: Limits, source: str) -> SourcedLimits:
        """All from one source."""
        return cls(limits, dict.fromkeys(limits.declared(), source))

    def over(self, weaker: SourcedLimits) -> SourcedLimits:
        """These, with the gaps filled from `weaker`."""
        merged = self.limits.over(weaker.limits)
        known = {**weaker.sources, **self.sources}
        return SourcedLimits(merged, {name: known[name] for name in merged.declared() if name in known})

    def plain_sources(self) -> dict[str, str]:
        """Sources of the limits that hold."""
        return {name: self.sources[name] for name in self.limits.plain() if name in self.sources}


def from_server(limits: Limits, origins: Mapping[str, str]) -> tuple[SourcedLimits, SourcedLimits]:
    """Part a server's limits into what somebody set and what is its default.

    Args:
        origins: `Settings.origins`; empty where there are no settings, and all counts as set.
    """
    said: dict[str, Any] = {}
    default: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for shown, value in limits.declared().items():
        origin = origins.get(f"limits.{shown.removesuffix('_bytes').removesuffix('_s')}", "settings")
        (default if origin == DEFAULT else said)[shown] = value
        sources[shown] = origin
    return (
        SourcedLimits(Limits.from_declared(said), sources),
        SourcedLimits(Limits.from_declared(default), sources),
    )


def of_bundle(table: Mapping[str, Any], source: str) -> SourcedLimits:
    """Read the table ``[limits]`` of a bundle's file.

    Raises:
        ConfigError: An unknown name or a value of the wrong kind.
    """
    known = Limits.__dataclass_fields__
    for name in table:
        if name not in known:
            raise ConfigError(f"{source}: unknown limit {name!r}", cure=f"Known: {', '.join(sorted(known))}.")
    said: dict[str, Any] = {name: UNLIMITED if value == 0 else value for name, value in table.items()}
    return SourcedLimits.of(Limits(**said), source)
