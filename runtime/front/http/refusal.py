"""What the front raises to refuse a request for a reason of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """A request that the front answers with a problem.

    Args:
        code: A key of the table in `runtime.front.http.problems`.
        detail: What happened and what to do, for the caller.
        headers: Headers of the answer, such as ``Retry-After``.
        more: Further members of the document.
    """

    def __init__(
        self, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code, self.detail, self.headers, self.more = code, detail, dict(headers or {}), more
