"""The toolkit ``storage`` that every room offers: its files as tools for a model.

An agent gets it by requiring it (``RequiredToolkit(name="storage")``).  A participant that offers a toolkit
of the same name takes its place.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from runtime.errors import Conflict, InvalidRequest, PermissionDenied
from runtime.rooms.documents import Documents
from runtime.rooms.request import Handlers, Outcome, Request
from runtime.rooms.storage import Storage
from runtime.wire.content import LinkContent, TextContent
from runtime.wire.text import utf8_text

NAME: Final = "storage"
_PATH: Final = {"type": "string", "description": "the path of the file in the room"}


class _Tool(msgspec.Struct, frozen=True):
    title: str
    description: str
    properties: Mapping[str, Any]

    def listing(self) -> dict[str, Any]:
        schema = {
            "type": "object",
            "additionalProperties": False,
            "required": list(self.properties),
            "properties": dict(self.properties),
        }
        return {
            "title": self.title,
            "description": self.description,
            "thumbnail_url": None,
            "input_schema": schema,
            "input_spec": {"types": ["json"], "stream": False, "schema": schema},
            "output_spec": None,
            "defs": None,
            "strict": True,
        }


_TOOLS: Final[Mapping[str, _Tool]] = {
    "list_files_in_room": _Tool(
        "list files",
        "Lists what is in a folder of the room.",
        {"path": {"type": "string", "description": "the folder; empty for the room itself"}},
    ),
    "read_file": _Tool("read a file", "Reads a file of the room; a document as JSON.", {"path": _PATH}),
    "write_file": _Tool(
        "write a text file",
        "Writes a text into a file of the room. Not for binary files.",
        {
            "path": _PATH,
            "text": {"type": "string", "description": "what the file is to contain"},
            "overwrite": {"type": "boolean", "description": "whether a file of that path is replaced"},
        },
    ),
    "get_file_download_url": _Tool(
        "link to a file", "Makes a link by which a file of the room can be downloaded.", {"path": _PATH}
    ),
}


def listing() -> dict[str, dict[str, Any]]:
    """The toolkit by its name, as listings of toolkits show it: it is nobody's."""
    return {
        NAME: {
            "title": "Files of the room",
            "description": "Lists, reads and writes the files of this room.",
            "thumbnail_url": None,
            "annotations": {},
            "participant_id": None,
            "tools": {name: tool.listing() for name, tool in _TOOLS.items()},
        }
    }


class StorageToolkit:
    """The calls of its tools.

    Args:
        storage: What reads and writes the files, with the grants of who calls.
    """

    def __init__(self, storage: Storage, documents: Documents) -> None:
        self._storage = storage
        self._documents = documents

    def tools(self) -> Handlers:
        """Handlers by full name (``storage.read_file``)."""
        requests = self._storage.requests()
        return {
            f"{NAME}.list_files_in_room": requests["storage.list"],
            f"{NAME}.read_file": self._read,
            f"{NAME}.write_file": self._write,
            f"{NAME}.get_file_download_url": self._link,
        }

    async def _read(self, request: Request) -> Outcome:
        extension = request.text("path").rpartition("/")[2].rpartition(".")[2]
        if self._documents.has_schema(extension):
            with contextlib.suppress(Conflict, PermissionDenied):  # a file that only ends like a document
                return await self._documents.describe(request)
        return await self._storage.download_whole(request)

    async def _write(self, request: Request) -> Outcome:
        text = request.arguments.get("text")
        if not isinstance(text, str):
            raise InvalidRequest(f"{request.name} needs 'text', a text")
        await self._storage.save(request, utf8_text(text).encode())
        return TextContent("the file is saved")

    async def _link(self, request: Request) -> Outcome:
        url = await self._storage.address(request)
        return LinkContent(request.text("path").rpartition("/")[2], url)
