"""Settings of sessions on other machines."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.knob import knob


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """Sessions on other machines; one machine needs none of it."""

    nodes: bool = knob(False, "run sessions on machines that join with `bulkhead node`, none on this one")
    name: str = knob("main", "name of the cluster; engines may carry several")
    url: str = knob("", "engine that runs elsewhere: nats://user:password@host:4222", secret=True)
    listen: str = knob("0.0.0.0:4222", "address at which our own engine listens for machines")
    lease_s: float = knob(6.0, "time a machine runs sessions without being heard", minimum=2)
