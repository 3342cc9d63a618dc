"""Profiles of sessions as the API shows them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from runtime.front.openapi.shapes.shape import SessionName, Shape, words

MAX_SECONDS = 120
MAX_RATE = 250


class ProfileQuery(Shape, frozen=True, kw_only=True):
    """How a session is looked at."""

    seconds: Annotated[float, Meta(ge=0.1, le=MAX_SECONDS, description="How long it is looked at")] = 10.0
    rate: Annotated[int, Meta(ge=1, le=MAX_RATE, description="Looks a second")] = 100
    by: Annotated[
        str,
        words("auto", "py-spy", "sampler", "memory"),
        Meta(
            description="`auto`: py-spy where it can, the session's own sampler else; `memory`: tracemalloc"
        ),
    ] = "auto"
    form: Annotated[
        str, words("json", "svg", "speedscope"), Meta(description="A flame graph, or a file for speedscope")
    ] = "json"


class ShownFrame(Shape, frozen=True, kw_only=True):
    """A line of a function."""

    function: str
    file: str
    line: int


class ShownStack(Shape, frozen=True, kw_only=True):
    """One way through the program, and how much was found there."""

    kind: Annotated[str, words("running", "waiting", "allocated")]
    root: Annotated[str, Meta(description="The thread, or the asyncio task")]
    frames: Annotated[list[int], Meta(description="Places in the list of frames, outermost first")]
    weight: Annotated[int, Meta(description="Samples; of memory, bytes")]


class ShownProfile(Shape, frozen=True, kw_only=True):
    """Where a session spent its time, or what it allocated."""

    session: SessionName
    by: Annotated[str, words("sampler", "py-spy", "stacks", "tracemalloc")]
    seconds: float
    rate: Annotated[int, Meta(description="Samples a second; 0 of memory")]
    samples: int
    dropped: Annotated[int, Meta(description="Weight of the stacks that had no room")]
    cost_cpu_s: Annotated[float, Meta(description="Processor time that it took of the session; 0 if unknown")]
    note: Annotated[str, Meta(description="What is to be known when it is read")]
    frames: list[ShownFrame]
    stacks: list[ShownStack]
