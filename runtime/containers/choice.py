"""Which engine a server has: decided once, at its start."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

import msgspec

from runtime.confinement.level import Level
from runtime.containers.contract import Engine
from runtime.containers.docker.places import sockets
from runtime.containers.errors import EngineFailed, NoEngine
from runtime.containers.process.catalogue import Catalogue
from runtime.containers.process.engine import ProcessEngine
from runtime.errors import ConfigError
from runtime.logs import get_logger
from runtime.settings import Settings

_HOW: Final = "Set containers.engine to auto, docker or process."
_INSTALL: Final = "pip install 'bulkhead-runtime[docker]'"
_START: Final = "Start Docker or Podman, name its address in containers.docker_host, or set another engine."
_log = get_logger("containers")


class Choice(msgspec.Struct, frozen=True):
    """An engine, or why there is none.

    Attributes:
        listen: An address at which the server has to listen as well, for its containers to reach it.
    """

    engine: Engine | None
    missing: NoEngine | None = None
    listen: str = ""


async def choose(settings: Settings, *, server_id: str) -> Choice:
    """Look for an engine, for a second or two at most, as the settings say.

    Args:
        server_id: Tells this server's containers from others'.

    Raises:
        ConfigError: A setting cannot be used, or asks for what is not here.
    """
    wanted = settings.containers.engine
    if wanted == "off":
        return Choice(None, NoEngine("containers are off on this server", cure=_HOW))
    if wanted != "process":
        try:
            found = await _docker(settings, server_id)
        except EngineFailed as error:
            if wanted == "docker":  # it may come up later: what needs it says so until then
                raise ConfigError(f"containers.engine is docker: {error.message}", cure=error.cure) from error
            found = None
            _log.warning("containers.no_engine", error=error.message, cure=error.cure)
        if found is not None:
            return found
    engine = process_engine(settings)
    _log.info("containers.chosen", engine=engine.name, wanted=wanted)
    return Choice(engine)


async def _docker(settings: Settings, server_id: str) -> Choice | None:
    """An engine that answers; None where there is nothing to be asked.  Raises EngineFailed."""
    own = settings.containers
    addresses = [own.docker_host] if own.docker_host else [*sockets()]
    if not addresses:
        if own.engine == "docker":
            raise EngineFailed("no container engine is here", cure=_START)
        return None
    if importlib.util.find_spec("aiodocker") is None:
        raise EngineFailed("the client of container engines is not installed", cure=_INSTALL)
    # Not everybody has it, and who has no engine need not wait for it.
    from runtime.containers.docker.found import find

    found = await find(addresses, own, server_id=server_id, state=settings.server.state_dir)
    _log.info("containers.chosen", engine=found.engine.name, wanted=own.engine, address=found.address)
    return Choice(found.engine, listen=own.listen or found.gateway)


def process_engine(settings: Settings) -> ProcessEngine:
    """Processes in place of containers.  Raises ConfigError."""
    own, confinement = settings.containers, settings.confinement
    base = settings.file.parent if settings.file is not None else Path.cwd()
    try:
        level = Level(confinement.level)
    except ValueError:
        raise ConfigError(f"confinement.level is {confinement.level!r}") from None
    return ProcessEngine(
        own,
        Catalogue(
            own.images,
            base=base,
            agents=settings.server.agents_dir,
            any_command=own.host_commands,
        ),
        state=settings.server.state_dir,
        level=level,
        network="all" if confinement.network in ((), ("all",)) else "none",
        logs=settings.supervisor,
    )
