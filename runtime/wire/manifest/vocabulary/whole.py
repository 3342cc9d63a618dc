"""What a manifest says at its top: kind, name, and the parts of the other modules."""

from __future__ import annotations

from typing import Final

from runtime.wire.manifest.shape import (
    Field,
    ListOf,
    Record,
    Text,
    Truth,
)
from runtime.wire.manifest.vocabulary.agents import AGENT
from runtime.wire.manifest.vocabulary.container import CONTAINER, ISOLATION
from runtime.wire.manifest.vocabulary.ports import PORT
from runtime.wire.manifest.vocabulary.words import (
    KINDS,
    NAME,
    SERVICE,
    TEMPLATE,
    TEXT,
    TEXTS,
)

METADATA: Final = Record(
    name="metadata",
    doc="What a service is called, and what is told of it.",
    fields=(
        Field(name="name", shape=NAME, doc="Its name, unique among the services of a project or of a room.",
              is_required=True),
        Field(name="description", shape=TEXT, doc="What it is for."),
        Field(name="repo", shape=TEXT, doc="Where its source is."),
        Field(name="icon", shape=TEXT, doc="An emoji, or the address of a picture."),
        Field(name="annotations", shape=TEXTS, doc="Texts by name, for whoever reads them."),
    ),
)  # fmt: skip

EXTERNAL: Final = Record(
    name="external",
    doc="A service that runs already.",
    fields=(Field(name="url", shape=NAME, doc="Its address.", is_required=True),),
)
FILE: Final = Record(
    name="room file",
    doc="A file of the room, made if it is not there.",
    fields=(
        Field(name="path", shape=NAME, doc="Where.", is_required=True),
        Field(name="text", shape=TEXT, doc="What is in it.", is_required=True),
    ),
)
INPUT: Final = Record(
    name="template variable",
    doc="A value that whoever deploys the template gives.",
    fields=(
        Field(name="name", shape=Text(is_filled=True, form=(r"[A-Za-z_][A-Za-z0-9_]*",
              "letters, digits and underscores, no digit first")), doc="Its name.", is_required=True),
        Field(name="title", shape=TEXT, doc="What a form calls it.", since="0.29"),
        Field(name="description", shape=TEXT, doc="What a form says of it."),
        Field(name="obscure", shape=Truth(), doc="It is a secret.", default=False),
        Field(name="enum", shape=ListOf(TEXT), doc="All that it can be."),
        Field(name="optional", shape=Truth(), doc="It may be left out.", default=False),
        Field(name="type", shape=Text(words=("email", "route")), doc="What it is."),
        Field(name="annotations", shape=TEXTS, doc="Texts by name.", since="0.20"),
    ),
)  # fmt: skip
MANIFEST: Final = Record(
    name="manifest",
    doc="A service, or a template of one.",
    takes_own=True,
    fields=(
        Field(name="version", shape=Text(words=("v1",)), doc="The version of the form.", is_required=True),
        Field(name="kind", shape=Text(words=KINDS), doc="What it describes.", is_required=True),
        Field(name="id", shape=TEXT, doc="Its id, which this server gives.", only=SERVICE),
        Field(
            name="enabled", shape=Truth(), doc="Whether it runs.", since="0.50", default=True, only=SERVICE
        ),
        Field(name="metadata", shape=METADATA, doc="Its name, and what is told of it.", is_required=True),
        Field(name="variables", shape=ListOf(INPUT), doc="The values that it takes.", only=TEMPLATE),
        Field(name="agents", shape=ListOf(AGENT), doc="Who will be in the room."),
        Field(name="ports", shape=ListOf(PORT), doc="The ports that it listens on."),
        Field(name="container", shape=CONTAINER, doc="The image that runs."),
        Field(name="external", shape=EXTERNAL, doc="The address where it runs already."),
        Field(name="files", shape=ListOf(FILE), doc="Files of the room that it needs.", since="0.36"),
        Field(name="x-isolation", shape=ISOLATION, doc="How this server holds it."),
    ),
)
