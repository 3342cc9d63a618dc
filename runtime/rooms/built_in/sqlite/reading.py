"""What requests of the toolkit say: which database, table and rows; and what the token says to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from runtime.errors import InvalidRequest, PermissionDenied
from runtime.rooms.built_in.database import cells, forms
from runtime.rooms.built_in.sqlite import grants
from runtime.rooms.built_in.sqlite.asked import Allows
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.column import quoted, read_name
from runtime.rooms.request import Request


class Choice(msgspec.Struct, frozen=True):
    """Rows that are chosen, and what is to be set in them, as SQL.

    Attributes:
        sets: ``column = value`` and so on; empty where nothing is set.
        where: The condition.
        values: What stands for the marks in both.
    """

    sets: str
    where: str
    values: list[Any] | dict[str, Any]


def database(request: Request, *, key: str = "database") -> TableName:
    """The database that a request names.  Raises InvalidRequest."""
    return TableName.read(request.text(key), request.arguments.get("namespace"))


def table(request: Request, verb: grants.TableVerb, *, key: str = "table") -> tuple[TableName, str]:
    """The database and the table that a request names.  Raises PermissionDenied, InvalidRequest."""
    name, told = database(request), read_name(request.arguments.get(key), "table")
    need_table(request, name, told, verb)
    return name, told


def need_table(request: Request, name: TableName, table: str, verb: grants.TableVerb) -> None:
    """Raises PermissionDenied where the token does not allow it."""
    if not grants.allows_table(request.peer.participant.claims, name, table, verb):
        raise PermissionDenied(f"the token does not allow to {verb} table {table!r} of {str(name)!r}")


def allowed(request: Request, name: TableName) -> Allows:
    """What SQL of this request may do in a database."""
    claims = request.peer.participant.claims
    is_whole = grants.is_whole(claims, name)

    def allows(table: str, verb: Any) -> bool:
        return is_whole or (bool(table) and grants.allows_table(claims, name, table, verb))

    return allows


def chosen(request: Request) -> Choice:
    """What ``where``, ``params`` and ``values`` say.  Raises InvalidRequest."""
    params, where = request.arguments.get("params"), request.arguments.get("where")
    if params is not None and not isinstance(params, list | dict):
        raise InvalidRequest(f"'params' of {request.name} are a list or an object")
    by_place = isinstance(params, list)
    values: dict[str, Any] = {}

    def mark(value: Any) -> str:
        name = f"set_{len(values)}"
        values[name] = value
        return "?" if by_place else f":{name}"

    texts = forms.by_column(request.arguments.get("values"), "value_json")
    sets = []
    for column, text in texts.items():
        value = forms.json_value(text)
        expression = cells.expression(value)
        sets.append(f"{quoted(column)} = {mark(value) if expression is None else f'({expression})'}")
    match where:
        case None | "":
            condition = "1"
        case str():
            condition = f"({where})"
        case Mapping():
            each = [f"{quoted(str(column))} IS {mark(value)}" for column, value in where.items()]
            condition = " AND ".join(each) or "1"
        case _:
            raise InvalidRequest(f"'where' of {request.name} is a text or an object")
    if isinstance(params, list):
        return Choice(", ".join(sets), condition, [*values.values(), *params])
    return Choice(", ".join(sets), condition, {**(params or {}), **values})
