"""Types of the columns of a room's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class DataType:
    """What a column holds.

    Args:
        nullable: Whether it may be empty; None means that it may.
        metadata: Notes that are kept with the column.
    """

    type: ClassVar[str] = ""

    def __init__(self, *, nullable: bool | None = None, metadata: Mapping[str, Any] | None = None) -> None:
        self.nullable = nullable
        self.metadata = None if metadata is None else dict(metadata)

    def to_json(self) -> dict[str, Any]:
        """The form in which it travels."""
        return {"type": self.type, "nullable": self.nullable, "metadata": self.metadata}

    @staticmethod
    def from_json(form: Mapping[str, Any]) -> DataType:
        """Read what ``to_json`` wrote.  Raises ValueError for anything else."""
        kind = _KINDS.get(str(form.get("type")))
        if kind is None:
            raise ValueError(f"not a type of a column: {form!r}")
        about = {"nullable": form.get("nullable"), "metadata": form.get("metadata")}
        if kind is VectorDataType:
            element = DataType.from_json(form["element_type"])
            return VectorDataType(size=int(form["size"]), element_type=element, **about)
        if kind is ListDataType:
            return ListDataType(element_type=DataType.from_json(form["element_type"]), **about)
        if kind is StructDataType:
            fields = {name: DataType.from_json(one) for name, one in form["fields"].items()}
            return StructDataType(fields=fields, **about)
        return kind(**about)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataType) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.type)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.to_json()!r})"


class TextDataType(DataType):
    """Text."""

    type = "text"


class IntDataType(DataType):
    """Whole numbers of 64 bits."""

    type = "int"


class FloatDataType(DataType):
    """Numbers."""

    type = "float"


class BoolDataType(DataType):
    """True or false."""

    type = "bool"


class DateDataType(DataType):
    """Days; rows have them as ISO text."""

    type = "date"


class TimestampDataType(DataType):
    """Moments; rows have them as ISO text in UTC."""

    type = "timestamp"


class BinaryDataType(DataType):
    """Bytes."""

    type = "binary"


class VectorDataType(DataType):
    """So many numbers, kept with 32 bits each, which a search compares with its own."""

    type = "vector"

    def __init__(
        self,
        *,
        size: int,
        element_type: DataType | None = None,
        nullable: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(nullable=nullable, metadata=metadata)
        self.size = size
        self.element_type = element_type or FloatDataType()

    def to_json(self) -> dict[str, Any]:
        """The form in which it travels."""
        return {**super().to_json(), "size": self.size, "element_type": self.element_type.to_json()}


class ListDataType(DataType):
    """Lists of one type."""

    type = "list"

    def __init__(
        self,
        *,
        element_type: DataType,
        nullable: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(nullable=nullable, metadata=metadata)
        self.element_type = element_type

    def to_json(self) -> dict[str, Any]:
        """The form in which it travels."""
        return {**super().to_json(), "element_type": self.element_type.to_json()}


class StructDataType(DataType):
    """Objects with these fields."""

    type = "struct"

    def __init__(
        self,
        *,
        fields: Mapping[str, DataType],
        nullable: bool | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(nullable=nullable, metadata=metadata)
        self.fields = dict(fields)

    def to_json(self) -> dict[str, Any]:
        """The form in which it travels."""
        return {
            **super().to_json(),
            "fields": {name: one.to_json() for name, one in self.fields.items()},
        }


_KINDS: dict[str, type[DataType]] = {
    kind.type: kind
    for kind in (
        TextDataType,
        IntDataType,
        FloatDataType,
        BoolDataType,
        DateDataType,
        TimestampDataType,
        BinaryDataType,
        VectorDataType,
        ListDataType,
        StructDataType,
    )
}
