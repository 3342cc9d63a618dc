"""A front that runs its sessions on nodes: over an engine of its own, or one that runs elsewhere."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from runtime.clock import Clock
from runtime.errors import ConfigError
from runtime.files import kept_file
from runtime.logs import get_logger
from runtime.placement.cluster.engine import certificate
from runtime.placement.cluster.engine.connection import Access, Engine, connected
from runtime.placement.cluster.engine.home import EngineHome, EngineProcess
from runtime.placement.cluster.engine.joining import Reception
from runtime.placement.cluster.engine.subjects import checked
from runtime.placement.cluster.memory import Memory
from runtime.placement.cluster.remote import RemotePlacement
from runtime.settings.cluster import ClusterSettings

NODES: Final = "nodes.json"
_log = get_logger("cluster")


async def opened(
    settings: ClusterSettings, *, folder: Path, clock: Clock, parts: AsyncExitStack, url: str = ""
) -> RemotePlacement:
    """Connect, and start the engine first where it is ours.

    Args:
        folder: Where the cluster's secrets are kept.
        parts: Closes the connection, and ends an engine of ours.
        url: Where sessions on nodes reach this front.

    Raises:
        ConfigError: There is no engine, or it lets this front not in.
    """
    cluster, front = checked(settings.name, "cluster"), _name(folder)
    admitted: Callable[[], Iterable[str]] = tuple
    if settings.url:
        engine = Engine(await asyncio.to_thread(access_of, settings.url), name=front)
        await engine.connect()
        parts.push_async_callback(engine.aclose)
    else:
        home = EngineHome.opened(folder, cluster=cluster)
        engine = await parts.enter_async_context(running(home, listen=settings.listen, name=front))
        admitted = lambda: home.nodes  # noqa: E731
        if not home.nodes:  # not with the token: whoever reads logs may not run sessions
            _log.info("cluster.opened", join="bulkhead nodes token")
    return RemotePlacement(
        engine,
        cluster=cluster,
        front=front,
        lease_s=settings.lease_s,
        clock=clock,
        memory=Memory(folder / NODES),
        url=url,
        admitted=admitted,
    )


@asynccontextmanager
async def running(
    home: EngineHome, *, listen: str, name: str = "engine", renewed: Callable[[], None] = lambda: None
) -> AsyncIterator[Engine]:
    """An engine of our own, which lets machines join, and a connection to it.

    Args:
        renewed: Called when there is another join token.

    Raises:
        ConfigError: It cannot be started, or does not listen there.
    """
    at, port = address_of(listen)
    process = EngineProcess(home, host=at, port=port)
    engine, reception = Engine(home.access(port), name=name), Reception(home, process, renewed)
    try:
        await process.start()
        try:
            await connected(engine)
            await reception.start(engine)
        except ConfigError as error:
            if process.ends:
                raise ConfigError(
                    f"the engine ends as soon as it is started: something else listens at {listen}",
                    cure="End that, or name another port: cluster.listen, BULKHEAD_CLUSTER_LISTEN.",
                ) from error
            raise
        yield engine
    finally:
        await reception.aclose()
        await engine.aclose()
        await process.aclose()


def access_of(url: str) -> Access:
    """How to reach an engine that runs elsewhere; user and password stand in its address.

    With ``?sha256=…`` it is the one with that certificate, or nobody.  Blocks for some seconds at most then.

    Raises:
        ConfigError: It is no such address, or somebody else is there.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("nats", "tls") or not parts.hostname:
        raise ConfigError(
            "cluster.url is no address of an engine", cure="Write nats://user:password@host:4222."
        )
    bare = f"{parts.scheme}://{parts.netloc.rsplit('@', 1)[-1]}"
    mark = dict(parse_qsl(parts.query)).get("sha256", "")
    ca = certificate.seen_at(parts.hostname, parts.port or 4222, mark) if mark else ""
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Access(url=bare, user=user, password=password, ca=ca)


def address_of(listen: str) -> tuple[str, int]:
    """``0.0.0.0:4222`` as host and port."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(f"cluster.listen is {listen!r}", cure="Write an address and a port: 0.0.0.0:4222.")
    return host, int(port)


def _name(folder: Path) -> str:
    file = folder / "front"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists():
            kept_file.make(file, f"f{secrets.token_hex(6)}")
        return checked(file.read_text("utf-8"), "front")
    except OSError as error:
        raise ConfigError(
            f"cannot write {file}: {error.strerror}", cure="Make its folder writable."
        ) from error
