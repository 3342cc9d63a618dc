"""Who looks at the Studio, and by which link they come."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runtime.front.openapi.shapes.shape import Shape, words


class Me(Shape, frozen=True, kw_only=True):
    """Who asks, and what the server is; little for who may not operate it."""

    name: str
    access: Annotated[str, words("local", "cookie", "none")]
    version: str
    python: str | None
    chaos: Annotated[bool, Meta(description="Faults may be injected")]
    default_room: str | None
    model: Annotated[str, Meta(description="What answers agents that reach their model through their room")]


class LinkRequest(Shape, frozen=True, kw_only=True):
    """Where the link leads."""

    room: str = ""
    code: Annotated[
        bool, Meta(description="With a one-time code in it, also where this machine needs none")
    ] = False


class Link(Shape, frozen=True, kw_only=True):
    """A link that opens the Studio, with a one-time code in it where one is needed."""

    url: str
    expires_in_s: float | None


class EnterQuery(Shape, frozen=True, kw_only=True):
    """The code of a link."""

    code: str = ""


class CodeQuery(Shape, frozen=True, kw_only=True):
    """The code of a link, which is changed into a cookie."""

    t: str | None = None
