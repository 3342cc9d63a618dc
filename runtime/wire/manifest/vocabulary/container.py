"""What a manifest says of the image that runs, what it is given, and how it is held."""

from __future__ import annotations

from typing import Final

from runtime.wire.manifest.shape import (
    Field,
    ListOf,
    Quantity,
    Record,
    Text,
    Truth,
    Whole,
)
from runtime.wire.manifest.vocabulary.words import (
    NAME,
    PATH,
    ROLES,
    SCOPE,
    SERVICE,
    TEXT,
)


def _mount(name: str, doc: str, *more: Field, read_only: bool, subpath: bool = True) -> Record:
    path = Field(name="path", shape=PATH, doc="Where it is in the container.", is_required=True)
    inner = Field(name="subpath", shape=TEXT, doc="The part of it that is there; all of it when left out.")
    ro = Field(
        name="read_only",
        shape=Truth(),
        doc="Whether it can only be read.",
        default=read_only,
        is_written=True,
    )
    return Record(name=name, doc=doc, fields=(*more, path, *((inner,) if subpath else ()), ro))


_TOKEN: Final = Record(
    name="token variable", doc="A participant token, made at each start.",
    fields=(
        Field(name="identity", shape=NAME, doc="Whose it is.", is_required=True),
        Field(name="api", shape=SCOPE, doc="What it allows; left out: what agents may."),
        Field(name="role", shape=Text(words=ROLES), doc="Its role."),
    ),
)  # fmt: skip
_SECRET: Final = Record(
    name="secret variable", doc="A secret that is kept here.",
    fields=(
        Field(name="id", shape=NAME, doc="Its id or its name.", is_required=True),
        Field(name="identity", shape=TEXT, doc="Whose it is.", since="0.27", gone="0.44.13"),
    ),
)  # fmt: skip
VARIABLE: Final = Record(
    name="environment variable",
    doc="One variable: a value, a token or a secret.",
    fields=(
        Field(name="name", shape=NAME, doc="Its name.", is_required=True),
        Field(name="value", shape=TEXT, doc="Its value."),
        Field(name="token", shape=_TOKEN, doc="A participant token instead.", since="0.21"),
        Field(name="secret", shape=_SECRET, doc="A secret instead.", since="0.27"),
    ),
)
STORAGE: Final = Record(
    name="storage",
    doc="What is mounted into the container.",
    fields=(
        Field(name="room", doc="Files of the room.",
              shape=ListOf(_mount("room mount", "Files of the room.", read_only=False))),
        Field(name="project", doc="Files of the project.", gone="0.44.13",
              shape=ListOf(_mount("project mount", "Files of the project.", read_only=True))),
        Field(name="images", doc="Files of other images.", since="0.18", shape=ListOf(_mount(
            "image mount", "Files of another image.",
            Field(name="image", shape=NAME, doc="The image.", is_required=True), read_only=True))),
        Field(name="files", doc="Texts of this manifest as files.", since="0.23", shape=ListOf(_mount(
            "file mount", "A text as a file.",
            Field(name="text", shape=TEXT, doc="What is in it.", is_required=True), read_only=True,
            subpath=False))),
        Field(name="empty_dirs", doc="Folders that are empty at each start.", since="0.30", shape=ListOf(
            _mount("empty folder", "A folder that is empty at each start.", read_only=False, subpath=False))),
        Field(name="configs", doc="What the room tells its services.", since="0.36", shape=ListOf(Record(
            name="configs mount", doc="`spec.json` and `members.json`.", fields=(
                Field(name="path", shape=PATH, doc="Where.", default="/var/run/meshagent", is_written=True),
            )))),
        Field(name="volumes", doc="Named volumes of the room.", since="0.48", shape=ListOf(_mount(
            "volume mount", "A named volume of the room.",
            Field(name="name", shape=NAME, doc="Its name.", is_required=True), read_only=False))),
    ),
)  # fmt: skip
API_KEY: Final = Record(
    name="api key", doc="An API key that is made for the service and told in `MESHAGENT_API_KEY`.",
    fields=(
        Field(name="role", shape=Text(words=("admin",)), doc="What it may.", is_required=True),
        Field(name="name", shape=NAME, doc="Its name.", is_required=True),
        Field(name="auto_provision", shape=Truth(), doc="Make it if it is not there.", default=True),
    ),
)  # fmt: skip
RUN_AS: Final = Record(
    name="service account", doc="Whose secrets the service reads.",
    fields=(
        Field(name="email", shape=Text(is_filled=True, is_folded=True), doc="The account.", is_required=True),
        Field(name="scopes", shape=ListOf(TEXT), doc="What it may.", default=["secrets:proxy"]),
    ),
)  # fmt: skip
ISOLATION: Final = Record(
    name="isolation",
    doc="How this server holds a service; never told to other tools.",
    fields=(
        Field(name="memory", shape=Quantity("bytes"), doc="Most memory, such as `256 MiB`."),
        Field(name="cpu", shape=Quantity("processors"), doc="Most processors, such as `0.5`."),
        Field(name="pids", shape=Whole(least=1, most=1 << 22), doc="Most processes and threads."),
        Field(name="files", shape=Whole(least=16, most=1 << 20), doc="Most open files."),
        Field(name="timeout", shape=Quantity("seconds"), doc="Longest life of a session."),
        Field(name="idle_timeout", shape=Quantity("seconds"), doc="Longest silence of a session."),
        Field(
            name="restart", shape=Text(words=("never", "on-failure", "always")), doc="When it is restarted."
        ),
        Field(
            name="start_method", shape=Text(words=("auto", "always", "never")), doc="Whether it is forked."
        ),
        Field(name="seccomp", shape=Text(words=("off", "on", "strict")), doc="How tightly it is held."),
        Field(name="user", shape=TEXT, doc="The user that it runs as."),
        Field(name="network", shape=Text(words=("none", "room", "open")), doc="What it reaches."),
    ),
)
CONTAINER: Final = Record(
    name="container",
    doc="The image that runs, and how.",
    takes_own=True,
    fields=(
        Field(name="image", shape=NAME, doc="The image's reference.", required_of=SERVICE),
        Field(name="command", shape=TEXT, doc="Replaces entry point and arguments; split as a shell would."),
        Field(name="working_dir", shape=PATH, doc="The folder it starts in.", since="0.27.2"),
        Field(name="environment", shape=ListOf(VARIABLE, pairs=("name", "value")), doc="Its variables."),
        Field(name="secrets", shape=ListOf(TEXT), doc="Ids of secrets; each key of each is a variable.",
              gone="0.44.13", only=SERVICE),
        Field(name="pull_secret", doc="The secret that opens the registry.", only=SERVICE, shape=Record(
            name="pull secret", doc="A secret.", short="id", fields=(
                Field(name="id", shape=NAME, doc="Its id or its name.", is_required=True),))),
        Field(name="api_key", shape=API_KEY, doc="An API key made for it.", gone="0.36", only=SERVICE),
        Field(name="storage", shape=STORAGE, doc="What is mounted."),
        Field(name="on_demand", shape=Truth(), doc="Start it only when it is asked for.", since="0.21",
              default=False),
        Field(name="writable_root_fs", shape=Truth(), doc="Let it write everywhere.", since="0.21",
              default=False),
        Field(name="private", shape=Truth(), doc="Logs, commands and stopping are its owner's alone.",
              since="0.25.5", default=True),
        Field(name="template", shape=Text(words=("agent", "none")), since="0.41.4",
              doc="What it is given unasked: `agent` has the model's addresses and `/data`; `none` nothing."),
        Field(name="run_as", shape=RUN_AS, doc="Whose secrets it reads.", since="0.44.13"),
        Field(name="x-isolation", shape=ISOLATION, doc="How this server holds it."),
    ),
)  # fmt: skip
