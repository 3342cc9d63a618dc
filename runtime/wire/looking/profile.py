"""Where a session spent its time, or its memory: what a sampler in its process found.

The texts are made by the worker, so the front bounds them again (`heard`); it believes none of it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from runtime.errors import RemoteProtocolError

MAX_STACKS: Final = 4_000
MAX_DEPTH: Final = 120
TEXT_CHARS: Final = 200
MAX_PROFILE_BYTES: Final = 768 << 10
"""Of what a worker hands over: less than a message between machines may have."""

RUNNING: Final = "running"
WAITING: Final = "waiting"
ALLOCATED: Final = "allocated"


class ProfileFrame(msgspec.Struct, frozen=True, array_like=True):
    """A line of a function that was on a stack."""

    function: str
    file: str
    line: int = 0


class ProfileStack(msgspec.Struct, frozen=True, array_like=True):
    """One way through the program, and how much was found there.

    Attributes:
        kind: ``running`` (also within a call that blocks), ``waiting``, or ``allocated``.
        root: Which thread or asyncio task.
        frames: Places in `Profile.frames`, outermost first.
        weight: Samples; bytes of what was allocated.
    """

    kind: str
    root: str
    frames: list[int]
    weight: int


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a profile found.

    Attributes:
        by: ``sampler`` (a thread in the session's process), ``py-spy``, ``stacks`` (of a main thread that is
            within native code and was looked at from outside), or ``tracemalloc``.
        seconds: How long it was looked at.
        rate: Samples a second; 0 where memory was looked at.
        samples: How often it was looked at.
        dropped: Weight of the stacks that had no room.
        cost_cpu_s: Processor time that sampling took of the session; 0 where that is not known.
        failed: Why there is no profile, with the cure; empty when there is one.
        note: What is to be known when it is read; empty for nothing.
    """

    by: str = ""
    seconds: float = 0.0
    rate: int = 0
    samples: int = 0
    frames: list[ProfileFrame] = []
    stacks: list[ProfileStack] = []
    dropped: int = 0
    cost_cpu_s: float = 0.0
    failed: str = ""
    note: str = ""


_IDLE: Final = frozenset(
    {
        ("selectors.py", "select"),
        ("selectors.py", "EpollSelector.select"),
        ("threading.py", "wait"),
        ("threading.py", "Condition.wait"),
        ("thread.py", "_worker"),
        ("queue.py", "get"),
        ("runners.py", "run"),
        ("runners.py", "Runner.run"),
        ("__init__.py", "run"),  # uvloop's, which has no frame of its own
        ("base_events.py", "run_until_complete"),
    }
)


def is_idle(file: str, function: str) -> bool:
    """Whether a thread whose innermost frame this is waits for something to do."""
    return (file.rpartition("/")[2], function) in _IDLE


def is_turn(file: str, function: str) -> bool:
    """Whether this is where an event loop calls what was its turn: what lies outside of it says nothing."""
    return function in ("_run", "Handle._run") and file.endswith("asyncio/events.py")


_decoder = msgspec.msgpack.Decoder(Profile)


def profile_to_bytes(profile: Profile, *, most_bytes: int = MAX_PROFILE_BYTES) -> bytes:
    """Encode; of one that does not fit the lightest stacks are left out, and counted."""
    stacks = sorted(profile.stacks, key=lambda one: -one.weight)
    dropped = profile.dropped + sum(one.weight for one in stacks[MAX_STACKS:])
    stacks = stacks[:MAX_STACKS]
    while True:
        kept = packed(profile, stacks, dropped)
        raw = msgspec.msgpack.encode(kept)
        if len(raw) <= most_bytes or not stacks:
            return raw[:most_bytes]
        half = len(stacks) // 2
        dropped += sum(one.weight for one in stacks[half:])
        stacks = stacks[:half]


def packed(profile: Profile, stacks: list[ProfileStack], dropped: int) -> Profile:
    """The profile with these of its stacks, and no frame that none of them has."""
    places: dict[int, int] = {}
    shown = []
    for one in stacks:
        frames = [places.setdefault(frame, len(places)) for frame in one.frames]
        shown.append(ProfileStack(one.kind, one.root, frames, one.weight))
    kept = [profile.frames[old] for old in places]
    return msgspec.structs.replace(profile, frames=kept, stacks=shown, dropped=dropped)


def profile_from_bytes(raw: bytes) -> Profile:
    """Read what a worker left, bounded.

    Raises:
        RemoteProtocolError: It is no profile.
    """
    try:
        return heard(_decoder.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"not a profile: {error}") from error


def heard(profile: Profile) -> Profile:
    """With texts as long, and as many of them, as may be.

    Raises:
        RemoteProtocolError: A stack has frames that are not there.
    """
    count = len(profile.frames)
    stacks = []
    for one in profile.stacks[:MAX_STACKS]:
        if one.weight < 0 or any(not 0 <= frame < count for frame in one.frames):
            raise RemoteProtocolError("not a profile: a stack has frames that are not there")
        stacks.append(ProfileStack(one.kind[:20], one.root[:TEXT_CHARS], one.frames[:MAX_DEPTH], one.weight))
    frames = [
        ProfileFrame(one.function[:TEXT_CHARS], one.file[:TEXT_CHARS], one.line) for one in profile.frames
    ]
    return msgspec.structs.replace(
        profile,
        frames=frames,
        stacks=stacks,
        by=profile.by[:20],
        failed=profile.failed[:TEXT_CHARS],
        note=profile.note[:TEXT_CHARS],
    )
