"""What a manifest says of ports, their paths and what is called there."""

from __future__ import annotations

from typing import Final

from runtime.wire.manifest.shape import (
    Field,
    ListOf,
    PortNumber,
    Record,
    Text,
    Truth,
    Whole,
)
from runtime.wire.manifest.vocabulary.words import (
    MAX_PORT,
    NAME,
    PATH,
    SCOPE,
    TEXT,
    TEXTS,
)

_ALLOWED: Final = Record(
    name="allowed tools", doc="Tools of an MCP server that may be used.",
    fields=(
        Field(name="tool_names", shape=ListOf(TEXT), doc="Their names.", is_required=True),
        Field(name="read_only", shape=Truth(), doc="Only those that the server says change nothing."),
    ),
)  # fmt: skip
_OAUTH: Final = Record(
    name="oauth", doc="How its users prove who they are.",
    fields=(
        Field(name="client_id", shape=TEXT, doc="The client's id.", is_required=True),
        Field(name="client_secret", shape=TEXT, doc="The client's secret."),
        Field(name="authorization_endpoint", shape=TEXT, doc="Where they say yes.", is_required=True),
        Field(name="token_endpoint", shape=TEXT, doc="Where tokens are had.", is_required=True),
        Field(name="no_pkce", shape=Truth(), doc="Leave out the proof of the code."),
        Field(name="scopes", shape=ListOf(TEXT), doc="What is asked for."),
    ),
)  # fmt: skip
CALLED: Final = Record(
    name="meshagent endpoint",
    doc="It is called into the room when its port answers.",
    fields=(
        Field(name="identity", shape=NAME, doc="The name that it joins as.", is_required=True),
        Field(name="api", shape=SCOPE, doc="What it may do there; left out: what agents may, `{}`: nothing."),
    ),
)
MCP: Final = Record(
    name="mcp endpoint",
    doc="Its tools are a toolkit of the room.",
    fields=(
        Field(name="label", shape=NAME, doc="The toolkit's name.", is_required=True),
        Field(name="description", shape=TEXT, doc="What they are for."),
        Field(name="allowed_tools", shape=ListOf(_ALLOWED), doc="Those that may be used; all when left out."),
        Field(name="headers", shape=TEXTS, doc="Headers of every request."),
        Field(
            name="require_approval", shape=Text(words=("always", "never")), doc="Whether a person is asked."
        ),
        Field(name="oauth", shape=_OAUTH, doc="How its users prove who they are."),
        Field(name="openai_connector_id", shape=TEXT, doc="A connector of OpenAI instead of an address."),
        Field(name="use_proxy_secret", shape=Truth(), doc="Add a secret on the way.", since="0.44.13"),
    ),
)
ENDPOINT: Final = Record(
    name="endpoint",
    doc="A path of a port, and what is there.",
    takes_own=True,
    fields=(
        Field(name="path", shape=PATH, doc="The path.", is_required=True),
        Field(name="meshagent", shape=CALLED, doc="An agent or a tool that is called into the room."),
        Field(name="mcp", shape=MCP, doc="An MCP server."),
        Field(name="annotations", shape=TEXTS, doc="Texts by name.", since="0.25.7"),
    ),
)
PORT: Final = Record(
    name="port",
    doc="A port that the container listens on.",
    takes_own=True,
    fields=(
        Field(name="num", shape=PortNumber(), doc='Its number; `"*"`: any, told in `MESHAGENT_PORT`.',
              default="*", is_written=True),
        Field(name="type", shape=Text(words=("http", "tcp")), doc="What is spoken there.", default="http",
              is_written=True),
        Field(name="liveness", shape=PATH, doc="A path that answers 2xx when the service is ready."),
        Field(name="host_port", shape=Whole(least=1, most=MAX_PORT, what="port"), since="0.18",
              doc="The port of the room's host that leads there."),
        Field(name="published", shape=Truth(), doc="Whether it can be reached from outside.", since="0.25",
              default=False),
        Field(name="public", shape=Truth(), doc="Whether that takes no participant token.", since="0.25",
              default=False),
        Field(name="annotations", shape=TEXTS, doc="Texts by name.", since="0.25.7"),
        Field(name="endpoints", shape=ListOf(ENDPOINT), doc="Its paths."),
    ),
)  # fmt: skip
