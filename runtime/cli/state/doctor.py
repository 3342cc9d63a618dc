"""``bulkhead doctor``: whether a state folder, and the machine it is on, are what a server needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.options import Config, Form, State
from runtime.cli.terminal import Output, clean, note, paint, say, show

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runtime.front.home.finding import Finding
    from runtime.settings import Settings

_COLORS = {"ok": "green", "note": "yellow", "wrong": "red", "mended": "green"}


def doctor(
    state_dir: State = None,
    config: Config = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without loss.")] = False,
    new_secret: Annotated[
        bool,
        typer.Option("--new-secret", help="Make a new secret of the rooms; tokens from before are void."),
    ] = False,
    output: Form = Output.TABLE,
) -> int:
    """Say what is wrong with the state folder and the machine.

    Each with what to do about it. Ends with status 1 when something is wrong. --fix closes what is open to
    others, moves rows that cannot be read into damaged-rows.jsonl and removes what was left half written; not
    while a server runs."""
    from runtime.cli.failure import ExitCode
    from runtime.cli.state.place import folder_of, settings_of
    from runtime.front.home import contents
    from runtime.front.home.finding import State as Is

    settings = settings_of(config, state_dir)
    folder = folder_of(settings)
    if fix or new_secret:
        _refuse_while_in_use(folder)
    if new_secret:
        _renew(folder)
    items: list[dict[str, Any]] = []
    for one in _findings(folder, settings):
        item = {"check": one.check, "state": one.state.value, "about": one.about, "cure": one.cure}
        if fix and one.mend is not None:
            item |= _mended(one)
        items.append(item)
    broken = [item for item in items if item["state"] == Is.WRONG]
    if output is Output.TABLE:
        for item in items:
            say(f"{paint(item['state'].ljust(6), _COLORS[item['state']])} {clean(item['about'])}")
            if item["cure"] and item["state"] != Is.OK:
                say(f"       {clean(item['cure'])}")
        note(f"{len(broken)} wrong, {len(items)} looked at" if broken else "nothing is wrong")
    else:
        columns = {"wide": ("check", "state", "about", "cure")}
        say(show(items, output, name="check", columns=columns))
    if not any(contents.is_state(unit) for unit in contents.units(folder)) and output is Output.TABLE:
        note(f"{folder} has no state yet")
    return ExitCode.FAILED if broken else ExitCode.OK


def _findings(folder: Path, settings: Settings) -> Iterator[Finding]:
    from runtime.front.home import contents, examination, machine
    from runtime.front.home.finding import ok

    above = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    if folder.is_dir():
        for unit in contents.units(folder):
            yield from examination.examine(
                unit,
                has_own_secret=bool(settings.server.room_secret),
                wanted=lambda: _wanted(settings, folder),
            )
    else:
        yield ok("folder", f"there is no {folder} yet: a server makes it")
    yield from machine.disk(above)
    yield from machine.files(settings.supervisor.max_sessions)
    yield from machine.watches()
    yield from machine.kernel()


def _mended(one: Finding) -> dict[str, str]:
    import sqlite3

    from runtime.errors import RuntimeServiceError

    assert one.mend is not None
    try:
        return {"state": "mended", "about": one.mend(), "cure": ""}
    except (OSError, sqlite3.Error, RuntimeServiceError) as error:
        return {"state": "wrong", "cure": f"It could not be mended: {error}. {one.cure}"}


def _refuse_while_in_use(folder: Path) -> None:
    from runtime.cli.failure import CommandFailed
    from runtime.front.home import contents, databases

    for unit in contents.units(folder) if folder.is_dir() else ():
        if databases.is_in_use(unit / contents.JOURNAL):
            raise CommandFailed(
                f"a server uses {unit}, so nothing was changed", cure="Stop it first, or leave out --fix."
            )


def _renew(folder: Path) -> None:
    from runtime.cli.failure import CommandFailed
    from runtime.front.home import contents
    from runtime.rooms.signing.kept_secret import renew_secret

    path = folder / contents.ROOMS / "secret"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        renew_secret(path)
    except OSError as error:
        cure = "Check the folder's owner and its disk."
        raise CommandFailed(f"{path} cannot be written: {error.strerror}", cure=cure) from error
    note(f"made a new secret of the rooms; tokens that were made before are void ({path})")


def _wanted(settings: Settings, folder: Path) -> set[str]:
    """The names of the environments that the project's bundles ask for."""
    from runtime.errors import BundleError
    from runtime.front.home import contents
    from runtime.supervisor.bundles.discovery import bundles_in
    from runtime.supervisor.bundles.environment import environment_of

    agents, names = settings.server.agents_dir, set[str]()
    for name, source in bundles_in([agents.resolve()]).items() if agents.is_dir() else ():
        try:
            found = environment_of(name, source, folder / contents.ENVIRONMENTS)
        except BundleError:
            continue
        if found is not None:
            names.add(found.folder.name)
    return names
