"""One shared document: a Yjs document, the schema it was made with, and its form on disk."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from pycrdt import Doc, TransactionEvent, XmlFragment, merge_updates

from runtime.errors import Conflict, InvalidRequest, RoomFull
from runtime.rooms.document_schema import DocumentSchema

FORMAT: Final = "bulkhead-document/1"


class Document:
    """The server's copy.

    Args:
        schema: What the document was made with.
        max_bytes: Bound of the whole state; updates beyond it are refused.
    """

    def __init__(self, schema: DocumentSchema, *, max_bytes: int) -> None:
        self.schema = schema
        self._max_bytes = max_bytes
        # Of 32 bits: older Yjs cut longer ids, and then every element comes back from them a second time.
        self._doc: Doc[Any] = Doc(client_id=secrets.randbits(32))
        self._root = self._doc.get("xml", type=XmlFragment)
        self._changes: list[bytes] = []
        self._subscription = self._doc.observe(self._observed)
        self._size_bytes = 0  # at least as much as the state has; measured again before anything is refused

    @property
    def size_bytes(self) -> int:
        """What its state has, at most."""
        return self._size_bytes

    @classmethod
    def create(
        cls, schema: DocumentSchema, *, content: Mapping[str, Any] | None = None, max_bytes: int
    ) -> Document:
        """A new document with the children its schema demands, or with this content.

        Raises:
            InvalidRequest: The content does not fit the schema.
        """
        document = cls(schema, max_bytes=max_bytes)
        with document._doc.transaction():
            if content is None:
                schema.seed(document._root)
            else:
                schema.fill(document._root, content)
        document._measure()
        return document

    @classmethod
    def load(cls, raw: bytes, *, max_bytes: int) -> Document:
        """Read what `dump` wrote.

        Raises:
            Conflict: The bytes are something else.
        """
        try:
            stored = json.loads(raw)
            if stored["format"] != FORMAT:
                raise ValueError(stored["format"])
            schema, update = DocumentSchema(stored["schema"]), base64.b64decode(stored["update"])
            document = cls(schema, max_bytes=max(max_bytes, len(update)))
            document.apply(update)
        except (ValueError, TypeError, KeyError, RecursionError, InvalidRequest) as error:
            raise Conflict("the file is not a document") from error
        document._max_bytes = max_bytes
        return document

    def dump(self) -> bytes:
        """The document's file."""
        update = base64.b64encode(self._doc.get_update()).decode("ascii")
        return json.dumps({"format": FORMAT, "schema": self.schema.raw, "update": update}).encode()

    def state(self, vector: bytes | None = None) -> bytes:
        """Everything, or everything that a peer with this state vector lacks.

        Raises:
            InvalidRequest: The vector cannot be read.
        """
        try:
            return self._doc.get_update(vector) if vector else self._doc.get_update()
        except ValueError as error:
            raise InvalidRequest("the state vector cannot be read") from error

    def apply(self, update: bytes) -> bytes | None:
        """Merge an update; return what it changed, or None when it was known already.

        Raises:
            InvalidRequest: The update cannot be read.
            RoomFull: The document would be larger than allowed.
        """
        if self._size_bytes + len(update) > self._max_bytes:
            self._measure()
            if self._size_bytes + len(update) > self._max_bytes:
                raise RoomFull(f"a document may have {self._max_bytes} bytes")
        self._changes.clear()
        try:
            self._doc.apply_update(update)
        except ValueError as error:
            raise InvalidRequest("the document update cannot be read") from error
        except BaseException as error:
            # A panic inside the Yjs library arrives as a BaseException of its own module: it must end this
            # request, not the server.
            if type(error).__module__ != "pyo3_runtime":
                raise
            raise InvalidRequest("the document update cannot be applied") from None
        finally:
            changes, self._changes = self._changes, []
        # An upper bound: echoes count too, until the next measurement.
        self._size_bytes += len(update)
        if not changes:
            return None
        return changes[0] if len(changes) == 1 else merge_updates(*changes)

    def would_change(self, update: bytes) -> bool:
        """Whether merging this update would change anything, without merging it."""
        trial = Document(self.schema, max_bytes=2 * self._max_bytes)
        trial.apply(self.state())
        return trial.apply(update) is not None

    def describe(self) -> dict[str, Any]:
        """The document's JSON form."""
        return self.schema.describe(self._root)

    def _measure(self) -> None:
        self._size_bytes = len(self._doc.get_update())

    def _observed(self, event: TransactionEvent) -> None:
        self._changes.append(event.update)


def decode_update(data: bytes) -> bytes:
    """The Yjs bytes of a sync message, which carries them as base64 text.

    Raises:
        InvalidRequest: Not base64.
    """
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("the document update is not base64") from error


def encode_update(update: bytes) -> bytes:
    """Yjs bytes as a sync message carries them."""
    return base64.b64encode(update)
