"""Under which address a request came, seen from outside: behind a proxy the connection does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit


def is_encrypted(headers: Mapping[str, str], *, scheme: str, public_url: str) -> bool:
    """Whether who asked used TLS: with us, with a proxy that says so, or with what the settings name.

    Args:
        headers: Of the request, their names in lower case.
        scheme: Of the connection to this server.
        public_url: The address outside, of the settings; may be empty.
    """
    public = urlsplit(public_url)
    is_public = public.scheme == "https" and public.netloc.lower() == headers.get("host", "").lower()
    forwarded = headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return is_public or "https" in (scheme, forwarded)


def room_address(room: str, headers: Mapping[str, str], *, scheme: str, public_url: str) -> str:
    """Where the one who asked enters a room of this server: under the name that it asked for."""
    secure = "s" if is_encrypted(headers, scheme=scheme, public_url=public_url) else ""
    return f"ws{secure}://{headers.get('host', '')}/rooms/{quote(room, safe='')}"
