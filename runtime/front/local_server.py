"""The server of a program that serves itself: ``python main.py``."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from runtime.front.operator.by_signal.signals import Signals
from runtime.front.server import Server
from runtime.logs import configure
from runtime.settings import load_settings, usual_file


class LocalServer:
    """The server of ``python main.py``: one bundle, in the program's own process.

    Args:
        bundle: The program's file; sessions are forked from a zygote that ran it.
        port: None takes the environment's, or a free one.
    """

    def __init__(
        self,
        bundle: Path,
        host: str | None = None,
        port: int | None = None,
        webhook_secret: str | None = None,
        name: str | None = None,
    ) -> None:
        named = any(os.environ.get(variable) for variable in ("BULKHEAD_PORT", "MESHAGENT_PORT"))
        flags: dict[str, Any] = {
            "server.host": host,
            "server.port": 0 if port is None and not named else port,
            "server.webhook_secret": webhook_secret,
        }
        settings = load_settings(flags=flags, env=os.environ, file=usual_file())
        # Its own folder: the same project may be served by `bulkhead serve` at the same time.
        state_dir = settings.server.state_dir / "hosts" / bundle.stem
        self._settings = replace(settings, server=replace(settings.server, state_dir=state_dir))
        self._server = Server(self._settings, [bundle], name=name or "", owns_process=False)
        self._asked = asyncio.Event()
        self._signals = AsyncExitStack()

    @property
    def url(self) -> str:
        """Where this machine reaches it, once started."""
        return self._server.url

    async def start(self) -> None:
        """Bind and serve, once the program was loaded; raises as `Server.start` does."""
        configure(self._settings.log)
        # TERM and INT are the program's; of the others, those for which it has no handler of its own.
        signals = Signals(
            ends=(signal.SIGQUIT,),
            asked=lambda _: self._asked.set(),
            reload=self._server.reload_changed,
            log=self._settings.log,
            only_free=True,
        )
        self._signals.enter_context(signals)
        try:
            await self._server.start()
            await self._server.loaded()
        except BaseException:
            await self._signals.aclose()
            raise

    async def stop(self) -> None:
        """Drain and leave."""
        await self._server.stop()
        await self._signals.aclose()

    async def wait(self) -> None:
        """Return when the server has ended by itself, or its terminal is gone, or SIGQUIT came."""
        waits = [asyncio.create_task(self._server.wait()), asyncio.create_task(self._asked.wait())]
        try:
            for first in (await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED))[0]:
                first.result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
