"""Contents: the forms of a response, a tool result and (in the newer dialects) a tool argument.

On the wire a content is a JSON header with a ``type`` and, for files and binaries, raw bytes beside it.
`from_header` reads any of them; each class writes itself with ``to_header``, its raw bytes are its ``data``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, TypeAlias

from runtime.errors import RemoteProtocolError

CODE_PERMISSION: Final = 1001
CODE_INVALID: Final = 1002
CODE_NOT_FOUND: Final = 1003
CODE_EXISTS: Final = 1004
CODE_CONFLICT: Final = 1005
CODE_STATE: Final = 1006
CODE_UNSUPPORTED: Final = 1007
CODE_FAILED: Final = 1008
CODE_TIMEOUT: Final = 1009
CODE_NO_CONTAINER: Final = 6001
CODE_NO_SERVICE: Final = 7001
CODE_LOADED_AGAIN: Final = 1990
"""Ours: who was asked is gone because its program was loaded again, and is there again in a moment."""

STATUS_OK: Final = 1000
"""``status_code`` of a ``close`` control that ends a stream without an error."""


@dataclass(frozen=True, slots=True)
class EmptyContent:
    """Nothing to say but that it worked."""

    data: ClassVar[bytes] = b""

    def to_header(self) -> dict[str, Any]:
        return {"type": "empty"}


@dataclass(frozen=True, slots=True)
class JsonContent:
    """A JSON value, nearly always an object.

    Attributes:
        written: Its header as JSON already: a large one is written by a thread, and ``json`` is empty.
    """

    json: Any
    written: bytes = field(default=b"", repr=False)
    data: ClassVar[bytes] = b""

    def to_header(self) -> dict[str, Any]:
        return {"type": "json", "json": self.json}


@dataclass(frozen=True, slots=True)
class TextContent:
    """Plain text."""

    text: str
    data: ClassVar[bytes] = b""

    def to_header(self) -> dict[str, Any]:
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file, whole."""

    name: str
    mime_type: str
    data: bytes = b""

    def to_header(self) -> dict[str, Any]:
        return {"type": "file", "name": self.name, "mime_type": self.mime_type}


@dataclass(frozen=True, slots=True)
class LinkContent:
    """A named URL."""

    name: str
    url: str
    data: ClassVar[bytes] = b""

    def to_header(self) -> dict[str, Any]:
        return {"type": "link", "name": self.name, "url": self.url}


@dataclass(frozen=True, slots=True)
class ErrorContent:
    """A request that failed; ``code`` is read by the newer dialects only."""

    text: str
    code: int | None = None
    data: ClassVar[bytes] = b""

    def to_header(self) -> dict[str, Any]:
        header: dict[str, Any] = {"type": "error", "text": self.text}
        if self.code is not None:
            header["code"] = self.code
        return header


@dataclass(frozen=True, slots=True)
class BinaryContent:
    """A chunk of a stream: JSON headers and raw bytes."""

    headers: dict[str, Any] = field(default_factory=dict)
    data: bytes = b""

    def to_header(self) -> dict[str, Any]:
        return {"type": "binary", "headers": self.headers}


@dataclass(frozen=True, slots=True)
class ControlContent:
    """The beginning or the end of a stream.

    A ``close`` whose ``status_code`` is neither absent nor 1000 ends the stream with the error ``message``.
    """

    method: Literal["open", "close"]
    status_code: int | None = None
    message: str | None = None
    data: ClassVar[bytes] = b""

    @property
    def is_error(self) -> bool:
        """True for a close that reports a failure."""
        return self.method == "close" and self.status_code not in (None, STATUS_OK)

    def to_header(self) -> dict[str, Any]:
        header: dict[str, Any] = {"type": "control", "method": self.method}
        if self.status_code is not None:
            header["status_code"] = self.status_code
        if self.message is not None:
            header["message"] = self.message
        return header


@dataclass(frozen=True, slots=True)
class RawContent:
    """Output items of a language model, passed through unread."""

    outputs: list[Any] = field(default_factory=list)
    data: ClassVar[bytes] = b""

    def to_header(self) -> dict[str, Any]:
        return {"type": "raw", "outputs": self.outputs}


Content: TypeAlias = (
    EmptyContent
    | JsonContent
    | TextContent
    | FileContent
    | LinkContent
    | ErrorContent
    | BinaryContent
    | ControlContent
    | RawContent
)


def from_header(header: object, data: bytes = b"") -> Content:
    """Read a content from its header and the raw bytes that came with it; unknown keys are ignored.

    Raises:
        RemoteProtocolError: Not a content, or one with a missing or mistyped field.
    """
    if not isinstance(header, dict):
        raise RemoteProtocolError("content is not a JSON object")
    match header:
        case {"type": "empty"}:
            return EmptyContent()
        case {"type": "json", "json": value}:
            return JsonContent(value)
        case {"type": "text", "text": str(text)}:
            return TextContent(text)
        case {"type": "file", "name": str(name), "mime_type": str(mime_type)}:
            return FileContent(name, mime_type, data)
        case {"type": "link", "name": str(name), "url": str(url)}:
            return LinkContent(name, url)
        case {"type": "error", "text": str(text)}:
            code = header.get("code")
            return ErrorContent(text, code if isinstance(code, int) else None)
        case {"type": "binary"}:
            headers = header.get("headers")
            return BinaryContent(headers if isinstance(headers, dict) else {}, data)
        case {"type": "control", "method": "open" | "close" as method}:
            status_code, message = header.get("status_code"), header.get("message")
            return ControlContent(
                method,
                status_code if isinstance(status_code, int) else None,
                message if isinstance(message, str) else None,
            )
        case {"type": "raw", "outputs": list(outputs)}:
            return RawContent(outputs)
        case {"type": str(kind)}:
            raise RemoteProtocolError(f"content of type {kind[:80]!r} is unknown or lacks a field")
        case _:
            raise RemoteProtocolError("content has no type")
