"""Who may do what: signed or local for webhooks, local or with the token for what an operator does.  Pure.

A browser on this machine is local too, whatever page it shows.  So where being local is all that is asked
for, a request must come under a name that is this server's (a page that rebinds its own name to 127.0.0.1
still sends that name), and one that changes something must not come from another site's page.  A signature
or a token proves more than a place, and needs neither check.  The cookie of a browser session of the Studio
is worth as much as the token, but a browser adds it by itself: what changes something must come from our own
page.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from runtime.clock import SystemClock
from runtime.errors import ConfigError, PermissionDenied
from runtime.front.access.browser_sessions import BrowserSessions, cookie_of
from runtime.front.http.refusal import Refusal
from runtime.rooms.token import ApiKey
from runtime.settings import ServerSettings
from runtime.wire.signature import Verified, check_secrets, verify

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_CROSS_SITE: Final = "A page of another site sent this; send it from a page of this server."


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What a request says about where it comes from.

    Attributes:
        address: IP address of the peer.
        headers: Names in lower case.
        changes: It may change something: any method but GET, HEAD and OPTIONS, or a websocket.
    """

    address: str
    headers: Mapping[str, str]
    changes: bool

    @classmethod
    def of(cls, address: str | None, headers: Mapping[str, str], method: str) -> Caller:
        """Of a request; `method` is ``WEBSOCKET`` for an upgrade."""
        return cls(address=address or "", headers=headers, changes=method not in _SAFE_METHODS)

    @property
    def is_local(self) -> bool:
        """From this machine itself.  What a proxy forwarded is not: it only looks local."""
        if any(name in self.headers for name in _FORWARDED):
            return False
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


