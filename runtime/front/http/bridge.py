"""A server on loopback, heard by the containers of its machine as well."""

from __future__ import annotations

import ipaddress
from typing import Any, Final

from runtime.errors import ConfigError
from runtime.front.http.listener import Listener
from runtime.logs import get_logger

_CURE: Final = "Set containers.listen to an address of this machine that containers reach."
_log = get_logger("containers")


class Bridge:
    """Another listener at the same port; none where the first one hears all addresses.

    Args:
        public_url: Where the server is reached from elsewhere; empty for where it listens.
    """

    def __init__(self, listener: Listener, public_url: str) -> None:
        self._listener, self._public_url = listener, public_url
        self._other: Listener | None = None

    def hear(self, address: str) -> None:
        """Listen at an address; that it cannot be had is said in the log."""
        if not self._listener.is_loopback:
            return
        try:
            self._other = Listener.bind(address, self._listener.port)
        except ConfigError as error:
            _log.warning("containers.cannot_reach_us", error=error.message, cure=_CURE)

    def url(self, address: str) -> str:
        """Where containers whose machine has this address reach the server; processes, if it is empty."""
        if self._other is not None:
            return self._other.url
        if self._public_url:
            return self._public_url
        if address and ipaddress.ip_address(self._listener.host).is_unspecified:
            return f"http://{address}:{self._listener.port}"
        return self._listener.url

    def start(self, app: Any) -> None:
        """Serve an ASGI application there, too."""
        if self._other is not None:
            self._other.start(app)

    async def aclose(self) -> None:
        """Stop listening."""
        if self._other is not None:
            await self._other.aclose()
