"""What a manifest says of those who will be in the room."""

from __future__ import annotations

from typing import Final

from runtime.wire.manifest.shape import Field, Free, ListOf, Record, Text, Truth, Whole
from runtime.wire.manifest.vocabulary.words import NAME, TEXT, TEXTS

_MAILBOX: Final = Record(
    name="e-mail channel",
    doc="A mailbox.",
    fields=(
        Field(name="address", shape=NAME, doc="Its address.", is_required=True),
        Field(name="private", shape=Truth(), doc="Whether only members write to it.", default=True),
    ),
)
_MESSAGES: Final = Record(
    name="message channel",
    doc="A protocol of messages.",
    fields=(
        Field(name="protocol", shape=TEXT, doc="Its name.", default="meshagent.agent-message.v1"),
        Field(name="prompts", shape=ListOf(Free()), doc="What one may begin with."),
    ),
)
_QUEUE: Final = Record(
    name="queue channel",
    doc="A queue.",
    fields=(
        Field(name="queue", shape=NAME, doc="Its name.", is_required=True),
        Field(name="threading_mode", shape=Text(words=("default-new",)), doc="Which thread a message is of."),
        Field(name="message_schema", shape=Free(), doc="The JSON Schema of its messages."),
    ),
)
_TOOLKIT: Final = Record(
    name="toolkit channel",
    doc="Tools.",
    fields=(Field(name="name", shape=NAME, doc="The toolkit's name.", is_required=True),),
)
CHANNELS: Final = Record(
    name="channels",
    doc="How an agent can be reached.",
    fields=(
        Field(name="email", shape=ListOf(_MAILBOX), doc="By mail."),
        Field(name="messaging", shape=ListOf(_MESSAGES), doc="By messages."),
        Field(name="queue", shape=ListOf(_QUEUE), doc="By a queue."),
        Field(name="toolkit", shape=ListOf(_TOOLKIT), doc="By tools."),
    ),
)
EMAIL: Final = Record(
    name="agent e-mail",
    doc="A mailbox of an agent.",
    fields=(
        Field(name="address", shape=NAME, doc="Its address.", is_required=True),
        Field(name="public", shape=Truth(), doc="Whether everybody may write to it.", default=False),
    ),
)
HEARTBEAT: Final = Record(
    name="heartbeat",
    doc="A message that an agent gets again and again.",
    fields=(
        Field(name="queue", shape=NAME, doc="The queue that it is put into.", is_required=True),
        Field(name="minutes", shape=Whole(least=1, most=525_600), doc="How often.", is_required=True),
        Field(
            name="prompt",
            shape=ListOf(Free(), is_filled=True),
            doc="What it says, in parts.",
            is_required=True,
        ),
        Field(name="thread_id", shape=TEXT, doc="The thread that it belongs to."),
    ),
)
AGENT: Final = Record(
    name="agent",
    doc="Somebody who will be in the room when the service runs; shown before it does.",
    fields=(
        Field(name="name", shape=NAME, doc="The name that it joins as.", is_required=True),
        Field(name="description", shape=TEXT, doc="What it does."),
        Field(name="annotations", shape=TEXTS, doc="Texts by name, such as `meshagent.agent.type`."),
        Field(name="channels", shape=CHANNELS, doc="How it can be reached.", since="0.32"),
        Field(name="email", shape=EMAIL, doc="Its mailbox.", since="0.36"),
        Field(name="heartbeat", shape=HEARTBEAT, doc="What it is told again and again.", since="0.36"),
    ),
)
