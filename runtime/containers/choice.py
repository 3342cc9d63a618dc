"""Which engine a server has: decided once, at its start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.confinement.level import Level
from runtime.containers.contract import Engine
from runtime.containers.errors import NoEngine
from runtime.containers.process.catalogue import Catalogue
from runtime.containers.process.engine import ProcessEngine
from runtime.errors import ConfigError
from runtime.logs import get_logger
from runtime.settings import Settings

_HOW: Final = "Set containers.engine to auto, docker or process."
_log = get_logger("containers")


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine, or why there is none.

    Attributes:
        base_url: Where its containers reach the server.
    """

    engine: Engine | None
    base_url: Callable[[], str]
    missing: NoEngine | None = None


async def choose(settings: Settings, *, url: Callable[[], str], server_id: str) -> Choice:
    """Look for an engine for at most a second or two, as the settings say.

    Args:
        url: Where this machine reaches the server.
        server_id: Tells this server's containers from others'.

    Raises:
        ConfigError: A setting cannot be used.
    """
    wanted = settings.containers.engine
    if wanted == "off":
        return Choice(None, url, NoEngine("containers are off on this server", cure=_HOW))
    engine = process_engine(settings)
    _log.info("containers.chosen", engine=engine.name, wanted=wanted)
    return Choice(engine, url)


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
