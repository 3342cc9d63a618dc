"""What a manifest's vocabulary is written in: the shapes that values can have, and the fields of records."""

from __future__ import annotations

from typing import Any, Final

import msgspec


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A text.

    Attributes:
        words: All it may be; empty for any text.
        is_filled: It must have a character that is no blank.
        is_folded: Blanks around it are dropped, and it is written in small letters.
        is_path: It begins with a slash.
        form: What it must match as a whole (a regular expression), and what to say of it otherwise.
    """

    words: tuple[str, ...] = ()
    is_filled: bool = False
    is_folded: bool = False
    is_path: bool = False
    form: tuple[str, str] | None = None


class Truth(msgspec.Struct, frozen=True):
    """True or false."""


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """A whole number."""

    least: int
    most: int
    what: str = "number"


class PortNumber(msgspec.Struct, frozen=True):
    """``"*"``, or a port."""


class Quantity(msgspec.Struct, frozen=True):
    """A number, or a text with a unit; for what belongs to this server alone."""

    unit: str


class Free(msgspec.Struct, frozen=True):
    """Whatever JSON can say."""


class ListOf(msgspec.Struct, frozen=True):
    """A list; nothing in its place is an empty one.

    Attributes:
        pairs: The fields of an item that name and value of an entry become, where a map was written instead.
        is_filled: It has an item at least.
    """

    item: Shape
    pairs: tuple[str, str] | None = None
    is_filled: bool = False


class MapOf(msgspec.Struct, frozen=True):
    """A map whose names are its author's."""

    value: Shape


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a record.

    Attributes:
        since, gone: The first release of MeshAgent's SDK that knows it, and the first that does not any more.
        default: What it means to leave it out; None when that means nothing in particular.
        is_written: The normal form has it even if it was left out.
        only: The kind that may have it; empty for both.
        required_of: The kind that must have it.
    """

    name: str
    shape: Shape
    doc: str
    since: str = "0.6"
    gone: str = ""
    is_required: bool = False
    default: Any = None
    is_written: bool = False
    only: str = ""
    required_of: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A map with fields of its own; no others, but for those beginning with ``x-`` where it `takes_own`.

    Attributes:
        short: The field that a bare text in its place is.
    """

    name: str
    doc: str
    fields: tuple[Field, ...]
    takes_own: bool = False
    short: str = ""

    def field(self, name: str) -> Field | None:
        return next((one for one in self.fields if one.name == name), None)


class Families(msgspec.Struct, frozen=True, kw_only=True):
    """A participant token's ``api``: families of requests, of which `known` lists the rights of each."""

    known: tuple[tuple[str, tuple[str, ...]], ...]


Shape = Text | Truth | Whole | PortNumber | Quantity | Free | ListOf | MapOf | Record | Families
OWN: Final = "x-"
"""How the names of fields begin that are this server's own, and that no client is ever given."""


def release(text: str) -> tuple[int, ...]:
    """``0.44.13`` as something that can be compared."""
    return tuple(int(part) for part in text.split(".") if part.isdecimal())
