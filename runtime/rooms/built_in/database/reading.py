"""What a request of the family ``database`` says, read and checked against the token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.errors import InvalidRequest, NotSupported
from runtime.rooms.built_in.database import grants
from runtime.rooms.built_in.database.grants import Verb
from runtime.rooms.built_in.tables.bounds import TableBounds
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.built_in.tables.column import ColumnType, read_name, read_type
from runtime.rooms.built_in.tables.query import Source
from runtime.rooms.built_in.tables.search import Search
from runtime.rooms.request import Request

MAX_SOURCES = 64
MAIN = "main"


def table(request: Request, verb: Verb, *, key: str = "table") -> TableName:
    """The table that it is about.  Raises PermissionDenied, InvalidRequest, NotSupported."""
    refuse_branch(request.arguments)
    name = TableName.read(request.text(key), request.arguments.get("namespace"))
    grants.need(request.peer.participant.claims, name, verb)
    return name


def whole(request: Request, key: str, *, least: int = 0) -> int | None:
    """A whole number, or None.  Raises InvalidRequest."""
    value = request.arguments.get(key)
    if value is None and least == 0:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**63:
        raise InvalidRequest(f"{key!r} of {request.name} must be a whole number of at least {least}")
    return value


def texts(request: Request, key: str) -> list[str] | None:
    """A list of texts, or None.  Raises InvalidRequest."""
    value = request.arguments.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidRequest(f"{key!r} of {request.name} must be a list of texts")
    return value


def asked_search(request: Request) -> Search:
    """What ``search`` and ``count`` ask for.  Raises PermissionDenied, InvalidRequest."""
    vector = request.arguments.get("vector")
    if vector is not None and not isinstance(vector, list):
        raise InvalidRequest(f"'vector' of {request.name} must be a list of numbers")
    return Search(
        table(request, "read"),
        where=request.optional_text("where"),
        text=request.optional_text("text"),
        text_columns=texts(request, "text_columns"),
        vector=vector,
        limit=whole(request, "limit"),
        offset=whole(request, "offset") or 0,
        select=texts(request, "select"),
        version=whole(request, "version"),
        quotes_are_text=quotes_are_text(request),
    )


def quotes_are_text(request: Request) -> bool:
    """How filters of its dialect are read: from 0.37 on double quotes are around names."""
    return not request.name.startswith("dataset.")


def refuse_branch(arguments: Mapping[str, Any]) -> None:
    """Raises NotSupported where another branch than the only one is meant."""
    if arguments.get("branch") not in (None, "", MAIN):
        raise NotSupported("tables of this server have no branches", cure="Leave the branch out.")


def sources(request: Request) -> list[Source]:
    """The tables that a query names, if each is allowed.  Raises PermissionDenied, InvalidRequest."""
    given = request.arguments.get("tables")
    refuse_branch(request.arguments)
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise InvalidRequest(f"'tables' of {request.name} must be a list of objects with names")
    if len(given) > MAX_SOURCES:
        raise InvalidRequest(f"a query names at most {MAX_SOURCES} tables")
    found = []
    for entry in given:
        refuse_branch(entry)
        name = TableName.read(entry.get("name"), entry.get("namespace"))
        grants.need(request.peer.participant.claims, name, "read")
        alias = entry.get("alias")
        version = entry.get("version")
        is_one = isinstance(version, int) and not isinstance(version, bool) and 0 <= version < 2**63
        if version is not None and not is_one:
            raise InvalidRequest("the version of a table is a whole number")
        found.append(Source(name, read_name(alias, "table") if alias is not None else None, version))
    return found


def new_columns(request: Request) -> dict[str, ColumnType | str]:
    """Columns to add: each a type, or SQL.  Raises InvalidRequest."""
    given: Any = request.arguments.get("columns" if request.is_tool else "new_columns")
    if request.is_tool and isinstance(given, list):
        entries = [entry for entry in given if isinstance(entry, dict)]
        given = {
            entry.get("name"): entry.get("value_sql")
            if entry.get("data_type") is None
            else entry["data_type"]
            for entry in entries
        }
    if not isinstance(given, dict) or not given:
        raise InvalidRequest(f"{request.name} needs columns to add")
    return {
        read_name(name): form if isinstance(form, str) else read_type(form) for name, form in given.items()
    }


def too_large(bounds: TableBounds) -> InvalidRequest:
    """What is said of an answer that is larger than one may be."""
    return InvalidRequest(
        f"the result is larger than {bounds.max_result_bytes} bytes",
        cure="Ask for fewer rows (limit, offset) or columns (select), or raise rooms.max_result_bytes.",
    )
