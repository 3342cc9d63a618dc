"""What a service is given of the secrets that are kept: each in the version of its revision."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from runtime.errors import SecretMissing
from runtime.services.secret import KEYS, Secret
from runtime.services.service import Spec
from runtime.services.store import Store


class Given:
    """The secrets of a revision, in the versions that it was given.

    Args:
        versions: By the id of each.
    """

    def __init__(self, store: Store, versions: Mapping[str, int]) -> None:
        self._secrets, self._versions = store.secrets, versions

    async def environment(
        self, container: Spec, token: Callable[[Mapping[str, Any]], str] | None = None
    ) -> dict[str, str]:
        """The variables that a manifest gives; the later wins.

        Args:
            token: Makes one of what the manifest says of it; None to leave these variables out.

        Raises:
            NotFound, SecretMissing: A secret is not kept, or not what it is taken for.
        """
        env: dict[str, str] = {}
        for key in container.get("secrets", ()):
            env |= await self.texts(key, KEYS)
        for variable in container.get("environment", ()):
            name = variable["name"]
            if "secret" in variable:
                env[name] = await self._variable(name, variable["secret"]["id"])
            elif "token" not in variable:
                env[name] = variable.get("value", "")
            elif token is not None:
                env[name] = token(variable["token"])
        return env

    async def texts(self, key: str, kind: str) -> dict[str, str]:
        """The entries of a secret that is a map."""
        found = await self._secrets.get(key)
        if found.type != kind:
            raise SecretMissing(
                f'secret "{found.name}" is of type {found.type}, and the manifest takes it for one of {kind}',
                cure=f"Set it as a secret of type {kind}.",
            )
        return await self._entries(found)

    async def _variable(self, name: str, key: str) -> str:
        """One secret as text; of one that is a map, the entry that is called like the variable."""
        found = await self._secrets.get(key)
        if found.type != KEYS:
            return await self._text(found)
        held = await self._entries(found)
        if name not in held:
            raise SecretMissing(
                f'secret "{found.name}" has no entry {name!r}, which a variable is to have',
                cure=f"Call the variable like one that it has: {', '.join(held) or 'none'}.",
            )
        return held[name]

    async def _entries(self, found: Secret) -> dict[str, str]:
        held = json.loads(await self._text(found))
        return {str(name): str(value) for name, value in held.items()}

    async def _text(self, found: Secret) -> str:
        value = await self._secrets.value(found.id, self._versions.get(found.id, found.current))
        return value.decode("utf-8", "surrogateescape")
