"""Mail of rooms: the slice ``mail`` of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.errors import ConfigError
from runtime.knob import knob

MAX_MAIL_BYTES: Final = 11 << 20
"""In base64 it is one message of a room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """Mail of rooms: where it is taken, and where it goes that is for others."""

    host: str = knob("127.0.0.1", "address at which mail is taken by SMTP")
    port: int = knob(0, "port at which agents hand in mail, and other servers theirs; 0: none", minimum=0)
    relay: str = knob("", "mail server that takes what is for others, smtp://host:587; none: it is kept here")
    relay_user: str = knob("", "user at that server")
    relay_password: str = knob("", "password at that server", secret=True)
    secret: str = knob(
        "", "password with which a mail provider may post to /mail/{address}, besides operators", secret=True
    )
    members: tuple[str, ...] = knob(
        (), "senders of mail for mailboxes that are not public, such as *@example.com; none: everybody"
    )
    max_bytes: int = knob(8 << 20, "one message", minimum=1024)
    max_waiting_bytes: int = knob(256 << 20, "messages that wait on the disk", minimum=1 << 20)
    wait_s: float = knob(259200.0, "how long a message waits for its agent, or for the server", minimum=1)
    keep_count: int = knob(200, "messages that are kept of those that are not sent on, or failed", minimum=1)

    def __post_init__(self) -> None:
        if self.max_bytes > MAX_MAIL_BYTES:  # in base64 it is one message of a room
            raise ConfigError(
                f"mail.max_bytes is more than {MAX_MAIL_BYTES}, which a room's messages can hold",
                cure="Set it lower.",
            )
