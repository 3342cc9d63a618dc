"""Pages of help: of a command arguments in capitals, values by kind and one example; of a group its sections.

Says so with the least of the option parser: its releases differ in how they write these down.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

EXAMPLES: Final[Mapping[str, str]] = {
    "demo": "bulkhead demo --room play",
    "serve": "bulkhead serve agents/ --room myroom",
    "studio": "bulkhead studio --room myroom",
    "service run": "bulkhead service run main.py --room=myroom",
    "service create": "bulkhead service create greeter.yaml --room myroom",
    "service update": "bulkhead service update greeter.yaml --room myroom",
    "service list": "bulkhead service list --room myroom",
    "service get": "bulkhead service get greeter --room myroom",
    "service delete": "bulkhead service delete greeter --room myroom",
    "service enable": "bulkhead service enable greeter --global",
    "service disable": "bulkhead service disable greeter --global",
    "service restart": "bulkhead service restart greeter --room myroom",
    "service logs": "bulkhead service logs greeter --room myroom --previous",
    "service history": "bulkhead service history greeter --room myroom",
    "service diff": "bulkhead service diff greeter 1 3 --room myroom",
    "service rollback": "bulkhead service rollback greeter 1 --room myroom --dry-run",
    "container ps": "bulkhead container ps --room myroom --all",
    "container run": "bulkhead container run --room myroom python:3.13-slim -- python -c 'print(1)'",
    "container logs": "bulkhead container logs --room myroom -f box-1a2b3c",
    "container exec": "bulkhead container exec --room myroom box-1a2b3c -- sh",
    "container stop": "bulkhead container stop --room myroom box-1a2b3c",
    "images": "bulkhead images --room myroom",
    "apikey create": "bulkhead apikey create ci --description 'for the build'",
    "apikey list": "bulkhead apikey list",
    "apikey delete": "bulkhead apikey delete ci",
    "webhook create": "bulkhead webhook create audit https://example.org/hook --event room.ended",
    "webhook list": "bulkhead webhook list",
    "webhook delete": "bulkhead webhook delete audit",
    "webhook deliveries": "bulkhead webhook deliveries audit",
    "webhook redeliver": "bulkhead webhook redeliver audit",
    "room create": "bulkhead room create myroom",
    "room list": "bulkhead room list",
    "room delete": "bulkhead room delete myroom",
    "room services": "bulkhead room services myroom",
    "deploy": "bulkhead deploy ./greeter --room myroom --secret OPENAI_API_KEY=openai-key",
    "service convert": "bulkhead service convert meshagent.yaml --to 0.24.6",
    "service render": "bulkhead service render meshagent.yaml --value tone=brief",
    "service validate": "bulkhead service validate meshagent.yaml",
    "service spec": "bulkhead service spec main.py --image registry.example/myagent:1",
    "secret set": "bulkhead secret set api-key < key.txt",
    "secret list": "bulkhead secret list",
    "secret delete": "bulkhead secret delete api-key",
    "ps": "bulkhead ps --all -o wide",
    "workers": "bulkhead ps",
    "logs": "bulkhead logs -f s_2JKQXJ82M4TV",
    "crash list": "bulkhead crash list",
    "crash show": "bulkhead crash show s_2JKQXJ82M4TV",
    "crash bundle": "bulkhead crash bundle s_2JKQXJ82M4TV",
    "top": "bulkhead top --room myroom",
    "profile": "bulkhead profile s_2JKQXJ82M4TV --seconds 10 -o flame.svg",
    "stacks": "bulkhead stacks s_2JKQXJ82M4TV",
    "freeze": "bulkhead freeze s_2JKQXJ82M4TV",
    "thaw": "bulkhead thaw s_2JKQXJ82M4TV",
    "attach": "bulkhead attach s_2JKQXJ82M4TV --port 5678",
    "replay": "bulkhead replay s_2JKQXJ82M4TV --pdb",
    "stop": "bulkhead stop --room myroom",
    "usage": "bulkhead usage --by room --since 1h",
    "quarantine list": "bulkhead quarantine list",
    "quarantine release": "bulkhead quarantine release 3f9a1c27",
    "chaos": "bulkhead chaos --target /adder --probe /chat",
    "chat": "bulkhead chat --room myroom --to chatbot",
    "call": "bulkhead call /chat --room myroom",
    "agents list": "bulkhead agents list --room myroom",
    "agents ask": 'bulkhead agents ask -r demo --agent helper --input \'{"task": "sum", "values": [1, 2]}\'',
    "agents invoke-tool": (
        "bulkhead agents invoke-tool -r demo --toolkit adder --tool add --arguments '{\"values\": [1, 2]}'"
    ),
    "bundle install": "bulkhead bundle install agents/ chat",
    "bundle list": "bulkhead bundle list agents/",
    "init": "bulkhead init myagent",
    "node": "bulkhead node agents/ --join TOKEN",
    "engine": "bulkhead engine --host 10.0.0.4",
    "nodes": "bulkhead nodes -o wide",
    "nodes list": "bulkhead nodes list -o wide",
    "nodes drain": "bulkhead nodes drain node1",
    "nodes undrain": "bulkhead nodes undrain node1",
    "nodes token": "bulkhead nodes token --host 10.0.0.5",
    "nodes remove": "bulkhead nodes remove node1",
    "setup": "bulkhead setup --room myroom",
    "config": "bulkhead config -o wide",
    "doctor": "bulkhead doctor --fix",
    "backup": "bulkhead backup bulkhead-backup.tar.gz",
    "restore": "bulkhead restore bulkhead-backup.tar.gz --state-dir restored",
}
"""Command → a line that can be typed."""

_KIND: Final = re.compile(r" <([^<>]+)>")
_KINDS: Final = {
    "str": "TEXT",
    "int": "NUMBER",
    "float": "NUMBER",
    "int range": "NUMBER",
    "float range": "NUMBER",
    "path": "PATH",
    "Path": "PATH",
}


class Command(TyperCommand):
    """A command that explains itself as above."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces = [] if self.options_metavar is None else [self.options_metavar]
        for argument in _parameters(self, ctx, "argument"):
            name = _name(argument)
            pieces.append(name if argument.required else f"[{name}]")
        return pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_parameters(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_example(ctx, formatter)


class Group(TyperGroup):
    """Commands by what they are for, without the 80 ms that rich panels cost."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        _write_parameters(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            section = getattr(command, "rich_help_panel", None)
            title = section if isinstance(section, str) else "Commands"
            sections.setdefault(title, []).append((name, command.get_short_help_str(70)))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        _write_example(ctx, formatter)


def _write_parameters(command: Any, ctx: Any, formatter: Any) -> None:
    for kind, title in (("argument", "Arguments"), ("option", "Options")):
        rows = []
        for parameter in _parameters(command, ctx, kind):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            if kind == "argument":  # whether it is needed, the first line says
                rows.append((_name(parameter), record[1].replace("[required]", "").rstrip()))
            else:
                rows.append((_KIND.sub(_kind, record[0]), record[1]))
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def _write_example(ctx: Any, formatter: Any) -> None:
    example = EXAMPLES.get(ctx.command_path.partition(" ")[2])
    if example is not None:
        with formatter.section("Example"):
            formatter.write(f"  {example}\n")  # as it is: a line that is broken cannot be typed


def _parameters(command: Any, ctx: Any, kind: str) -> list[Any]:
    return [parameter for parameter in command.get_params(ctx) if parameter.param_type_name == kind]


def _name(argument: Any) -> str:
    name = str(argument.metavar or argument.name).upper().strip("_")
    return f"{name}..." if argument.nargs != 1 else name


def _kind(match: re.Match[str]) -> str:
    kind = match[1].removeprefix("list[").removesuffix("]")
    return f" {_KINDS.get(kind, kind)}"
