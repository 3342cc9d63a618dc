"""Routes, and which methods a path really has.

The catch-all for endpoints takes part in every match of the router.  Asked alone, it would give POST to every
path there is, and 405 to paths where nothing is; so it is left out here, and the endpoints are asked instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Final

from quart.routing import QuartRule
from werkzeug.routing import Map, MapAdapter

CATCH_ALL: Final = "/<path:endpoint>"
OF_ENDPOINTS: Final = ("GET", "HEAD", "OPTIONS", "POST")


class Route(QuartRule):
    """A rule of which hardly ever an address is made.

    What makes addresses of rules is compiled for each when an application is made, which was a third of the
    time until a server answers; here it is when one is made.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        def build(rule: Route, *given: Any, **named: Any) -> tuple[str, str]:
            return QuartRule._compile_builder(rule, append_unknown)(rule, *given, **named)

        return build


class Methods:
    """The methods of one application's paths, sorted out when somebody first asks for those of one.

    Args:
        routes: All routes of the application, the catch-all among them.
        is_endpoint: Whether some bundle serves a path.
    """

    def __init__(self, routes: Map, is_endpoint: Callable[[str], bool]) -> None:
        self._routes = routes
        self._is_endpoint = is_endpoint

    def of(self, path: str) -> list[str]:
        """The methods of a path, in order; empty where nothing is."""
        found = sorted(self._whole.get(path) or self._patterns.allowed_methods(path))
        if not found and self._is_endpoint(path):
            return list(OF_ENDPOINTS)
        return found

    @cached_property
    def _whole(self) -> dict[str, set[str]]:
        """Of paths without a variable, which no pattern adds to."""
        found: dict[str, set[str]] = {}
        for rule in self._fixed():
            if not rule.arguments:
                found.setdefault(rule.rule, set()).update(rule.methods or ())
        return found

    @cached_property
    def _patterns(self) -> MapAdapter:
        patterns = [
            Route(rule.rule, methods=rule.methods, endpoint=rule.endpoint)
            for rule in self._fixed()
            if rule.arguments
        ]
        return Map(patterns, merge_slashes=False, strict_slashes=False).bind("")

    def _fixed(self) -> list[Any]:
        rules = self._routes.iter_rules()
        return [rule for rule in rules if rule.rule != CATCH_ALL and not rule.websocket]
