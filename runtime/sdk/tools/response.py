"""What a tool may return, and how it becomes a content of the wire."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from runtime.sdk.room.room_exception import RoomException
from runtime.wire.content import (
    BinaryContent,
    Content,
    ControlContent,
    EmptyContent,
    ErrorContent,
    FileContent,
    JsonContent,
    LinkContent,
    RawContent,
    TextContent,
)

# The names tool authors know; the newer ones (JsonContent, …) are the classes themselves.
Response = Content
JsonResponse = JsonContent
TextResponse = TextContent
FileResponse = FileContent
LinkResponse = LinkContent
EmptyResponse = EmptyContent
ErrorResponse = ErrorContent

CONTENT_CLASSES: tuple[type, ...] = (
    BinaryContent,
    ControlContent,
    EmptyContent,
    ErrorContent,
    FileContent,
    JsonContent,
    LinkContent,
    RawContent,
    TextContent,
)


def ensure_content(value: Any) -> Content:
    """The content for what a tool returned.

    A content is passed through, a text becomes text, None empty, a dict JSON; a dataclass, a
    msgspec Struct or a pydantic model JSON of its fields; a list, number or truth value
    ``{"result": value}``, because every client expects an object.

    Raises:
        RoomException: The value is of none of these kinds.
    """
    match value:
        case None:
            return EmptyContent()
        case str():
            return TextContent(value)
        case dict():
            return JsonContent(value)
        case bool() | int() | float() | list() | tuple():
            return JsonContent({"result": list(value) if isinstance(value, tuple) else value})
    if isinstance(value, CONTENT_CLASSES):
        passed: Content = value  # type: ignore[assignment]  # the tuple above is the union, spelled out
        return passed
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return JsonContent(dataclasses.asdict(value))
    if isinstance(value, msgspec.Struct):
        return JsonContent(msgspec.to_builtins(value))
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return JsonContent(dump(mode="json"))
    raise RoomException(
        f"a tool returned {type(value).__name__}, which cannot be sent",
        cure="Return a dict, a text, None, or a response such as JsonResponse or FileResponse.",
    )


def plain_value(content: Content) -> Any:
    """The value of a JSON or text content, None for an empty one: an answer without its wrapping.

    Raises:
        RoomException: The content is an error, or of a kind that is not a plain value.
    """
    match content:
        case JsonContent(json=value):
            return value
        case TextContent(text=text):
            return text
        case EmptyContent():
            return None
        case ErrorContent(text=text, code=number):
            raise RoomException(text, error_code=number)
        case _:
            raise RoomException(f"a task cannot be answered with {content.to_header()['type']}")
