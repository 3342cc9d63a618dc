"""The words that all parts of the vocabulary share: kinds, roles, families of rights, simple shapes."""

from __future__ import annotations

from typing import Final

from runtime.wire.manifest.shape import (
    Families,
    MapOf,
    Text,
)

SERVICE: Final = "Service"
TEMPLATE: Final = "ServiceTemplate"
KINDS: Final = (SERVICE, TEMPLATE)
ELSEWHERE: Final = ("Route", "ScheduledTask")
"""Kinds that are known and not served here."""
ROLES: Final = ("user", "tool", "agent")
MAX_PORT: Final = 65535

TEXT: Final = Text()
NAME: Final = Text(is_filled=True)
PATH: Final = Text(is_path=True)
TEXTS: Final = MapOf(TEXT)

SCOPE: Final = Families(
    known=(
        ("admin", ("config",)),
        ("agents", ("register_agent", "register_public_toolkit", "register_private_toolkit", "call",
                    "use_agents", "use_tools", "allowed_toolkits")),
        ("containers", ("logs", "pull", "run", "use_containers")),
        ("database", ("tables", "list_tables")),
        ("dataset", ("tables", "list_tables", "namespace")),
        ("developer", ("logs",)),
        ("livekit", ("breakout_rooms",)),
        ("llm", ()),
        ("memory", ("list", "memories")),
        ("messaging", ("broadcast", "list", "send")),
        ("queues", ("send", "receive", "list")),
        ("secrets", ("request_oauth_token",)),
        ("services", ("list",)),
        ("sqlite", ()),
        ("storage", ("paths",)),
        ("sync", ("paths",)),
        ("tunnels", ("ports",)),
    )
)  # fmt: skip
