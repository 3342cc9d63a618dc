"""A shared XML document: bytes in, bytes out, and a tree of elements in between.

Theory: a document is one Yjs document whose root type is an XmlFragment named ``xml``; the fragment is the
schema's root element.  Every element carries an attribute ``$id``, unique in the document.  Updates from
others go in through `Document.apply`; what this side changes comes out through `Document.on_update`.  An
applied update never comes out again, so two documents wired to each other do not echo.

Runs in: anywhere (pure); a document belongs to the thread that made it.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, cast

from pycrdt import Doc, XmlElement, XmlFragment, XmlText

from runtime.errors import LocalProtocolError, RemoteProtocolError
from runtime.wire.text import utf8_text

if TYPE_CHECKING:
    from pycrdt import TransactionEvent

Value = str | int | float | bool | None
"""What an attribute can hold.  Numbers come back as floats, lone surrogates in a text as U+FFFD."""

P = ParamSpec("P")

ROOT = "xml"
ID = "$id"


class Element:
    """One element of a document: a tag, attributes, and child elements.

    Two `Element` objects are equal when they stand for the same element.  Using one that was deleted
    (here or by somebody else) raises what the underlying library raises.
    """

    __slots__ = ("_node", "document")

    def __init__(self, document: Document, node: XmlElement) -> None:
        self.document = document
        self._node = node

    @property
    def tag(self) -> str:
        return self._node.tag or ""

    @property
    def id(self) -> str:
        """The element's ``$id``; empty while its creator has not finished writing it."""
        found = self._node.attributes.get(ID)
        return found if isinstance(found, str) else ""

    @property
    def attributes(self) -> dict[str, Value]:
        """A copy of the attributes, without ``$id``."""
        pairs = cast("Iterable[tuple[str, Value]]", self._node.attributes)
        return {name: value for name, value in pairs if name != ID}

    def get_attribute(self, name: str, default: Value = None) -> Value:
        value: Value = self._node.attributes.get(utf8_text(name))
        return default if value is None else value

    def get_text_attribute(self, name: str) -> str:
        """The attribute if it is text, else the empty string (half-written or hostile elements)."""
        value = self.get_attribute(name)
        return value if isinstance(value, str) else ""

    def set_attribute(self, name: str, value: Value) -> None:
        with self.document.transaction():
            self._node.attributes[utf8_text(name)] = _valid(value)

    def get_children(self) -> list[Element]:
        return [Element(self.document, node) for node in self._node.children if isinstance(node, XmlElement)]

    def get_children_by_tag_name(self, tag: str) -> list[Element]:
        return [child for child in self.get_children() if child.tag == tag]

    def get_last_children(self, count: int) -> list[Element]:
        """The last `count` children, in order, without reading those before them."""
        nodes = self._node.children
        length = len(nodes)
        found = [nodes[index] for index in range(max(0, length - count), length)]
        return [Element(self.document, node) for node in found if isinstance(node, XmlElement)]

    def append_child(self, tag: str, attributes: Mapping[str, Value] | None = None) -> Element:
        """Add an element at the end, with a fresh ``$id``, as one update."""
        return self.document._append(self._node, tag, attributes or {})

    @property
    def text(self) -> str:
        """The rich text in this element, without its formatting."""
        return "".join(str(child) for child in self._node.children if isinstance(child, XmlText))

    def append_text(self, text: str) -> None:
        """Add to the end of the element's text, which is made if there is none yet."""
        text = utf8_text(text)
        with self.document.transaction():
            for child in self._node.children:
                if isinstance(child, XmlText):
                    child += text
                    return
            self._node.children.append(XmlText(text))

    def is_attached(self) -> bool:
        """False once the element, or one that holds it, was deleted: nothing can be read from it then."""
        return bool(self.id)

    def delete(self) -> None:
        """Remove the element with everything in it; a no-op when it is gone already."""
        self.document._delete(self._node)

    def delete_children(self) -> None:
        with self.document.transaction():
            for index in range(len(self._node.children) - 1, -1, -1):
                del self._node.children[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Element) and bool(self._node == other._node)

    def __hash__(self) -> int:
        return hash(self._node)

    def __repr__(self) -> str:
        return f"<Element {self.tag} {self.id}>"


