"""The numbers that are asked for when metrics are scraped."""

from __future__ import annotations

from runtime.front.operator.events import Readers
from runtime.front.state import Front
from runtime.metrics import Asked
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
