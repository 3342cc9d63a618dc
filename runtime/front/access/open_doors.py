"""Saying at the start who is let in, where that may not be what was meant."""

from __future__ import annotations

from runtime.front.access.rules import Access
from runtime.logs import get_logger
from runtime.settings import ServerSettings

_log = get_logger("server")


def say_open_doors(
    server: ServerSettings, access: Access, *, url: str, is_loopback: bool, can_tell: bool
) -> None:
    """Warn of a port that is open to everybody, or closed to some whom one would expect to be let in.

    Args:
        can_tell: Whether it can be told here which process a connection of this machine belongs to.
    """
    if server.insecure:
        _log.warning(
            "server.insecure",
            detail="BULKHEAD_INSECURE is set: who reaches this port can start agents and read their logs",
            url=url,
        )
    elif not is_loopback and not access.secrets:
        _log.warning(
            "server.unsigned_webhooks_refused",
            detail="no webhook secret is set: calls from other machines are refused",
            cure="Set BULKHEAD_WEBHOOK_SECRET.",
        )
    if not can_tell and not access.is_locked and not server.insecure:
        _log.warning(
            "server.key_needed",
            detail="the kernel does not tell here whose a connection is (sock_diag): the operator API and "
            "unsigned webhooks ask everybody for a key, on this machine too",
            cure="Commands of bulkhead send it by themselves; others: the key in server.json, or "
            "BULKHEAD_API_TOKEN.",
        )
