"""Schemas of shared documents: which elements there are, and a document's JSON form.

A schema is JSON: ``$root_tag_ref`` names the root element, ``$defs`` has one definition per tag.  An element
has value properties and at most one array property, its children: ``prefixItems`` (each exactly once, in
order; the server makes them) or ``items.anyOf`` (any number).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from pycrdt import XmlElement, XmlFragment, XmlText

from runtime.errors import InvalidRequest
from runtime.wire.text import utf8_text

MAX_DEPTH: Final = 32
_REF: Final = "#/$defs/"


class Element(msgspec.Struct, frozen=True):
    """What one tag may have.

    Attributes:
        values: Names of its value properties.
        children_key: Name of the array property, or None.
        ordered: Tags that every instance has, in this order.
        choices: Tags it may have any number of.
    """

    tag: str
    values: frozenset[str]
    children_key: str | None = None
    ordered: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


class DocumentSchema:
    """A schema that was read and checked; ``raw`` is the JSON it came from.

    Raises:
        InvalidRequest: The JSON is not a schema, or the ordered elements contain each other.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = dict(raw)
        definitions = raw.get("$defs")
        root = raw.get("$root_tag_ref")
        if not isinstance(definitions, dict) or not isinstance(root, str):
            raise InvalidRequest("a document schema needs $root_tag_ref and $defs")
        self.root = root.removeprefix(_REF)
        self._elements: dict[str, Element] = {}
        for definition in definitions.values():
            element = _read(definition)
            self._elements[element.tag] = element
        self._check_depth(self.root, 0)

    def element(self, tag: str) -> Element:
        """One tag's definition.

        Raises:
            InvalidRequest: The schema has no such tag.
        """
        element = self._elements.get(tag)
        if element is None:
            raise InvalidRequest(f"the document schema has no element {tag!r}")
        return element

    def seed(self, root: XmlFragment) -> None:
        """Give a new document the ordered children that everybody expects to find."""
        self._seed(root, self.element(self.root))

    def fill(self, root: XmlFragment, content: Mapping[str, Any]) -> None:
        """Write a document's JSON form into a new document.

        Raises:
            InvalidRequest: The JSON does not fit the schema.
        """
        body = content.get(self.root)
        if not isinstance(body, dict):
            raise InvalidRequest(f"the document's JSON must have the key {self.root!r}")
        self._fill(root, self.element(self.root), body, 0)

    def describe(self, root: XmlFragment) -> dict[str, Any]:
        """A document's JSON form."""
        element = self.element(self.root)
        return {self.root: self._children(root, element, 0)}

    def _seed(self, parent: XmlFragment | XmlElement, element: Element) -> None:
        for tag in element.ordered:
            self._seed(_append(parent, tag), self.element(tag))

    def _fill(
        self, parent: XmlFragment | XmlElement, element: Element, body: Mapping[str, Any], depth: int
    ) -> None:
        if depth > MAX_DEPTH:
            raise InvalidRequest(f"the document is nested deeper than {MAX_DEPTH}")
        for name, value in body.items():
            if name in element.values and isinstance(parent, XmlElement):
                if not isinstance(value, str | int | float | bool | None):
                    raise InvalidRequest(f"value {name!r} of {element.tag!r} is not a plain value")
                parent.attributes[utf8_text(name)] = utf8_text(value) if isinstance(value, str) else value
            elif name not in element.values and name not in ("$id", element.children_key):
                raise InvalidRequest(f"{element.tag!r} has no property {name!r}")
        given = body.get(element.children_key) if element.children_key else None
        if given is not None and not isinstance(given, list):
            raise InvalidRequest(f"children of {element.tag!r} must be a list")
        children: dict[str, Any] = {}
        for child in given or []:
            if not isinstance(child, dict) or len(child) != 1:
                raise InvalidRequest(f"a child of {element.tag!r} must be an object with its tag as only key")
            ((tag, content),) = child.items()
            if not isinstance(content, dict) or tag not in (*element.ordered, *element.choices):
                raise InvalidRequest(f"{tag!r} is no child of {element.tag!r}")
            if element.ordered:
                children[tag] = content
            else:
                self._fill(_append(parent, tag), self.element(tag), content, depth + 1)
        for tag in element.ordered:
            self._fill(_append(parent, tag), self.element(tag), children.get(tag, {}), depth + 1)

    def _children(self, node: XmlFragment | XmlElement, element: Element, depth: int) -> dict[str, Any]:
        body: dict[str, Any] = {}
        if isinstance(node, XmlElement):
            attributes: Any = node.attributes  # iterates over pairs, which its annotation does not say
            body = {name: value for name, value in attributes if name != "$id"}
        if element.children_key is not None and depth <= MAX_DEPTH:
            body[element.children_key] = [
                self._node(child, depth + 1) for child in node.children if not isinstance(child, XmlFragment)
            ]
        return body

    def _node(self, node: XmlElement | XmlText, depth: int) -> dict[str, Any]:
        if isinstance(node, XmlText):
            return {"text": {"delta": _delta(node)}}
        tag = node.tag or ""
        if tag == "text":
            texts = [child for child in node.children if isinstance(child, XmlText)]
            return {"text": {"delta": [part for text in texts for part in _delta(text)]}}
        return {tag: self._children(node, self._elements.get(tag, Element(tag, frozenset())), depth)}

    def _check_depth(self, tag: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise InvalidRequest("the document schema's ordered elements contain each other")
        for child in self.element(tag).ordered:
            self._check_depth(child, depth + 1)


def _append(parent: XmlFragment | XmlElement, tag: str) -> XmlElement:
    return parent.children.append(XmlElement(utf8_text(tag), {"$id": str(uuid.uuid4())}))


def _delta(text: XmlText) -> list[dict[str, Any]]:
    return [
        {"insert": insert, **({"attributes": attributes} if attributes else {})}
        for insert, attributes in text.diff()
    ]


def _read(definition: object) -> Element:
    try:
        ((tag, body),) = definition["properties"].items()  # type: ignore[index]
        values: set[str] = set()
        children_key: str | None = None
        ordered: tuple[str, ...] = ()
        choices: tuple[str, ...] = ()
        for name, described in body["properties"].items():
            if described.get("type") != "array":
                values.add(name)
                continue
            children_key = name
            items = described.get("items")
            if isinstance(items, dict):
                choices = tuple(choice["$ref"].removeprefix(_REF) for choice in items["anyOf"])
            else:
                ordered = tuple(part["$ref"].removeprefix(_REF) for part in described["prefixItems"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRequest("the document schema cannot be read") from error
    return Element(tag, frozenset(values), children_key, ordered, choices)
