"""Bundles that are sent to a server: what keeps and loads them, here or on machines that run its sessions."""

from __future__ import annotations

from contextlib import AsyncExitStack

from runtime.dispatch.deployed_sessions import DeployedSessions
from runtime.dispatch.dispatcher import Dispatcher
from runtime.dispatch.session_registry import SessionRegistry
from runtime.front.home import contents
from runtime.placement.contract import Placement
from runtime.placement.machines import NodeEvent
from runtime.services.deployed.deployments import Deployments
from runtime.services.deployed.kept_folders import KeptFolders
from runtime.services.life.household import Household
from runtime.services.store import Store
from runtime.settings import ServerSettings


def opened(
    server: ServerSettings, placement: Placement, store: Store, parts: AsyncExitStack
) -> Deployments | None:
    """What deploys, in a server that is about to start; None where no bundles are taken."""
    if placement.programs is None:
        return None
    folders = KeptFolders(server.state_dir / contents.DEPLOYED)
    deployments = Deployments(placement.programs, folders, store)
    parts.push_async_callback(deployments.aclose)
    return deployments


async def begin(
    deployments: Deployments,
    dispatcher: Dispatcher,
    registry: SessionRegistry,
    placement: Placement,
    household: Household,
    url: str,
) -> None:
    """Begin to load what is in force.

    Args:
        url: Where the server reaches itself.
    """
    deployments.sessions = DeployedSessions(dispatcher, registry, placement)
    deployments.base_url = url
    deployments.changed, deployments.anew = household.changed, household.anew
    await deployments.start()
    if placement.machines is not None:

        def joined(event: NodeEvent) -> None:
            if event.kind == "node.joined":
                deployments.look()  # there may have been nobody who could load them

        placement.machines.told.append(joined)
