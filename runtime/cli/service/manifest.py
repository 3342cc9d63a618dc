"""``bulkhead service validate``, ``render``, ``convert``: manifests looked at, filled in, rewritten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.terminal import Output, clean, note, paint, say, to_json, to_yaml, write

if TYPE_CHECKING:
    from runtime.wire.manifest.problem import Problem

File = Annotated[Path, typer.Argument(help="The manifest, YAML or JSON; - reads standard input.")]
MaybeFile = Annotated[
    Path | None,
    typer.Argument(help="The manifest, YAML or JSON; - reads standard input.", show_default=False),
]
ByOption = Annotated[
    Path | None,
    typer.Option("--file", "-f", help="The same, as MeshAgent's command takes it.", show_default=False),
]
Written = Annotated[Output, typer.Option("--output", "-o", help="yaml or json.")]
Values = Annotated[
    list[str] | None,
    typer.Option("--value", help="NAME=TEXT, for each variable of the template.", show_default=False),
]
ValuesFile = Annotated[
    Path | None,
    typer.Option("--values-file", help="A map of values, YAML or JSON.", show_default=False),
]
_STDIN = "-"
_COLORS = {"error": "red", "warning": "yellow", "note": "cyan"}


def validate(
    file: MaybeFile = None,
    by_option: ByOption = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what is sure, and write a flat manifest in today's form.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="table or json.")] = Output.TABLE,
) -> int:
    """Say what is wrong with a manifest, and what to write.

    By line, column and field. Nothing is sent anywhere."""
    import json

    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.wire.manifest.mending import looked_at, mended

    if output not in (Output.TABLE, Output.JSON):
        told = f"what is wrong with a manifest is not printed as {output}"
        raise CommandFailed(told, cure="Write -o table or -o json.", exit_code=ExitCode.USAGE)
    file = chosen(file, by_option)
    text = text_of(file)
    if fix:
        better, is_anew = mended(text)
        if better != text:
            _replace(file, text, better, is_anew=is_anew)
        text = better
    looked = looked_at(text)
    if output is Output.JSON:
        found = [one.plain() | {"file": str(file)} for one in looked.problems]
        say(
            json.dumps(
                {"valid": looked.manifest is not None, "problems": found}, indent=2, ensure_ascii=False
            )
        )
    else:
        _tell(str(file), looked.problems)
        if looked.manifest is not None:
            say(f"{file}: a {looked.manifest.kind} that can be used")
    return ExitCode.OK if looked.manifest is not None else ExitCode.FAILED


def render(
    file: File, value: Values = None, values_file: ValuesFile = None, output: Written = Output.YAML
) -> None:
    """Fill in a template, and print the service that it becomes."""
    from runtime.cli.failure import CommandFailed
    from runtime.wire.manifest.template import TEMPLATE_TEXT, TEMPLATE_VALUES, is_template, read_template

    text = text_of(file)
    if not is_template(text):
        cure = (
            f'A template has "kind: ServiceTemplate"; bulkhead service validate {file} looks at any manifest.'
        )
        raise CommandFailed(f"{file} is no template: there is nothing to fill in", cure=cure)
    template = read_or_fail(file, text, read_template)
    values = given_values(value, values_file)
    cure = "Give each variable its value: --value NAME=TEXT, or --values-file."
    rendered = read_or_fail(file, values, template.render, cure)
    _tell(str(file), rendered.problems)
    service = dict(rendered.service)
    metadata = dict(service["metadata"])
    left = {
        name: said
        for name, said in metadata.pop("annotations").items()
        if name not in (TEMPLATE_TEXT, TEMPLATE_VALUES)
    }
    service["metadata"] = metadata | ({"annotations": left} if left else {})
    _print(service, output)


def convert(
    file: File,
    to: Annotated[
        str,
        typer.Option(
            "--to", help="Release of MeshAgent that is to read it, such as 0.24.6.", show_default=False
        ),
    ] = "",
    output: Written = Output.YAML,
) -> None:
    """Print a manifest in today's form, or in that of a release.

    What a release does not know is left out, and named."""
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.wire.manifest.manifest import read
    from runtime.wire.manifest.release import NEWEST_KNOWN, known_to, lost_for
    from runtime.wire.manifest.shape import release
    from runtime.wire.manifest.template import is_template, modern, read_template

    if to and not release(to):
        raise CommandFailed(f"{to} is no release", cure="Write it as 0.24.6.", exit_code=ExitCode.USAGE)
    if release(to) > release(NEWEST_KNOWN):
        note(f"{to} is not known here: printed as for {NEWEST_KNOWN}, the newest that is", "yellow")
    text = text_of(file)
    if is_template(text):
        spec = modern(read_or_fail(file, text, read_template))
        if spec is None:
            raise CommandFailed(
                f"{file} is text until it is rendered, because it has {{{{ }}}}",
                cure="Render it first: bulkhead service render FILE --value NAME=TEXT",
            )
    else:
        manifest = read_or_fail(file, text, read)
        _tell(str(file), manifest.problems)
        spec = manifest.spec
    if to:
        for path in lost_for(spec, to):
            note(f"{to} does not know {path}: left out", "yellow")
        spec = known_to(spec, to)
    _print(spec, output)


def read_or_fail(file: Path, given: Any, reading: Callable[[Any], Any], cure: str = "") -> Any:
    """What `reading` makes of what is `given` for a file; what is wrong with it is told, line by line.

    Raises:
        CommandFailed: It cannot be used; `cure` says what to do, unless mending the file is.
    """
    from runtime.cli.failure import CommandFailed
    from runtime.errors import ManifestInvalid

    try:
        return reading(given)
    except ManifestInvalid as error:
        _tell(str(file), error.problems)
        cure = cure or f"Mend what is named above; bulkhead service validate {file} looks again."
        raise CommandFailed(f"{file} cannot be used", cure=cure) from None


def given_values(pairs: Sequence[str] | None, file: Path | None) -> dict[str, str]:
    """The values of a template, those of the command line before those of a file.

    Raises:
        CommandFailed: One is not written as ``NAME=TEXT``, or the file is no map of texts.
    """
    import yaml

    from runtime.cli.failure import CommandFailed, ExitCode

    values: dict[str, str] = {}
    if file is not None:
        try:
            found = yaml.safe_load(text_of(file, "Name a map of values, such as values.yaml."))
        except (yaml.YAMLError, RecursionError) as error:
            told = f"{file} cannot be read: {str(error).splitlines()[0]}"
            raise CommandFailed(told, cure="Write NAME: TEXT lines.", exit_code=ExitCode.USAGE) from None
        if not isinstance(found, dict) or not all(isinstance(one, str) for one in (*found, *found.values())):
            cure = 'Write NAME: TEXT lines; a number in quotes, as "8080".'
            raise CommandFailed(f"{file} is no map of texts", cure=cure, exit_code=ExitCode.USAGE)
        values |= found
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not equals or not name:
            cure = "Write --value NAME=TEXT."
            raise CommandFailed(f"--value {name} has no =", cure=cure, exit_code=ExitCode.USAGE)
        values[name] = text
    return values


def chosen(argument: Path | None, option: Path | None) -> Path:
    """The manifest that is meant, however it was named; raises CommandFailed for none and for two."""
    from runtime.cli.failure import CommandFailed, ExitCode

    if (argument is None) is (option is None):
        told = "which manifest?" if argument is None else "two manifests are named"
        raise CommandFailed(told, cure="Name one, such as meshagent.yaml.", exit_code=ExitCode.USAGE)
    return argument if argument is not None else Path(str(option))


def text_of(file: Path, cure: str = "Name a manifest, such as meshagent.yaml.") -> str:
    """What is in a file, or comes by standard input; raises CommandFailed."""
    import sys

    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.files import plain_file
    from runtime.wire.manifest.document import MAX_BYTES

    most = MAX_BYTES * 4
    try:
        if str(file) == _STDIN:
            raw = sys.stdin.buffer.read(most + 1)[:most]
        else:
            raw = plain_file.read(file, most_bytes=most)
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandFailed(f"{file} is no text in UTF-8", cure="Save it as UTF-8.") from None
    except OSError as error:
        told = f"{file} cannot be read: {error.strerror}"
        raise CommandFailed(told, cure=cure, exit_code=ExitCode.USAGE) from error


def _replace(file: Path, text: str, better: str, *, is_anew: bool) -> None:
    """Write the mended text; a manifest that was written anew leaves the old one beside it."""
    from runtime.cli.failure import CommandFailed, ExitCode

    if str(file) == _STDIN:
        cure = "Name a file, or leave out --fix."
        raise CommandFailed("standard input cannot be mended", cure=cure, exit_code=ExitCode.USAGE)
    try:
        if is_anew:
            aside = file.with_name(f"{file.name}.flat")
            aside.write_text(text, encoding="utf-8")
            note(f"the flat form is kept as {aside}")
        file.write_text(better, encoding="utf-8")
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror}", cure="Check its owner.") from error
    note(f"mended {file}")


def _tell(file: str, problems: Sequence[Problem]) -> None:
    import sys

    for one in problems:
        severity = paint(f"{one.severity:<7}", _COLORS[one.severity], sys.stderr)
        about = f"{one.path}: {one.text}" if one.path else one.text
        write(f"{clean(file)}:{one.line}:{one.column}  {severity}  {clean(about)}\n", sys.stderr)


def _print(spec: Any, output: Output) -> None:
    say(to_json(spec, indent=2) if output is Output.JSON else to_yaml(spec))
