"""An engine that answers, among those that may be here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from runtime.containers.docker.client import connect, gateway
from runtime.containers.docker.engine import DockerEngine
from runtime.containers.errors import EngineFailed
from runtime.containers.settings import ContainersSettings


class Found(msgspec.Struct, frozen=True):
    """An engine.

    Attributes:
        address: Where it is.
        gateway: This machine's address on its bridge; empty where it is elsewhere, or has none.
    """

    engine: DockerEngine
    address: str
    gateway: str


async def find(
    addresses: Iterable[str], settings: ContainersSettings, *, server_id: str, state: Path
) -> Found:
    """Ask each in turn.

    Raises:
        EngineFailed: None of them answers.
    """
    failed = EngineFailed("no container engine is here")
    for address in addresses:
        try:
            docker = connect(address, answer_s=settings.answer_s)
        except ValueError as error:
            raise EngineFailed(
                f"{address!r} is no address of an engine: {error}",
                cure="Write one such as unix:///var/run/docker.sock.",
            ) from error
        is_local = address.startswith("unix://")
        engine = DockerEngine(docker, settings, server_id=server_id, state=state, is_local=is_local)
        health = await engine.check()
        if health.ok:
            return Found(engine, address, await gateway(docker) if is_local else "")
        await engine.aclose()
        failed = EngineFailed(f"{address}: {health.detail}")
    raise failed
