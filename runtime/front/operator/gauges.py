"""The numbers that are asked for when metrics are scraped."""

from __future__ import annotations

from runtime.front.operator.events import Readers
from runtime.front.state import Front
from runtime.metrics import Asked
from runtime.placement.machines import NodeInfo
from runtime.session.info import served


def gauges(front: Front, readers: Readers) -> dict[str, Asked]:
    """For `Metrics.gauges`."""
    states = {"starting": 0, "ready": 0, "stopping": 0}
    for record in front.registry.live():
        states["starting" if record.state == "accepted" else record.state] += 1
    load = front.dispatcher.capacity()
    bundles = {"loading": 0, "ready": 0, "failed": 0}
    for bundle in front.placement.bundles():
        bundles[bundle.state] = bundles.get(bundle.state, 0) + 1
    launcher = front.dispatcher.launcher
    more: dict[str, Asked] = {}
    if load.headroom_bytes is not None:
        more["headroom_bytes"] = ("Memory that sessions may still take", load.headroom_bytes)
    if front.boxes is not None:
        running: dict[str, float] = {front.boxes.engine_name: front.boxes.running_count}
        more["containers"] = ("Containers of rooms that run, by engine", running, "engine")
    if front.placement.machines is not None:
        more |= _of_nodes(front.placement.machines.listed())
    return more | {
        "sessions_queued": ("Accepted sessions that wait for their turn to start", launcher.queued),
        "sessions_restarting": ("Sessions that wait for their next attempt", launcher.restarting),
        "quarantined_inputs": ("Inputs that are parked now", len(front.dispatcher.recovery.quarantine)),
        "sessions": ("Sessions by state", states),
        "sessions_max": ("Most sessions at once", load.max_sessions),
        "bundles": ("Bundles by state", bundles),
        "endpoints": ("Endpoints served", len(served(front.placement.endpoints()))),
        "event_readers": ("Readers of the event stream", readers.count),
        "journal_failing": ("1 while the journal cannot be written", 1 if front.journal.failing else 0),
        "uptime_seconds": ("Since the start", front.clock.now() - front.began),
    }


def _of_nodes(found: list[NodeInfo]) -> dict[str, Asked]:
    states: dict[str, float] = dict.fromkeys(("ready", "suspect", "draining", "lost"), 0)
    for one in found:
        states[one.state] += 1
    up = {one.name: float(one.state in ("ready", "draining")) for one in found}
    return {
        "nodes": ("Machines that run sessions, by state", states),
        "node_up": ("1 while a machine is heard", up, "node"),
        "node_sessions": ("Sessions of a machine", {one.name: one.sessions for one in found}, "node"),
        "node_load": (
            "How much of a machine is taken, of what runs out first, from 0 to 1",
            {one.name: one.fullness for one in found},
            "node",
        ),
        "node_cpu": (
            "Share of a machine's processors, from 0 to 1",
            {one.name: one.load.cpu for one in found},
            "node",
        ),
        "node_memory_bytes": (
            "Memory of a machine that is taken",
            {one.name: one.load.memory_bytes for one in found},
            "node",
        ),
        "node_silent_seconds": (
            "Since a machine was heard last",
            {one.name: one.silent_s for one in found},
            "node",
        ),
    }
