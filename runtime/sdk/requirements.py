"""What an agent needs in the room before it can work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CALL_TIMEOUT_S = 30.0


class Requirement:
    """Something that must be in the room.

    Args:
        name: Its name there; an ``http(s)://`` address is called into the room when it is missing.
        callable: Whether the agent may call it in; None means yes when the name is an address.
        timeout_s: How long to wait for it to appear.
    """

    kind = ""

    def __init__(
        self, *, name: str, callable: bool | None = None, timeout_s: float | None = CALL_TIMEOUT_S
    ) -> None:
        self.name = name
        self.callable = callable
        self.timeout_s = timeout_s

    def to_json(self) -> dict[str, Any]:
        """The form in which it travels."""
        described: dict[str, Any] = {self.kind: self.name}
        if self.callable is not None:
            described["callable"] = self.callable
        return described

    @staticmethod
    def from_json(r: dict[str, Any]) -> Requirement:
        """Read what ``to_json`` wrote.  Raises ValueError for anything else."""
        callable = r.get("callable")
        if isinstance(r.get("toolkit"), str):
            return RequiredToolkit(name=r["toolkit"], tools=r.get("tools"), callable=callable)
        if isinstance(r.get("schema"), str):
            return RequiredSchema(name=r["schema"], callable=callable)
        raise ValueError(f"not a requirement: {r!r}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


class RequiredToolkit(Requirement):
    """A toolkit; ``tools`` names those that are needed, None means all of it."""

    kind = "toolkit"

    def __init__(
        self,
        *,
        name: str,
        tools: Sequence[str] | None = None,
        callable: bool | None = None,
        timeout_s: float | None = CALL_TIMEOUT_S,
    ) -> None:
        super().__init__(name=name, callable=callable, timeout_s=timeout_s)
        self.tools = None if tools is None else list(tools)

    def to_json(self) -> dict[str, Any]:
        """The form in which it travels."""
        return {**super().to_json(), "tools": self.tools}


class RequiredSchema(Requirement):
    """A document schema, the file ``.schemas/<name>.json`` of the room."""

    kind = "schema"