class Document:
    """A shared document's local copy.

    Args:
        state: An update to start from, such as another document's `state`.

    Raises:
        RemoteProtocolError: `state` is not an update.
    """

    def __init__(self, state: bytes = b"") -> None:
        # Of 32 bits: older Yjs cut longer ids, and then every element comes back from them a second time.
        self._doc: Doc[Any] = Doc(client_id=secrets.randbits(32))
        self._fragment: XmlFragment = self._doc.get(ROOT, type=XmlFragment)
        self._applying = False
        self._depth = 0
        self._changes: list[bytes | None] = []
        self._on_update: list[Callable[[bytes], None]] = []
        self._on_change: list[Callable[[], None]] = []
        self._subscription = self._doc.observe(self._changed)
        if state:
            self.apply(state)

    # ---- bytes

    def apply(self, update: bytes) -> None:
        """Take in an update from elsewhere; `on_change` handlers hear of it, `on_update` handlers do not.

        Applying an update twice changes nothing.

        Raises:
            RemoteProtocolError: The bytes are not an update; the document is unchanged.
        """
        self._applying = True
        try:
            self._doc.apply_update(update)
        except (ValueError, RuntimeError) as error:
            raise RemoteProtocolError(f"a document update could not be read: {error}") from error
        finally:
            self._applying = False
        self._tell()

    def state(self, vector: bytes | None = None) -> bytes:
        """Everything in the document as one update, or only what a copy with state `vector` lacks."""
        return self._doc.get_update(vector) if vector is not None else self._doc.get_update()

    def vector(self) -> bytes:
        """What this copy has seen, for somebody else's `state(vector)`."""
        return self._doc.get_state()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Changes made inside come out as one update, at the end.  May be nested."""
        self._depth += 1
        try:
            with self._doc.transaction():
                yield
        finally:
            self._depth -= 1
        self._tell()

    # ---- observation

    def on_update(self, handler: Callable[[bytes], None]) -> Callable[[], None]:
        """Call `handler(update)` after each local change; returns the function that stops it."""
        return _listen(self._on_update, handler)

    def on_change(self, handler: Callable[[], None]) -> Callable[[], None]:
        """Call `handler()` after each change, local or not; returns the function that stops it."""
        return _listen(self._on_change, handler)

    def _changed(self, event: TransactionEvent) -> None:
        # Only noted: inside the observer the document may not even be read.
        self._changes.append(None if self._applying else event.update)

    def _tell(self) -> None:
        while self._changes and not self._depth:
            update = self._changes.pop(0)
            if update is not None:
                for on_update in list(self._on_update):
                    on_update(update)
            for on_change in list(self._on_change):
                on_change()

    # ---- the tree

    def get_children(self) -> list[Element]:
        """The children of the root element."""
        return [Element(self, child) for child in self._fragment.children if isinstance(child, XmlElement)]

    def get_children_by_tag_name(self, tag: str) -> list[Element]:
        return [child for child in self.get_children() if child.tag == tag]

    def append_child(self, tag: str, attributes: Mapping[str, Value] | None = None) -> Element:
        """Add a child to the root element."""
        return self._append(self._fragment, tag, attributes or {})

    def child(self, tag: str) -> Element:
        """The root's first child called `tag`, made when there is none."""
        found = self.get_children_by_tag_name(tag)
        return found[0] if found else self.append_child(tag)

    def __str__(self) -> str:
        """The document as XML text, for logs and tests."""
        return str(self._fragment)

    def _append(self, parent: XmlElement | XmlFragment, tag: str, attributes: Mapping[str, Value]) -> Element:
        if not tag:
            raise LocalProtocolError("an element needs a tag")
        with self.transaction():
            node = XmlElement(utf8_text(tag))
            parent.children.append(node)
            node.attributes[ID] = str(uuid.uuid4())
            for name, value in attributes.items():
                node.attributes[utf8_text(name)] = _valid(value)
        return Element(self, node)

    def _delete(self, node: XmlElement) -> None:
        parent = node.parent
        if isinstance(parent, XmlText) or parent is None:
            return
        with self.transaction():
            for index, child in enumerate(parent.children):
                if child == node:
                    del parent.children[index]
                    return


def _valid(value: Value) -> Value:
    return utf8_text(value) if isinstance(value, str) else value


def _listen(handlers: list[Callable[P, None]], handler: Callable[P, None]) -> Callable[[], None]:
    handlers.append(handler)

    def stop() -> None:
        if handler in handlers:
            handlers.remove(handler)

    return stop
