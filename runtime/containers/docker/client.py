"""The connection to an engine: where it is, how long it may take, and its errors as ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from aiodocker import Docker, DockerError

from runtime.containers.errors import ContainerNotFound, EngineFailed, EngineSilent
from runtime.errors import Conflict

_CURE_GONE: Final = "Look whether it runs, and at containers.docker_host."
_IN_USE: Final = ("port is already allocated", "address already in use")
_FULL: Final = "no space left on device"
_CURE_FULL: Final = "Make room on the engine's disk: docker system prune."
_UNREACHABLE: Final = 900


def connect(address: str, *, answer_s: float) -> Docker:
    """A client; nothing is asked yet.  Raises ValueError for an address that is none."""
    return Docker(url=address, timeout=aiohttp.ClientTimeout(total=answer_s))


@asynccontextmanager
async def told(doing: str, *, timeout_s: float | None = None) -> AsyncIterator[None]:
    """Do something with an engine; what it refuses is our error.

    Args:
        doing: What, for the error: ``start the container``.

    Raises:
        EngineFailed: In its words.
        EngineSilent: It took too long.
        ContainerNotFound: It does not know the container.
        Conflict: A port is in use.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except DockerError as error:
        words = str(error.message).strip()[:1000]
        if error.status == _UNREACHABLE:
            # Its words say everything twice, with how TLS is set where there is none.
            where, why = words.partition(" [")[0], getattr(error.__context__, "strerror", "")
            told = f"{where}: {why}" if why else words
            raise EngineFailed(f"the container engine cannot be reached: {told}", cure=_CURE_GONE) from error
        if error.status == 404 and "No such container" in words:
            raise ContainerNotFound("the container engine does not know the container any more") from error
        if any(sign in words for sign in _IN_USE):
            raise Conflict(f"a port is in use: {words}", cure="Name another; 0 takes a free one.") from error
        cure = _CURE_FULL if _FULL in words else ""
        raise EngineFailed(f"the container engine could not {doing}: {words}", cure=cure) from error
    except TimeoutError as error:
        raise EngineSilent(f"the container engine did not {doing} in time", cure=_CURE_GONE) from error
    except (aiohttp.ClientError, OSError) as error:
        raise EngineFailed(f"the container engine went away: {error}", cure=_CURE_GONE) from error


async def gateway(docker: Docker) -> str:
    """The address of this machine on the engine's bridge; empty when it has none."""
    try:
        found: dict[str, Any] = await docker._query_json("networks/bridge", method="GET")
        return next((str(one["Gateway"]) for one in found["IPAM"]["Config"] if one.get("Gateway")), "")
    except (DockerError, KeyError, TypeError):
        return ""
