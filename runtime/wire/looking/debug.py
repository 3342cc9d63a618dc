"""A debugger in a session: asked for, and answered.  Part of `runtime.wire.control`."""

from __future__ import annotations

import msgspec


class _Message(msgspec.Struct, frozen=True, tag_field="t", omit_defaults=True):
    """As those of `runtime.wire.control`."""


class Debug(_Message, frozen=True, tag="debug"):
    """Have a debugger listen on this machine; answered by `Debugging` of the same number.

    Attributes:
        port: Where; 0 takes a free one.
    """

    seq: int
    port: int = 0


class Debugging(_Message, frozen=True, tag="debugging"):
    """The answer to a `Debug`.

    Attributes:
        port: Where the debugger listens, on 127.0.0.1; 0 where there is none.
        error: Why there is none.
    """

    seq: int
    port: int = 0
    error: str = ""