class Access:
    """The rules, for one server.

    Args:
        key: A further bearer of the operator API: that of whoever can read the server's own file.

    Attributes:
        cookie: Name of the cookie that holds a browser session.  Cookies are shared by all ports of a host,
            so a server puts its port into the name.

    Raises:
        ConfigError: A webhook secret that cannot be used.
    """

    def __init__(
        self, settings: ServerSettings, *, browser_sessions: BrowserSessions | None = None, key: str = ""
    ) -> None:
        self.browser_sessions = browser_sessions or BrowserSessions(SystemClock())
        self.cookie = f"bulkhead_{settings.port}"
        self._key = key
        words = settings.webhook_secret.split()
        # Several secrets are separated by spaces; a single one may contain some.
        self.secrets = (*words, settings.webhook_secret) if len(words) > 1 else tuple(words)
        check_secrets(self.secrets)
        self._window_s = settings.replay_window_s
        self._api_token, self._api_key = settings.api_token, settings.api_key
        self._insecure = settings.insecure
        self._public = urlsplit(settings.public_url)
        self._hosts = {name.lower() for name in (settings.host, self._public.hostname) if name}

    def webhook(self, caller: Caller, payload: bytes, *, now: float) -> Verified | None:
        """Let a webhook through; its signature when secrets are set, None when none are.

        Args:
            payload: The bytes a signature covers.
            now: Seconds since the epoch.

        Raises:
            SignatureInvalid, Replayed: A secret is set, and the signature does not hold.
            Refusal: No secret is set, and the call is not local; or another site's page sent it.
        """
        is_signed = "webhook-signature" in caller.headers or "meshagent-signature" in caller.headers
        if not is_signed and self.browser_session_of(caller):
            self._own_page(caller)  # an operator may call agents, from the Studio as in a room
            return None
        if self.secrets:
            return verify(caller.headers, payload, secrets=self.secrets, now=now, window_s=self._window_s)
        if not caller.is_local and not self._insecure:
            raise Refusal(
                "not_trusted",
                "Unsigned webhooks are taken from this machine alone. Set BULKHEAD_WEBHOOK_SECRET and sign "
                "them, or set BULKHEAD_INSECURE=1 if only people you trust can reach this port.",
            )
        self._guard(caller)
        return None

    def operator(self, caller: Caller) -> None:
        """Let an operator's request through.

        Raises:
            Refusal: Neither local nor with the token, or a browser was tricked into sending it.
        """
        scheme, _, given = caller.headers.get("authorization", "").partition(" ")
        is_bearer, sent = scheme.lower() == "bearer", given.strip().encode()
        if is_bearer and any(
            hmac.compare_digest(sent, key.encode()) for key in (self._api_key, self._key) if key
        ):
            return
        if self._api_token and is_bearer:
            if hmac.compare_digest(sent, self._api_token.encode()):
                return
            raise Refusal(
                "token_invalid",
                "The bearer token is not this server's BULKHEAD_API_TOKEN.",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        if self.browser_session_of(caller):
            self._own_page(caller)
            return
        if not caller.is_local and not self._insecure:
            if self._api_token:
                raise Refusal(
                    "token_required",
                    "Send Authorization: Bearer with this server's BULKHEAD_API_TOKEN. In a browser, open "
                    "the link that `bulkhead studio` prints in the server's terminal.",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            raise Refusal(
                "not_trusted",
                "The operator API is open to this machine alone. Set BULKHEAD_API_TOKEN and send it as a "
                "bearer token, or set BULKHEAD_INSECURE=1 if only people you trust can reach this port. In a "
                "browser, open the link that `bulkhead studio` prints in the server's terminal.",
            )
        self._guard(caller)

    def browser_session_of(self, caller: Caller) -> str:
        """The cookie's value when the caller has a browser session; empty otherwise."""
        values = cookie_of(caller.headers.get("cookie", ""), self.cookie)
        return next((value for value in values if self.browser_sessions.knows(value)), "")

    def how(self, caller: Caller) -> Literal["cookie", "local", "none"]:
        """By what a caller may operate the server: a browser session, the place, or not at all."""
        if not self.may_operate(caller):
            return "none"
        return "cookie" if self.browser_session_of(caller) else "local"

    def may_operate(self, caller: Caller) -> bool:
        """Whether `operator` would let it through."""
        try:
            self.operator(caller)
        except Refusal:
            return False
        return True

    def _own_page(self, caller: Caller) -> None:
        """Refuse what changes something unless the browser says that a page of this server sent it."""
        if not caller.changes:
            return
        site, origin = caller.headers.get("sec-fetch-site"), caller.headers.get("origin", "")
        own = (
            self._is_own_origin(origin, caller.headers.get("host", ""))
            if site is None
            else site == "same-origin"
        )
        if not own:
            raise Refusal("cross_site", _CROSS_SITE)

    def _guard(self, caller: Caller) -> None:
        host = caller.headers.get("host", "")
        if not self._is_own_name(host):
            raise Refusal(
                "host_unknown",
                f"This server does not go by the name {host[:100]!r}. Use localhost or its address, or set "
                "BULKHEAD_PUBLIC_URL to the URL it is reached under.",
            )
        if not caller.changes:
            return
        origin = caller.headers.get("origin")
        if origin is not None and not self._is_own_origin(origin, host):
            raise Refusal("cross_site", _CROSS_SITE)
        if caller.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Refusal("cross_site", _CROSS_SITE)

    def _is_own_name(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if not name or name in self._hosts or name.endswith(".localhost"):
            return bool(name)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            # A name without a dot (localhost, a container's name) cannot be had in the public name system.
            return "." not in name
        return True

    def _is_own_origin(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if self._public.netloc and parts.netloc.lower() == self._public.netloc.lower():
            return True
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def signing_keys(api_key: str) -> dict[str, str]:
    """By its id, the key of a project whose participant tokens are taken.

    Raises:
        ConfigError: It is no such key.
    """
    if not api_key:
        return {}
    try:
        key = ApiKey.parse(api_key)
    except PermissionDenied as error:
        cure = "Set MESHAGENT_API_KEY to what `bulkhead setup --show-key` shows, or leave it out."
        raise ConfigError("MESHAGENT_API_KEY is no API key (ma-…)", cure=cure) from error
    return {key.id: key.secret}
