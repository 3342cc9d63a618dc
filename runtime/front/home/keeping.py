"""What a server keeps open in its state folder: the journal, the crash reports, what is kept for services."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec

from runtime.clock import Clock
from runtime.front.home import contents
from runtime.front.home.sealing_key import seal_of
from runtime.services.store import Store
from runtime.session.crash_store import CrashStore
from runtime.session.journal.journal import Journal
from runtime.session.redaction import Hidden
from runtime.settings import ServerSettings
from runtime.tasks import finished
from runtime.wire.sealed import Seal


class Keeping(msgspec.Struct, frozen=True):
    """The open files of a state folder.

    Attributes:
        seal: Gives what seals the secrets of the folder; its key is made with the first of them.
    """

    journal: Journal
    crashes: CrashStore
    store: Store
    seal: Callable[[], Seal]


async def opened(
    server: ServerSettings, parts: AsyncExitStack, clock: Clock, *, hidden: Hidden, project: str
) -> Keeping:
    """Open all of it, and close it with `parts`; to the end, also for who is cancelled meanwhile.

    What is half open would outlive the loop that it answers to.

    Args:
        hidden: Learns the secrets that are kept.
        project: The id of the server's project.

    Raises:
        JournalUnusable: A file cannot be used.
        ConfigError: There are secrets, and their key cannot be read.
    """
    return await finished(_opened(server, parts, clock, hidden=hidden, project=project))


async def _opened(
    server: ServerSettings, parts: AsyncExitStack, clock: Clock, *, hidden: Hidden, project: str
) -> Keeping:
    folder = server.state_dir
    journal = await Journal.open(folder / contents.JOURNAL, history_count=server.history_count)
    parts.push_async_callback(journal.aclose)
    crashes = await CrashStore.open(
        folder / contents.CRASHES, keep_count=server.crash_count, keep_bytes=server.crash_bytes
    )
    parts.push_async_callback(crashes.aclose)
    seal = functools.cache(lambda: seal_of(folder))
    store = await Store.open(folder / contents.SERVICES, seal, clock, hidden=hidden, project=project)
    parts.push_async_callback(store.aclose)
    return Keeping(journal, crashes, store, seal)
