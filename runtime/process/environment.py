"""Which of the front's environment variables a bundle may see: not our secrets."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.process.agents_env import FOR_AGENTS

_OUR_SECRETS = frozenset(
    {
        "MESHAGENT_WEBHOOK_SECRET",
        "MESHAGENT_WEBHOOK_SECRET_FILE",
        "MESHAGENT_SECRET",
        "MESHAGENT_SECRET_FILE",
        "MESHAGENT_API_KEY",
        "MESHAGENT_API_KEY_FILE",
    }
)
BUNDLE_MARK = "BULKHEAD_INTERNAL_BUNDLE"
"""Stands in the environment of every zygote, so of all that descends from one."""

MAIL_DOOR = "BULKHEAD_INTERNAL_SMTP"
"""Tells sessions where they hand in mail: ``host:port``."""

_ALWAYS = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "SSL_CERT_FILE")


def is_for_agents(name: str) -> bool:
    """Whether a variable of this name is none of our own settings and secrets."""
    return name not in _OUR_SECRETS and (not name.startswith("BULKHEAD_") or name.startswith(FOR_AGENTS))


def mail_door(host: str, port: int) -> dict[str, str]:
    """What bundles are told of where mail is taken; nothing where it is not (port 0)."""
    if not port:
        return {}
    return {MAIL_DOOR: f"{'127.0.0.1' if host in ('', '0.0.0.0', '::') else host}:{port}"}


def bundle_environment(
    env: Mapping[str, str], *, names: str = "", agents: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment a zygote starts with.

    Args:
        env: The front's own.
        names: Names separated by spaces, ``OPENAI_*`` for all that begin so; empty for everything but our
            own keys and secrets.
        agents: What is for agents alone, over the front's; all of it is seen.
    """
    allowed = names.split()
    seen = {}
    for name, value in env.items():
        if not is_for_agents(name):
            continue
        if allowed and name not in _ALWAYS and not any(_matches(name, pattern) for pattern in allowed):
            continue
        seen[name] = value
    seen |= agents or {}
    seen["PYTHONUNBUFFERED"] = "1"
    seen[BUNDLE_MARK] = "1"
    # Importing pyarrow starts a thread of its allocator, and a program with a thread cannot be forked from.
    seen.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    return seen


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
