"""``/nodes``: the machines that run sessions, and their drains."""

from __future__ import annotations

from quart import Blueprint

from runtime.errors import NotFound
from runtime.front.http.contract import belongs, gives
from runtime.front.openapi.shapes.nodes import Node, Nodes
from runtime.front.state import Front, caller
from runtime.placement.machines import Machines, NodeInfo


def routes(front: Front) -> Blueprint:
    """``/nodes`` and what is below it."""
    paths = Blueprint("nodes", __name__)
    belongs(paths, "nodes", to_operators=True)

    @paths.before_request
    async def trust() -> None:
        front.access.operator(caller())

    @paths.get("/nodes")
    @gives(Nodes)
    async def listed() -> Nodes:
        """Machines that run sessions; none where the server runs them itself"""
        return next(iter(nodes_of(front)), Nodes(nodes=[], here=True))

    @paths.post("/nodes/<node>/drain")
    @gives(Node)
    async def drain(node: str) -> Node:
        """Give a machine no more sessions, and have what it runs go on elsewhere"""
        return _shown(await _machines(front).drain(node))

    @paths.post("/nodes/<node>/undrain")
    @gives(Node)
    async def undrain(node: str) -> Node:
        """Give a machine sessions again"""
        return _shown(await _machines(front).undrain(node))

    return paths


def nodes_of(front: Front) -> list[Nodes]:
    """All machines as the API shows them, once; nothing where the server runs its sessions itself."""
    machines = front.placement.machines
    return [] if machines is None else [Nodes(nodes=[_shown(one) for one in machines.listed()])]


def _machines(front: Front) -> Machines:
    if front.placement.machines is None:
        raise NotFound(
            "this server runs its sessions itself", cure="Several machines: bulkhead serve --nodes."
        )
    return front.placement.machines


def _shown(one: NodeInfo) -> Node:
    return Node(
        name=one.name,
        state=one.state,
        boot=one.boot,
        sessions=one.sessions,
        starting=one.starting,
        max_sessions=one.max_sessions,
        processors=one.processors,
        cpu=round(one.load.cpu, 3),
        memory_bytes=one.load.memory_bytes,
        memory_most_bytes=one.load.memory_most_bytes,
        load=round(one.fullness, 3),
        starts_per_s=round(one.fresh_per_s, 1),
        silent_s=round(one.silent_s, 1),
        code=dict(one.code),
        failed=dict(one.failed),
        moved=one.moved,
        withheld=one.withheld,
    )
