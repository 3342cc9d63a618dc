"""Who may do what: signed for webhooks, with a key for what an operator does, or from this machine.  Pure.

From this machine is enough where nothing says that others are to come: no token, no webhook secret, no
public URL.  With any of these a key is asked of everybody, because a proxy on this machine makes everybody
local.  And it is enough for a person's processes alone: a session's own are local as well, and no operators,
so whose socket it is must be known (`runtime.front.access.origin`).

A browser on this machine is local too, whatever page it shows.  So where being local is all that is asked
for, a request must come under a name that is this server's (a page that rebinds its own name to 127.0.0.1
still sends that name), and one that changes something must not come from another site's page.  A signature
or a token proves more than a place, and needs neither check.  The cookie of a browser session of the Studio
is worth as much as the token, but a browser adds it by itself: what changes something must come from our own
page.  And it gives it to every port of this machine, where a session may have led a person to a page of its
own: none of a session's is taken.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from runtime.clock import SystemClock
from runtime.errors import ConfigError, PermissionDenied
from runtime.front.access.browser_sessions import BrowserSessions, cookie_of
from runtime.front.access.origin import Origin
from runtime.front.home.server_file import NAME as SERVER_FILE
from runtime.front.http.refusal import Refusal
from runtime.rooms.token import ApiKey
from runtime.settings import ServerSettings
from runtime.wire.signature import Verified, check_secrets, verify

LOCAL_PROJECT: Final = "00000000-0000-4000-8000-000000000000"
"""The project of a server that was given no key."""
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")
_SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
_BEARER: Final = {"WWW-Authenticate": "Bearer"}
_CROSS_SITE: Final = "A page of another site sent this; send it from a page of this server."


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says about where it comes from.

    Attributes:
        address: IP address of the peer.
        headers: Names in lower case.
        changes: It may change something: any method but GET, HEAD and OPTIONS, or a websocket.
        origin: Whose connection it is, where that was asked.
    """

    address: str
    headers: Mapping[str, str]
    changes: bool
    origin: Origin = Origin.UNASKED

    @classmethod
    def of(
        cls, address: str | None, headers: Mapping[str, str], method: str, origin: Origin = Origin.UNASKED
    ) -> Caller:
        """Of a request; `method` is ``WEBSOCKET`` for an upgrade."""
        changes = method not in _SAFE_METHODS
        return cls(address=address or "", headers=headers, changes=changes, origin=origin)

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
        signing: Secrets of API keys by their ids; each key is as good as the settings' own.
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
        self.signing: Mapping[str, str] = {}
        self._key = key
        words = settings.webhook_secret.split()
        # Several secrets are separated by spaces; a single one may contain some.
        self.secrets = (*words, settings.webhook_secret) if len(words) > 1 else tuple(words)
        check_secrets(self.secrets)
        self._window_s = settings.replay_window_s
        self._api_token, self._api_key = settings.api_token, settings.api_key
        self._insecure = settings.insecure
        self._key_file = settings.state_dir / SERVER_FILE
        self._public = urlsplit(settings.public_url)
        self._hosts = {name.lower() for name in (settings.host, self._public.hostname) if name}

    def webhook(self, caller: Caller, payload: bytes, *, now: float) -> Verified | None:
        """Let a webhook through; its signature when secrets are set, None when none are.

        Args:
            payload: The bytes a signature covers.
            now: Seconds since the epoch.

        Raises:
            SignatureInvalid, Replayed: A secret is set, and the signature does not hold.
            Refusal: No secret is set, and the call does not come from where none is needed; or another site's
                page sent it.
        """
        is_signed = "webhook-signature" in caller.headers or "meshagent-signature" in caller.headers
        if not is_signed and self._has_key(caller):
            return None  # an operator may call agents, from the Studio as in a room
        if not is_signed and self.browser_session_of(caller):
            self._browser(caller)
            return None
        if self.secrets:
            return verify(caller.headers, payload, secrets=self.secrets, now=now, window_s=self._window_s)
        self._place(
            caller,
            "Unsigned webhooks are taken from this machine alone. Set BULKHEAD_WEBHOOK_SECRET and sign "
            "them, or set BULKHEAD_INSECURE=1 if only people you trust can reach this port.",
        )
        self._guard(caller)
        return None

    def operator(self, caller: Caller) -> None:
        """Let an operator's request through.

        Raises:
            Refusal: Neither with a key nor from where none is needed, or a browser was tricked into sending.
        """
        if self._has_key(caller):
            return
        if self._api_token and _bearer(caller) is not None:
            raise Refusal(
                "token_invalid",
                "The bearer token is not this server's BULKHEAD_API_TOKEN.",
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        if self.browser_session_of(caller):
            self._browser(caller)
            return
        self._place(
            caller,
            "The operator API is open to this machine alone. Set BULKHEAD_API_TOKEN and send it as a "
            "bearer token, or set BULKHEAD_INSECURE=1 if only people you trust can reach this port. In a "
            "browser, open the link that `bulkhead studio` prints in the server's terminal.",
        )
        self._guard(caller)

    @property
    def is_locked(self) -> bool:
        """A key is asked of everybody, whatever the place: others are expected, and a proxy looks local."""
        return bool(self._api_token or self.secrets or self._public.geturl()) and not self._insecure

    def asks_origin(self, caller: Caller) -> bool:
        """Whether it depends on whose connection it is what this caller may do without a key."""
        if self._has_key(caller):
            return False
        if self.browser_session_of(caller) or self._insecure:
            return True
        return caller.is_local and not self.is_locked

    def _has_key(self, caller: Caller) -> bool:
        sent = _bearer(caller)
        keys = (self._api_key, self._key, self._api_token)
        if sent is None:
            return False
        return any(hmac.compare_digest(sent, key.encode()) for key in keys if key) or self._is_kept(sent)

    def _is_kept(self, sent: bytes) -> bool:
        if not self.signing or not sent.startswith(b"ma-"):
            return False
        try:
            key = ApiKey.parse(sent.decode("ascii"))
        except (PermissionDenied, UnicodeDecodeError):
            return False
        secret = self.signing.get(key.id, "")
        return bool(secret) and hmac.compare_digest(key.secret.encode(), secret.encode())

    def _place(self, caller: Caller, too_far: str) -> None:
        """Refuse who shows no key, unless where it comes from is enough."""
        if self._insecure:
            # For whoever can reach the port; a session was not meant, and one that hides least of all.
            if caller.origin is Origin.SESSION:
                raise self._not_a_session()
            if caller.origin in (Origin.HIDDEN, Origin.DOUBTFUL, Origin.GONE, Origin.UNASKED):
                raise self._key_needed("Which process of this machine sent this cannot be told. ")
            return
        if not caller.is_local and not self._api_token:
            raise Refusal("not_trusted", too_far)
        if self.is_locked or not caller.is_local:
            raise self._key_needed("")
        match caller.origin:
            case Origin.NEAR:
                return
            case Origin.SESSION:
                raise self._not_a_session()
            case Origin.OTHER_USER:
                raise self._key_needed("Another user of this machine sent this. ")
            case _:
                raise self._key_needed("Which process of this machine sent this cannot be told. ")

    def _key_needed(self, why: str) -> Refusal:
        token = " or BULKHEAD_API_TOKEN" if self._api_token else ", or set BULKHEAD_API_TOKEN and send that"
        return Refusal(
            "token_required",
            f"{why}Send Authorization: Bearer with the key in {self._key_file}{token}; commands of bulkhead "
            "do so by themselves. In a browser, open the link that `bulkhead studio` prints in the server's "
            "terminal.",
            headers=_BEARER,
        )

    def _not_a_session(self) -> Refusal:
        return Refusal(
            "not_trusted",
            "This was sent from inside a session, and sessions do not operate their server. Give the agent "
            "BULKHEAD_API_TOKEN to send as a bearer token if it is meant to; other agents are called through "
            "the room.",
        )

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

    def _browser(self, caller: Caller) -> None:
        """Refuse a cookie that a session sent, and changes that the browser says no page of ours sent."""
        match caller.origin:
            case Origin.SESSION:
                raise self._not_a_session()
            case Origin.DOUBTFUL | Origin.GONE | Origin.UNASKED:
                raise self._key_needed("Who sent this cannot be told. ")
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


def _bearer(caller: Caller) -> bytes | None:
    scheme, _, given = caller.headers.get("authorization", "").partition(" ")
    return given.strip().encode() if scheme.lower() == "bearer" else None


def project_of(api_key: str) -> str:
    """The id of the server's one project: that of its key, or one that is as good as any.

    Raises:
        ConfigError: It is no key.
    """
    return _parsed(api_key).project if api_key else LOCAL_PROJECT


def signing_keys(api_key: str) -> dict[str, str]:
    """By its id, the key of a project whose participant tokens are taken.

    Raises:
        ConfigError: It is no such key.
    """
    if not api_key:
        return {}
    key = _parsed(api_key)
    return {key.id: key.secret}


def _parsed(api_key: str) -> ApiKey:
    try:
        return ApiKey.parse(api_key)
    except PermissionDenied as error:
        cure = "Set MESHAGENT_API_KEY to what `bulkhead setup --show-key` shows, or leave it out."
        raise ConfigError("MESHAGENT_API_KEY is no API key (ma-…)", cure=cure) from error
