"""Looking through a state folder: whose it is, who uses it, its databases, secrets, and what nobody needs.

Nothing is changed by looking, but for what SQLite does with the log of a database that it opens.  What can be
put right without loss brings along how (`Finding.mend`), which may be called while no server has the folder.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from runtime.errors import ConfigError
from runtime.files.kept_file import ASIDE
from runtime.front.home import contents, databases
from runtime.front.home.finding import Finding, note, ok, wrong
from runtime.front.home.sealing_key import read_seal
from runtime.front.home.state_folder import shut, whose
from runtime.rooms.signing.kept_secret import read_secret
from runtime.session.journal.file import lost_log
from runtime.wire.room_name import is_room_name, room_folder_name

MAX_NAMED: Final = 3
_RESTORE: Final = "Restore a backup (bulkhead restore)"


def examine(folder: Path, *, has_own_secret: bool, wanted: Callable[[], set[str]]) -> Iterator[Finding]:
    """Everything about one state folder, in the order in which a server would stumble over it.

    Args:
        has_own_secret: The secret of rooms is a setting, so that of the folder is not used.
        wanted: The names of the environments that bundles ask for.
    """
    yield from rights(folder)
    in_use = databases.is_in_use(folder / contents.JOURNAL)
    yield from usage(folder, in_use=in_use)
    for name in contents.DATABASES:
        if in_use:
            yield note("database", f"{name} is with the server, whose /readyz tells of it", "")
        else:
            yield from database(folder / name)
    if not has_own_secret:
        yield from secret(folder / contents.ROOMS / "secret", has_rooms=_has_rooms(folder))
    yield from seal_key(folder / contents.SEAL_KEY)
    yield from browser_sessions(folder / contents.BROWSER_SESSIONS)
    yield from rooms(folder / contents.ROOMS / "data")
    if not in_use:
        yield from room_databases(folder / contents.ROOMS / "data")
    yield from environments(folder / contents.ENVIRONMENTS, wanted)
    if not in_use:
        yield from leftovers(folder)


def rights(folder: Path) -> Iterator[Finding]:
    """Whose it is, and who else may read it."""
    mine, foreign, readable = os.geteuid(), list[Path](), list[Path]()
    for path in (folder, *contents.kept(folder)):
        with suppress(FileNotFoundError):
            found = path.lstat()
            if found.st_uid != mine:
                foreign.append(path)
            elif contents.is_open(found) and not path.is_symlink() and path.name != contents.ENVIRONMENTS:
                readable.append(path)
    if foreign:
        about = f"{_named(folder, foreign)} belong to another user than {whose()}"
        command = shlex.join(["chown", "-R", whose(), str(folder)])
        yield wrong("owner", about, f"Run this as that user, or give it to this one: {command}")
    if readable and (folder in readable and len(readable) == 1) and _is_shared(folder):
        yield note("rights", f"{folder} is open to others, who see names and nothing that is kept in it")
    elif readable:

        def close() -> str:
            for path in readable:
                shut(path)
            return f"closed to others: {_named(folder, readable)}"

        about = f"others may read or write {_named(folder, readable)}"
        yield wrong("rights", about, "Close it: bulkhead doctor --fix.", close)
    if not foreign and not readable:
        yield ok("rights", f"{folder} is this user's, and closed to others")


def usage(folder: Path, *, in_use: bool) -> Iterator[Finding]:
    """Whether a server runs on it, and what one that died left."""
    file = folder / contents.SERVER
    try:
        told = json.loads(file.read_text())
        url = str(told["url"])
    except FileNotFoundError:
        url = ""
    except (OSError, ValueError, KeyError, TypeError):
        url = "an unreadable address"
    if in_use:
        yield ok("server", f"a server uses it{f', at {url}' if url else ''}")
    elif url:

        def remove() -> str:
            file.unlink(missing_ok=True)
            return f"removed {contents.SERVER}"

        about = f"{contents.SERVER} tells of a server at {url} that does not run any more"
        yield note("server", about, "The next server writes its own.", remove)
    else:
        yield ok("server", "no server uses it")


def database(path: Path) -> Iterator[Finding]:
    """Pages, schema and rows of one file."""
    name, folder = path.name, path.parent
    log = path.with_name(f"{name}-wal")
    if name == contents.JOURNAL and lost_log(path).exists():
        about = f"{lost_log(path).name} is what is left of a journal that was emptied or removed"
        yield note("database", about, f"{_RESTORE}, or remove it.")
    if not path.exists() or not path.stat().st_size:
        if log.exists() and log.stat().st_size:
            about = f"{name} is {'empty' if path.exists() else 'gone'}, and its log is there"
            cure = f"{_RESTORE}; a server that is started keeps the log aside and begins a new one."
            yield wrong("database", about, cure)
        elif path.exists():
            cure = f"{_RESTORE}; a server that is started makes it anew."
            yield wrong("database", f"{name} is empty", cure)
        else:
            yield ok("database", f"there is no {name} yet")
        return
    away = shlex.join(["mv", str(path), f"{path}.damaged"])
    try:
        with databases.opened(path) as db:
            found = list(_inside(db, path, away))
    except databases.InUse as error:
        found = [note("database", error.message, error.cure)]
    except sqlite3.Error as error:
        if "readonly" in str(error) or "unable to open" in str(error):
            found = [wrong("database", f"{name} cannot be written: {error}", f"Give {folder} to {whose()}.")]
        else:
            cure = f"{_RESTORE}, or start with an empty one: {away}"
            found = [wrong("database", f"{name} is damaged: {error}", cure)]
    yield from found


def _inside(db: sqlite3.Connection, path: Path, away: str) -> Iterator[Finding]:
    name, version = path.name, databases.version_of(db)
    newest = databases.VERSIONS[name]
    if version > newest:
        about = f"{name} was written by a newer version (schema {version}, this one knows {newest})"
        yield wrong("database", about, "Use the newer version, or another state folder.")
        return
    if complaints := databases.complaints(db):
        cure = f"{_RESTORE}, or start with an empty one: {away}"
        yield wrong("database", f"{name} is damaged: {'; '.join(complaints)[:300]}", cure)
        return
    bad = databases.bad_rows(db, name)
    for table in dict.fromkeys(row.table.name for row in bad):
        named = [row for row in bad if row.table.name == table]
        listed = ", ".join(row.name for row in named[:MAX_NAMED])
        about = f"{len(named)} rows of {table} in {name} cannot be read: {listed}: {named[0].error}"
        cure = f"They are left out. `--fix` moves them into {contents.DAMAGED_ROWS}."
        yield wrong("rows", about, cure, _moves(path, named))
    if not bad:
        old = "" if version == newest else f", of schema {version}, which the next start brings up to date"
        yield ok("database", f"{name} is whole, and so are its rows{old}")


def _moves(path: Path, bad: list[databases.BadRow]) -> Callable[[], str]:
    def move() -> str:
        with databases.opened(path) as db:
            target = databases.move_out(db, bad, path.parent, path.name)
        return f"moved {len(bad)} rows of {bad[0].table.name} into {target.name}"

    return move


def secret(path: Path, *, has_rooms: bool) -> Iterator[Finding]:
    """What signs the tokens of rooms."""
    try:
        read_secret(path)
        yield ok("secret", "the secret of the rooms is there")
    except FileNotFoundError:
        if has_rooms:
            cure = "The next start makes a new one, with which tokens from before are void."
            yield note("secret", f"there are rooms and no {path}", cure)
        else:
            yield ok("secret", "there is no secret yet")
    except ConfigError as error:
        yield wrong("secret", error.message, error.cure)
    except OSError as error:
        yield wrong("secret", f"{path} cannot be read: {error.strerror}", f"Give it to {whose()}.")


def seal_key(path: Path) -> Iterator[Finding]:
    """What seals the secrets that are kept here."""
    try:
        read_seal(path)
        yield ok("secret", "the key that seals secrets is there")
    except FileNotFoundError:
        return  # made with the first secret
    except ConfigError as error:
        yield wrong("secret", error.message, error.cure)
    except OSError as error:
        yield wrong("secret", f"{path} cannot be read: {error.strerror}", f"Give it to {whose()}.")


def browser_sessions(path: Path) -> Iterator[Finding]:
    """The browsers that may use Studio."""
    try:
        if not isinstance(json.loads(path.read_text()), dict):
            raise ValueError("it is no JSON object")
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:

        def aside() -> str:
            path.replace(path.with_suffix(".damaged"))
            return f"moved {path.name} aside"

        about = f"{path.name} cannot be read: {error}"
        yield wrong("secret", about, "Browsers need a new link: bulkhead studio.", aside)


def rooms(data: Path) -> Iterator[Finding]:
    """Folders of rooms that no room has."""
    if not data.is_dir():
        return
    names = sorted(entry.name for entry in data.iterdir())
    strange = [name for name in names if not _is_rooms(data / name)]
    if strange:
        about = f"no room has {_listed(strange)} in {data}"
        yield wrong("rooms", about, "Look what it is, and move it out of there.")
    else:
        yield ok("rooms", "1 room is kept" if len(names) == 1 else f"{len(names)} rooms are kept")


def room_databases(data: Path) -> Iterator[Finding]:
    """The tables and memories of rooms: pages only, for they may be large."""
    whole = 0
    for path in sorted(data.glob(f"*/{contents.TABLES}/*.sqlite3")):
        name = f"{contents.TABLES}/{path.name} of room {unquote(path.parent.parent.name)}"
        cure = f"{_RESTORE}, or begin an empty one: {shlex.join(['mv', str(path), f'{path}.damaged'])}"
        try:
            if path.is_symlink():
                yield wrong("tables", f"{name} is a link", f"Put the file in its place: {path}")
                continue
            with databases.opened(path) as db:
                told = "; ".join(databases.complaints(db, quick=True))
        except databases.InUse:
            yield note("tables", f"{name} is in use, and was not looked at")
            continue
        except sqlite3.Error as error:
            told = str(error)
            if "readonly" in told or "unable to open" in told:
                yield wrong("tables", f"{name} cannot be opened: {told}", f"Give {path} to {whose()}.")
                continue
        if told:
            yield wrong("tables", f"{name} is damaged: {told[:300]}", cure)
        else:
            whole += 1
    if whole:
        yield ok("tables", f"{whole} databases of rooms are whole")


def environments(folder: Path, wanted: Callable[[], set[str]]) -> Iterator[Finding]:
    """Environments of bundles that are gone."""
    try:
        names = {one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")}
    except OSError:
        return
    if left := sorted(names - wanted()):
        paths = shlex.join(str(folder / name) for name in left)
        about = f"no bundle of this project asks for {_listed(left)} in {folder}"
        yield note("environments", about, f"If none of another does either: rm -r {paths}")
    elif names:
        yield ok("environments", f"{len(names)} environments, each of a bundle")


def leftovers(folder: Path) -> Iterator[Finding]:
    """Files that somebody who died was writing, or copied for a backup."""
    left = [path for path in folder.iterdir() if path.name.endswith(ASIDE) and path.is_file()]
    left += list(folder.glob(f"{contents.RESTORING}*"))
    left += [path for path in (folder / contents.ROOMS).glob(f"*{ASIDE}") if path.is_file()]
    if (folder / contents.SNAPSHOTS).is_dir():
        left += list((folder / contents.SNAPSHOTS).iterdir())
    for path in sorted(folder.glob(f"{contents.BEFORE}*")):
        cure = f"When it is not needed any more: {shlex.join(['rm', '-r', str(path)])}"
        yield note("leftovers", f"{path.name} is what was here before a restore", cure)
    if not left:
        return

    def remove() -> str:
        for path in left:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        return f"removed {_named(folder, left)}"

    about = f"{_named(folder, left)} was left by who did not end well, or by a backup"
    yield note("leftovers", about, "`--fix` removes it.", remove)


def _is_rooms(path: Path) -> bool:
    name = unquote(path.name)
    return path.is_dir() and is_room_name(name) and room_folder_name(name) == path.name


def _has_rooms(folder: Path) -> bool:
    data = folder / contents.ROOMS / "data"
    return data.is_dir() and any(data.iterdir())


def _is_shared(folder: Path) -> bool:
    return any(not contents.is_known(name) for name in os.listdir(folder))


def _named(folder: Path, paths: list[Path]) -> str:
    return _listed([str(path.relative_to(folder)) if path != folder else str(folder) for path in paths])


def _listed(names: list[Any]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(map(str, names[:MAX_NAMED])) + more
