"""Bundles that are sent to a server: what keeps and loads them, where sessions run on this machine."""

from __future__ import annotations

from contextlib import AsyncExitStack

from runtime.dispatch.deployed_sessions import DeployedSessions
from runtime.dispatch.dispatcher import Dispatcher
from runtime.dispatch.session_registry import SessionRegistry
from runtime.front.home import contents
from runtime.placement.contract import Placement
from runtime.placement.local import LocalPlacement
from runtime.services.deployed.deployments import Deployments
from runtime.services.deployed.kept_folders import KeptFolders
from runtime.services.life.household import Household
from runtime.services.store import Store
from runtime.settings import ServerSettings


def opened(
    server: ServerSettings, placement: Placement, store: Store, parts: AsyncExitStack
) -> Deployments | None:
    """None where sessions run on other machines, which have their own bundles."""
    if not isinstance(placement, LocalPlacement):
        return None
    folders = KeptFolders(server.state_dir / contents.DEPLOYED)
    deployments = Deployments(placement.supervisor.deployed, folders, store)
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
