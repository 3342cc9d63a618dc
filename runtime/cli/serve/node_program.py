"""``python -m runtime.cli.serve.node_program '<json>'``: a machine that runs sessions of a front elsewhere.

The argument is that of `runtime.front`.  No HTTP, no journal, no secret but its own user's: what a session
needs comes with it.  The exit status is 0 after a drain, 1 when it could not start.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runtime.clock import SystemClock
from runtime.errors import ConfigError, RuntimeServiceError
from runtime.front.home import contents, state_folder
from runtime.logs import configure, get_logger
from runtime.placement.cluster.engine.announcing import announce
from runtime.placement.cluster.engine.connection import Engine, connected
from runtime.placement.cluster.engine.joining import Membership
from runtime.process import descriptors
from runtime.process.child import end_with
from runtime.process.confine import privileges
from runtime.process.init.init import PARENT_VARIABLE
from runtime.process.init.pulse import BEAT_S, Pulse
from runtime.session.info import ModelPort, RelayPort
from runtime.settings import LogSettings, Settings, load_settings

if TYPE_CHECKING:
    from runtime.placement.cluster.node import NodeServer
    from runtime.placement.local import LocalPlacement

CONNECT_S: Final = 3600.0
"""A node is patient: its front may come back."""
HEARD_S: Final = 1.0
"""So long the first word waits for an engine."""
HANG_S: Final = 5.0
"""Below a front's least lease and its margin: what stands still cannot end its sessions when it has to."""
SETTLE_S: Final = 5.0
_log = get_logger("node")


class RoomsElsewhere:
    """The way into rooms for sessions without a network: all of them are other machines'."""

    def has(self, url: str) -> bool:
        return False

    def room(self, url: str, token: str, *, is_inward: bool) -> RelayPort:
        from runtime.front.model.by_pipe.elsewhere import RoomElsewhere

        return RoomElsewhere(url, token, is_inward=is_inward)

    def model(self, url: str) -> ModelPort:
        from runtime.front.model.by_pipe.elsewhere import NoModel

        return NoModel()

    def is_ours(self, address: str, port: int) -> bool:
        return False


def main(arguments: list[str]) -> int:
    """Run one node with the arguments of its command line."""
    if parent := os.environ.get(PARENT_VARIABLE):
        end_with(int(parent), signal.SIGTERM)
    pulse = Pulse.inherited(os.environ)
    privileges.keep_out_others()
    try:
        work: dict[str, Any] = json.loads(arguments[0]) if arguments else {}
        file = Path(work["config"]) if work.get("config") else None
        settings = load_settings(flags=work.get("flags"), env=os.environ, file=file)
        configure(settings.log)
        descriptors.claim()
        settings = state_folder.claimed(settings)
        given = [Path(source) for source in work.get("sources") or [settings.server.agents_dir]]
        sources = [one for one in given if one.exists() or not settings.containers.deploy]
        return asyncio.run(run(settings, sources, pulse))
    except RuntimeServiceError as error:
        _log.error("node.start_failed", code=error.code, error=error.message, cure=error.cure)
        return 1


async def run(settings: Settings, sources: list[Path], pulse: Pulse | None) -> int:
    """Load, join, serve until SIGTERM, SIGINT or SIGQUIT; then have the sessions go on elsewhere, and end.

    A second signal ends at once what runs.
    """
    member, lock = _only_one(settings.server.state_dir)
    engine, boot = Engine(member.access, name=member.node), secrets.token_hex(6)
    connecting = asyncio.create_task(connected(engine, CONNECT_S), name="connect")
    # Heard before the rest is loaded: that this is another life says that what the one before it ran is gone.
    await asyncio.wait({connecting}, timeout=HEARD_S)
    if connecting.done() and not connecting.exception():
        await announce(engine, member, boot)

    from runtime.front.operator.by_signal.signals import Signals
    from runtime.placement.cluster.node import NodeServer
    from runtime.placement.cluster.sent.installed import InstalledBundles
    from runtime.placement.local import LocalPlacement
    from runtime.services.deployed.kept_folders import KeptFolders

    placement = LocalPlacement.of(
        settings,
        sources,
        environments=settings.server.state_dir / contents.ENVIRONMENTS,
        clock=SystemClock(),
        node_id=member.node,
    )
    placement.supervisor.boot = boot
    drain_s = settings.server.drain_s
    sent = None
    if settings.containers.deploy:
        folders = KeptFolders(settings.server.state_dir / contents.DEPLOYED)
        sent = InstalledBundles(
            placement.supervisor.deployed, folders, engine, cluster=member.cluster, node=member.node
        )
    node = NodeServer(
        placement,
        engine,
        cluster=member.cluster,
        drain_s=drain_s,
        settings=settings.supervisor,
        sent=sent,
    )
    asked, forced = asyncio.Event(), asyncio.Event()

    def end(number: signal.Signals) -> None:
        _log.info("node.stopping", node_id=member.node, signal=number.name)
        (forced if asked.is_set() else asked).set()

    async def reload() -> None:
        await placement.reload_changed()

    signals = Signals(
        asked=end,
        reload=reload,
        log=settings.log,
        minds_terminal=pulse is None,
        stacks_fd=None if pulse is None else pulse.stacks_fd,
    )
    with signals, lock:
        beating = asyncio.create_task(_beat(settings, pulse), name="pulse")
        try:
            starting = asyncio.create_task(
                _start(settings, sources, placement, connecting, node), name="start"
            )
            await _first_of(starting, asyncio.create_task(asked.wait(), name="signals"))
            if not starting.done():
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
                return 0
            await starting
            _log.info("node.started", node_id=member.node, boot=placement.supervisor.boot)
            await asked.wait()
            draining = asyncio.create_task(node.drain(drain_s), name="drain")
            await _first_of(draining, asyncio.create_task(forced.wait(), name="forced"))
            if not draining.done():
                await placement.drain(0)
            await draining
            await node.settle(SETTLE_S)
            await node.leave()
            return 0
        finally:
            await node.aclose()
            if sent is not None:
                await sent.aclose()
            await placement.aclose()
            await engine.aclose()
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)


async def _start(
    settings: Settings,
    sources: list[Path],
    placement: LocalPlacement,
    connecting: asyncio.Task[None],
    node: NodeServer,
) -> None:
    await connecting
    await node.start()
    await placement.start(sources, watch=settings.server.watch, door=RoomsElsewhere())


async def _first_of(*tasks: asyncio.Task[Any]) -> None:
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


async def _beat(settings: Settings, pulse: Pulse | None) -> None:
    if pulse is not None:
        pulse.introduce(hang_s=HANG_S, drain_s=settings.server.drain_s)
        while True:
            await asyncio.sleep(BEAT_S)
            pulse.beat()


def _only_one(folder: Path) -> tuple[Membership, Any]:
    """Who this node is, and what keeps another one from being it as well."""
    file = folder / contents.NODE
    member = Membership.kept(file)
    if member is None:
        raise ConfigError(
            f"there is no {file}: this machine is no node yet",
            cure="Join: bulkhead node --join bh1:…@host:4222",
        )
    lock = file.open("r")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ConfigError(
            f"the node {member.node} runs already with {folder}",
            cure="Stop that one, or give this one a folder of its own: --state-dir.",
        ) from error
    return member, lock


if __name__ == "__main__":
    configure(LogSettings())
    sys.exit(main(sys.argv[1:]))
