"""The tables of the services' file, for who looks whether their rows are what was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from runtime.services.file import SCHEMA
from runtime.services.webhooks.delivery import DeliveryState
from runtime.session.journal.table import Row, Table

VERSION: Final = len(SCHEMA.migrations)
_SEALED_BYTES: Final = 29
"""The least that something sealed has."""


def _checked(*kinds: Callable[[Any], None]) -> Callable[[Row], Row]:
    def make(row: Row) -> Row:
        for kind, value in zip(kinds, row, strict=True):
            kind(value)
        return row

    return make


def _text(value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError("a text is not one")


def _number(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number is not one")


def _sealed(value: Any) -> None:
    if not isinstance(value, bytes) or len(value) < _SEALED_BYTES:
        raise ValueError("it is not sealed")


def _map(value: Any) -> None:
    if not isinstance(json.loads(value), dict):
        raise ValueError("it is no map")


def _list(value: Any) -> None:
    if not isinstance(json.loads(value), list):
        raise ValueError("it is no list")


def _state(value: Any) -> None:
    DeliveryState(value)


TABLES: Final = (
    Table("services", ("id", "name", "revision"), 1, "id", _checked(_text, _text, _number)),
    Table(
        "revisions",
        ("service_id", "number", "at", "secret_versions", "spec"),
        2,
        "service_id, number",
        _checked(_text, _number, _number, _map, _sealed),
    ),
    Table("secrets", ("id", "name", "current", "about"), 1, "id", _checked(_text, _text, _number, _map)),
    Table(
        "secret_versions",
        ("secret_id", "number", "at", "value"),
        2,
        "secret_id, number",
        _checked(_text, _number, _number, _sealed),
    ),
    Table("api_keys", ("id", "name", "value"), 1, "id", _checked(_text, _text, _sealed)),
    Table("webhooks", ("id", "url", "events", "secret"), 1, "id", _checked(_text, _text, _list, _sealed)),
    Table(
        "deliveries",
        ("id", "webhook_id", "state", "attempts"),
        1,
        "number",
        _checked(_text, _text, _state, _number),
    ),
)
