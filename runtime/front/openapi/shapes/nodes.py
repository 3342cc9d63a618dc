"""Machines that run sessions."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runtime.front.openapi.shapes.shape import Shape, words


class Node(Shape, frozen=True, kw_only=True):
    """A machine that runs sessions."""

    name: str
    state: Annotated[str, words("ready", "suspect", "draining", "lost")]
    boot: Annotated[str, Meta(description="Which life of it")]
    sessions: Annotated[int, Meta(description="Those it has, and those on their way to it")]
    starting: int
    max_sessions: int
    processors: int
    cpu: Annotated[float, Meta(description="Share of all its processors, from 0 to 1")]
    memory_bytes: int
    memory_most_bytes: Annotated[int, Meta(description="0 when it does not say")]
    load: Annotated[float, Meta(description="How much is taken of what runs out first, from 0 to 1")]
    starts_per_s: Annotated[float, Meta(description="In the last ten seconds")]
    silent_s: Annotated[float, Meta(description="Since it was heard last")]
    code: Annotated[
        dict[str, str], Meta(description="Bundles: the digest of the code that serves, or their state")
    ]
    failed: Annotated[
        dict[str, str], Meta(description="Bundles that were sent there and cannot be loaded: why")
    ]
    moved: Annotated[int, Meta(description="Sessions that it gave away since it was drained")]
    withheld: Annotated[
        int, Meta(description="Sessions that this life of it took and did not tell of in time")
    ]


class Nodes(Shape, frozen=True, kw_only=True):
    """The machines that run sessions; none where the server runs them itself."""

    nodes: list[Node]
    here: Annotated[bool, Meta(description="The server runs its sessions itself: no machine can join")] = (
        False
    )
