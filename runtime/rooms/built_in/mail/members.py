"""Who may write to a mailbox that is not public: addresses, and whole domains.

A sender is who the envelope names, which nobody proves to us: what comes from other servers is to be checked
by one that asks the domains (SPF, DKIM) before it gets here.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from typing import Final

from runtime.errors import ConfigError

_MAX_HEADER_BYTES: Final = 64 << 10


class Members:
    """Those of the setting ``mail.members``; everybody where it names nobody.

    Args:
        entries: Addresses, or ``*@example.com`` for all of a domain.

    Raises:
        ConfigError: An entry is neither.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self._named = {entry.strip().casefold() for entry in entries}
        for entry in self._named:
            name, at, domain = entry.partition("@")
            if not (name and at and domain) or "*" in domain or ("*" in name and name != "*"):
                raise ConfigError(
                    f"mail.members has {entry!r}",
                    cure="Write ann@example.com, or *@example.com for all there.",
                )

    def allow(self, sender: str) -> bool:
        """Whether mail of that sender is taken."""
        address = sender.casefold()
        return not self._named or address in self._named or f"*@{address.rpartition('@')[2]}" in self._named


def sender_in(raw: bytes) -> str:
    """Who a message says it is from, where no envelope tells; empty for nobody."""
    header = BytesHeaderParser().parsebytes(raw[:_MAX_HEADER_BYTES])
    return parseaddr(str(header.get("From", "")))[1]
