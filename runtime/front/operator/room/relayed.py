"""Where sessions on other machines dial the connections of their callers."""

from __future__ import annotations

from quart import Blueprint, Response, websocket

from runtime.errors import NotFound
from runtime.front.http.contract import also, belongs
from runtime.front.http.problems import UPGRADE, problem
from runtime.front.http.socket import PacketSocket
from runtime.front.state import Front


def routes(front: Front) -> Blueprint:
    """``/relay/{session}``."""
    paths = Blueprint("relayed", __name__)
    belongs(paths, "nodes")

    @paths.get("/relay/<session_id>")
    @also(426, "Open it as a websocket")
    async def knock(session_id: str) -> Response:
        """Reach the caller of a session, by websocket: for the session itself, once"""
        how = "Open it as a websocket, with the token that the session was given."
        return problem("upgrade_required", how, headers=UPGRADE)

    @paths.websocket("/relay/<session_id>")
    async def relay(session_id: str) -> None:
        machines = front.placement.machines
        if machines is None:
            raise NotFound("this server runs its sessions itself")
        scheme, _, bearer = websocket.headers.get("Authorization", "").partition(" ")
        token = websocket.args.get("token") or (bearer.strip() if scheme.lower() == "bearer" else "")
        offer = machines.relays.take(session_id, token)
        await websocket.accept()
        await offer.join(PacketSocket.current())

    return paths
