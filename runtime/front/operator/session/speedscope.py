"""A profile as speedscope reads it (https://www.speedscope.app, its file format's schema).  Pure."""

from __future__ import annotations

from typing import Any, Final

from runtime.wire.looking.profile import ALLOCATED, Profile

_SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"


def document(profile: Profile, name: str) -> dict[str, Any]:
    """One profile for each kind and thread or task, those of the greatest weight first."""
    groups: dict[tuple[str, str], list[tuple[list[int], float]]] = {}
    look_s = profile.seconds / max(1, profile.samples)
    for stack in profile.stacks:
        weight = stack.weight if stack.kind == ALLOCATED else stack.weight * look_s
        groups.setdefault((stack.kind, stack.root), []).append((stack.frames, weight))
    ordered = sorted(groups.items(), key=lambda one: -sum(weight for _, weight in one[1]))
    return {
        "$schema": _SCHEMA,
        "name": name,
        "exporter": "bulkhead",
        "activeProfileIndex": 0,
        "shared": {
            "frames": [
                {"name": one.function or f"{one.file}:{one.line}", "file": one.file, "line": one.line}
                for one in profile.frames
            ]
        },
        "profiles": [
            {
                "type": "sampled",
                "name": f"{kind}: {root}",
                "unit": "bytes" if kind == ALLOCATED else "seconds",
                "startValue": 0,
                "endValue": sum(weight for _, weight in found),
                "samples": [frames for frames, _ in found],
                "weights": [weight for _, weight in found],
            }
            for (kind, root), found in ordered
        ],
    }
