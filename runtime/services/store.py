"""All that is kept for services, behind one file: services, secrets, API keys, webhooks."""

from __future__ import annotations

from pathlib import Path

from runtime.clock import Clock
from runtime.services.file import Seals, ServicesFile
from runtime.services.key_store import KeyStore
from runtime.services.secret_store import SecretStore
from runtime.services.service_store import ServiceStore
from runtime.services.webhooks.webhook_store import WebhookStore
from runtime.session.redaction import Hidden


class Store:
    """An open store; make one with `open`, and close it with `aclose`.

    Args:
        seal: Gives that of the state folder, when something is to be sealed or opened.
        hidden: Learns every secret that is kept.
        project: The id of the project that API keys are for.
    """

    def __init__(
        self, file: ServicesFile, seal: Seals, clock: Clock, *, hidden: Hidden, project: str
    ) -> None:
        self._file = file
        self.secrets = SecretStore(file, seal, clock, hidden)
        self.services = ServiceStore(file, self.secrets, seal, clock)
        self.keys = KeyStore(file, seal, clock, hidden, project)
        self.webhooks = WebhookStore(file, seal, clock, hidden)

    @classmethod
    async def open(cls, path: Path, seal: Seals, clock: Clock, *, hidden: Hidden, project: str) -> Store:
        """Open the file, or make it.

        Raises:
            JournalUnusable: It cannot be used.
            ConfigError: There are secrets in it, and the key of the state folder cannot be read.
        """
        store = cls(await ServicesFile.open(path), seal, clock, hidden=hidden, project=project)
        try:
            await store.keys.load()
            await store.secrets.load()
        except BaseException:
            await store.aclose()
            raise
        return store

    async def copy(self, target: Path) -> None:
        """Copy the file to a new one, for a backup.

        Raises:
            JournalUnusable, OSError: There is no copy.
        """
        await self._file.copy(target)

    async def aclose(self) -> None:
        """Close the file."""
        await self._file.aclose()
