"""What a route asks for and what it gives: checked, encoded and described by the same structs.

A handler is decorated, outermost first, with its path, `asks` (its query), `takes` (its body), `gives` (its
answer) and `also` (answers that are no JSON).  `runtime.front.openapi` reads what they noted.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, Final, TypeVar

import msgspec
from quart import Blueprint, Response, current_app, request

from runtime.front.http.body import read_body
from runtime.front.http.lean import NOT_USED, without

with without(*NOT_USED):
    from quart_schema import (
        RequestSchemaValidationError,
        document_headers,
        document_request,
        document_response,
        security_scheme,
        security_scheme_blueprint,
        tag_blueprint,
        validate_querystring,
    )
    from quart_schema.validation import (
        QUART_SCHEMA_QUERYSTRING_ATTRIBUTE,
        QUART_SCHEMA_REQUEST_ATTRIBUTE,
        QuerystringValidationError,
    )

R = TypeVar("R")
S = TypeVar("S", bound=msgspec.Struct)
Handler = Callable[..., Awaitable[R]]

Unfit = RequestSchemaValidationError
"""What a query or a body raises that is not as it was described."""
ALSO: Final = "_bulkhead_also"
EXAMPLES: Final = "_bulkhead_examples"
REQUEST: Final = "request"
_OPERATOR: Final[list[dict[str, list[str]]]] = [{}, {"operator": []}, {"browserSession": []}]
_encoder = msgspec.json.Encoder()


class Answered(msgspec.Struct, frozen=True):
    """An answer that is no struct.

    Attributes:
        status: Of HTTP.
        media_types: Of its body; none where it has none.
        description: What it means.
    """

    status: int
    media_types: tuple[str, ...]
    description: str


def belongs(paths: Blueprint, tag: str, *, to_operators: bool = False) -> None:
    """Describe all routes of a blueprint as one part of the API.

    Args:
        to_operators: They are for who may operate the server; whether somebody may is the handlers' to check.
    """
    tag_blueprint(paths, [tag])
    if to_operators:
        security_scheme_blueprint(paths, _OPERATOR)


def for_operators(handler: Handler[R]) -> Handler[R]:
    """Describe one route as for who may operate the server."""
    return proven_by(*_OPERATOR)(handler)


def proven_by(*schemes: Mapping[str, list[str]]) -> Callable[[Handler[R]], Handler[R]]:
    """Describe by which of the document's security schemes one proves who one is."""
    return security_scheme([dict(scheme) for scheme in schemes])


def heeds(headers: type[msgspec.Struct]) -> Callable[[Handler[R]], Handler[R]]:
    """Describe headers of the request; reading them is up to the handler."""
    return document_headers(headers)


def asks(query: type[msgspec.Struct]) -> Callable[[Handler[R]], Handler[R]]:
    """Check the query and hand it to the handler as ``query_args``; what does not fit is a problem."""
    return validate_querystring(query)


def takes(body: type[S], *, example: S) -> Callable[[Handler[R]], Handler[R]]:
    """Check the body, JSON of whatever content type, and hand it to the handler as ``data``.

    No body at all is an empty object.  Unlike a query, in which all is text, a body must have the very types.

    Args:
        example: For the description, and for whoever sends something else.
    """
    decoder = msgspec.json.Decoder(body)
    describe = sends(body, example=example)

    def decorate(handler: Handler[R]) -> Handler[R]:
        @wraps(handler)
        async def checked(*args: Any, **kwargs: Any) -> R:
            raw = await read_body(request, timeout_s=current_app.config["READ_BODY_S"])
            try:
                data = decoder.decode(raw or b"{}")
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Unfit(error) from None
            return await handler(*args, data=data, **kwargs)

        return describe(checked)

    return decorate


def sends(body: type[S], *, example: S) -> Callable[[Handler[R]], Handler[R]]:
    """Describe a body that the handler reads by itself."""

    def decorate(handler: Handler[R]) -> Handler[R]:
        return _noted(document_request(body)(handler), EXAMPLES, {REQUEST: example})

    return decorate


def gives(
    answer: Any, status: int = 200, *, example: msgspec.Struct | None = None
) -> Callable[[Handler[Any]], Handler[Response]]:
    """Encode what the handler returns, a struct or a list of them, as JSON; a response goes out as it is.

    Args:
        answer: The type of what it returns.
    """
    note = document_response(answer, status)

    def decorate(handler: Handler[Any]) -> Handler[Response]:
        @wraps(handler)
        async def answering(*args: Any, **kwargs: Any) -> Response:
            given = await handler(*args, **kwargs)
            return given if isinstance(given, Response) else json_answer(given, status)

        return _noted(note(answering), EXAMPLES, {} if example is None else {status: example})

    return decorate


def also(status: int, description: str, *media_types: str) -> Callable[[Handler[R]], Handler[R]]:
    """Describe an answer that is no struct: a file, a stream, a redirection, an upgrade."""

    def decorate(handler: Handler[R]) -> Handler[R]:
        return _noted(handler, ALSO, {status: Answered(status, media_types, description)})

    return decorate


def asked_of(handler: Callable[..., Any], error: Unfit) -> tuple[type, Any]:
    """The struct that a request did not fit, and an example of it where there is one."""
    if isinstance(error, QuerystringValidationError):
        return getattr(handler, QUART_SCHEMA_QUERYSTRING_ATTRIBUTE), None
    body, _ = getattr(handler, QUART_SCHEMA_REQUEST_ATTRIBUTE)
    return body, getattr(handler, EXAMPLES)[REQUEST]


def json_answer(given: Any, status: int = 200) -> Response:
    """An answer of JSON."""
    return Response(encoded(given) + b"\n", status, content_type="application/json")


def encoded(given: Any) -> bytes:
    """JSON; also of texts that are no valid Unicode, as somebody may have put them into a room."""
    try:
        return _encoder.encode(given)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(given)).encode("ascii")


def _noted(handler: Handler[R], name: str, more: Mapping[Any, Any]) -> Handler[R]:
    setattr(handler, name, {**getattr(handler, name, {}), **more})
    return handler
