"""``bulkhead backup`` and ``bulkhead restore``: a state folder as one file, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.options import Config, State
from runtime.cli.terminal import clean, note, say
from runtime.wire.text import size

if TYPE_CHECKING:
    from runtime.front.home.backup import Summary

_PART = ".part"
MOST_TOLD = 50


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it, such as bulkhead-backup.tar.gz.")],
    state_dir: State = None,
    config: Config = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file when it is there.")] = False,
) -> None:
    """Copy the state folder into one file, also while its server runs.

    The file has the journal, crash reports, rooms and the secret that signs tokens: keep it as you keep the
    folder. Environments of bundles are not in it; bundle install makes them again."""
    import sqlite3

    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.cli.state.place import folder_of, settings_of

    folder = folder_of(settings_of(config, state_dir))
    if file.is_dir():
        raise CommandFailed(f"{file} is a folder", cure="Name a file in it.", exit_code=ExitCode.USAGE)
    if file.exists() and not force:
        cure = "Name another, or replace it with --force."
        raise CommandFailed(f"{file} is there already", cure=cure, exit_code=ExitCode.USAGE)
    try:
        made = _write(folder, file)
    except OSError as error:
        what = error.filename if error.filename else file
        raise CommandFailed(
            f"the backup could not be made: {what}: {error.strerror or error}",
            cure="Check the disk, and whether this user may read the folder and write the file.",
        ) from error
    except sqlite3.Error as error:
        cure = f"Look what is wrong with it: bulkhead doctor --state-dir {folder}"
        raise CommandFailed(f"a database in {folder} cannot be copied: {error}", cure=cure) from error
    say(f"{file}: {made.file_count} files, {made.room_count} rooms, {size(made.size_bytes)}")
    for name in made.skipped[:MOST_TOLD]:
        note(f"left out, because it is no regular file that can be read and named: {clean(name)}")
    if len(made.skipped) > MOST_TOLD:
        note(f"and {len(made.skipped) - MOST_TOLD} more")


def restore(
    file: Annotated[Path, typer.Argument(help="What `bulkhead backup` wrote.")],
    state_dir: State = None,
    config: Config = None,
    force: Annotated[
        bool, typer.Option("--force", help="Move the state that is there aside, into before-restore-….")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Read it through and change nothing.")] = False,
) -> None:
    """Put a backup into a state folder that has no state yet.

    It is read to its end and its checksums are compared before anything is touched."""
    import sqlite3
    import time

    from runtime.cli.failure import CommandFailed
    from runtime.cli.state.place import folder_of, settings_of
    from runtime.front.home.restore import restore as put_back
    from runtime.front.home.restore import verify

    if check:
        manifest = verify(file)
        say(f"{file} is whole: made at {clean(manifest.made_at)} by version {clean(manifest.version)}")
        return
    folder = folder_of(settings_of(config, state_dir))
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        done = put_back(file, folder, force=force, stamp=stamp)
    except (OSError, sqlite3.Error) as error:
        about = getattr(error, "strerror", None) or error
        cure = "Check the disk and the owner of the folder."
        raise CommandFailed(f"{folder} cannot be written: {about}", cure=cure) from error
    made_at, count = clean(done.manifest.made_at), len(done.manifest.files)
    say(f"{folder}: {count} files as they were at {made_at}")
    if done.aside is not None:
        note(f"what was there is in {done.aside}")
    note("Environments of bundles are not in a backup: bulkhead bundle install")


def _write(folder: Path, file: Path) -> Summary:
    """Written aside: a backup is there whole, or not at all."""
    import os
    import time

    from runtime.front.home import backup as whole

    part = file.with_name(file.name + _PART)
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as target:
            made = whole.make(folder, target, at=time.time(), snapshot_of=_asked)
            target.flush()
            os.fsync(target.fileno())
        os.replace(part, file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return made


def _asked(folder: Path) -> Path | None:
    """A copy of its databases that the folder's server made; None when it does not answer."""
    from runtime.cli.api import api_of, read_server_file
    from runtime.cli.failure import CommandFailed, ExitCode
    from runtime.front.home import contents

    about = read_server_file(folder)
    if about is None:
        return None
    try:
        told = api_of(about, timeout_s=60.0).post("/snapshot", {}).body["folder"]
    except CommandFailed as error:
        if error.exit_code == ExitCode.NOT_READY:
            return None
        raise
    # By its name alone: in a container the same folder may have another path.
    made = folder / contents.SNAPSHOTS / Path(str(told)).name
    return made if made.is_dir() else None
