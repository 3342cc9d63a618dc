"""Attacks on files: the server's, its user's, those of siblings and of other bundles."""

from __future__ import annotations

import glob
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from runtime.confinement.level import Level
from runtime.confinement.refusal import FILES_LIST, FILES_READ, FILES_WRITE
from runtime.worker.chaos import look
from runtime.worker.chaos.attack import Catalogue, NotHere, Targets

reading = Catalogue(FILES_READ)
writing = Catalogue(FILES_WRITE)

_NAME = f"{look.PLANTED}-{os.getpid()}"


def _state(at: Targets) -> str:
    return at.state_dir


def _outside(at: Targets) -> str:
    return at.outside


def _known(path: str, what: str) -> str:
    if not path:
        raise NotHere(what)
    return path


def _other(at: Targets) -> str:
    return _known(look.program_of(at.other_code), "no other bundle is served")


def _other_folder(at: Targets) -> str:
    return os.path.dirname(look.program_of(at.other_code))


def _own_folder(at: Targets) -> str:
    return os.path.dirname(look.program_of(at.own_code))


def _folders_of_others(at: Targets) -> list[str]:
    own = os.path.realpath(tempfile.gettempdir())
    found = [path for path in at.folders if os.path.realpath(path) != own]
    if not found:
        raise NotHere("sessions have no private folders")
    return found


def _names_in_folders(at: Targets) -> list[str]:
    return [path for folder in at.folders for path in glob.glob(f"{folder}/{look.PLANTED}*")]


def _ours(path: str) -> str:
    """A path that only confinement keeps from being written; modes are seen through it."""
    if not os.access(path, os.W_OK):
        raise NotHere("it is read-only, or another user's, anyway")
    return path


def _plant(folder: str) -> None:
    descriptor = os.open(os.path.join(folder, _NAME), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(descriptor, b"planted")
    os.close(descriptor)


def _begin_anew(path: str) -> None:
    """Write the first byte that is there already: seen by the time of the file, and harmless."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, os.pread(descriptor, 1, 0) or b"\n", 0)
    finally:
        os.close(descriptor)


@contextmanager
def _scratch() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix=look.PLANTED) as folder:
        yield folder


# ---- reading


@reading.add("read-key", "the operator's key in the state folder")
def read_key(at: Targets) -> str:
    return Path(at.state_dir, "server.json").read_text()[:10]


@reading.add("read-state", "a file of the state folder", proof=lambda at: look.bait_content(at))
def read_state(at: Targets) -> str:
    return Path(at.state_bait).read_text()


@reading.add("list-state", "what lies in the state folder", rule=FILES_LIST)
def list_state(at: Targets) -> str:
    return ", ".join(os.listdir(at.state_dir))[:80]


@reading.add("read-journal", "the journal of calls, or another database of the state folder")
def read_journal(at: Targets) -> str:
    found = [path for path in Path(at.state_dir).rglob("*") if path.suffix in (".db", ".sqlite", ".sqlite3")]
    if not found:
        os.listdir(at.state_dir)  # says why nothing was found
        raise NotHere("the state folder has no database yet")
    return found[0].open("rb").read(15).decode(errors="replace")


@reading.add("link-to-state", "the state folder through a link of our own")
def link_to_state(at: Targets) -> str:
    with _scratch() as folder:
        os.symlink(at.state_bait, os.path.join(folder, "link"))
        return Path(folder, "link").read_text()


@reading.add("hard-link-state", "a second name for a file of the state folder")
def hard_link_state(at: Targets) -> str:
    with _scratch() as folder:
        try:
            os.link(at.state_bait, os.path.join(folder, "link"))
        except OSError as error:
            if error.errno == 18:  # another file system, where nobody may link: beside it, then
                os.link(at.state_bait, at.state_bait + ".link")
                os.unlink(at.state_bait + ".link")
                return "linked"
            raise
        return Path(folder, "link").read_text()


@reading.add("open-by-handle", "a file of the state folder by what the kernel calls it", silent=True)
def open_by_handle(at: Targets) -> str:
    descriptor = os.open(at.state_bait, os.O_PATH | os.O_CLOEXEC)  # asks for no right
    try:
        return Path(f"/proc/self/fd/{descriptor}").read_text()
    finally:
        os.close(descriptor)


@reading.add("read-outside", "a file of the server's user that is no session's business")
def read_outside(at: Targets) -> str:
    return Path(at.outside, "bait").read_text()


@reading.add("read-folder", "the private folders of other sessions", rule=FILES_LIST)
def read_folder(at: Targets) -> str | None:
    return str(len(_first(os.listdir, _folders_of_others(at)))) + " names"


@reading.add("read-other-code", "the program of another bundle")
def read_other_code(at: Targets) -> str:
    return Path(_other(at)).read_text()[:40]


@reading.add("read-other-keys", "the .env of another bundle")
def read_other_keys(at: Targets) -> str:
    path = Path(_other(at))
    names = [path.with_suffix(".env"), path.parent / ".env"]
    found = [one for one in names if os.path.exists(one)]
    if not found:
        raise NotHere("the other bundle has no .env")
    return found[0].read_text()[:10] or "nothing in it"


@reading.add("read-passwords", "/etc/shadow", as_root=True)
def read_passwords(at: Targets) -> str:
    return Path("/etc/shadow").read_text()[:8]


# ---- writing


@writing.add(
    "write-state",
    "write to a file of the state folder",
    seen=look.bait_content,
    undo=lambda at, before: _write_back(at.state_bait, before),
)
def write_state(at: Targets) -> None:
    with open(at.state_bait, "a") as file:
        file.write("+")


@writing.add(
    "truncate-state",
    "empty a file of the state folder",
    seen=look.bait_content,
    undo=lambda at, before: _write_back(at.state_bait, before),
)
def truncate_state(at: Targets) -> None:
    os.truncate(at.state_bait, 1)


@writing.add(
    "create-in-state", "make a file in the state folder", seen=look.names_in(_state), undo=look.clear(_state)
)
def create_in_state(at: Targets) -> None:
    _plant(at.state_dir)


@writing.add(
    "socket-in-state",
    "make a socket in the state folder",
    seen=look.names_in(_state),
    undo=look.clear(_state),
    silent=True,
)
def socket_in_state(at: Targets) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.join(at.state_dir, _NAME))


@writing.add(
    "rename-state",
    "rename a file of the state folder",
    seen=look.bait_content,
    undo=lambda at, before: os.rename(at.state_bait + ".gone", at.state_bait),
)
def rename_state(at: Targets) -> None:
    os.rename(at.state_bait, at.state_bait + ".gone")


@writing.add(
    "remove-state",
    "remove a file of the state folder",
    seen=look.bait_content,
    undo=lambda at, before: _write_back(at.state_bait, before),
)
def remove_state(at: Targets) -> None:
    os.unlink(at.state_bait)


@writing.add(
    "write-folder",
    "make a file in the private folders of other sessions",
    seen=_names_in_folders,
)
def write_folder(at: Targets) -> None:
    _first(_plant, _folders_of_others(at))


@writing.add("write-own-code", "change the program that siblings run", seen=look.written_at("own_code"))
def write_own_code(at: Targets) -> None:
    _begin_anew(_ours(_known(look.program_of(at.own_code), "its program is not known")))


@writing.add(
    "plant-own-code",
    "put a module beside the program",
    seen=look.names_in(_own_folder),
    undo=look.clear(_own_folder),
)
def plant_own_code(at: Targets) -> None:
    _plant(_ours(_known(_own_folder(at), "its program is not known")))


@writing.add("write-other-code", "change the program of another bundle", seen=look.written_at("other_code"))
def write_other_code(at: Targets) -> None:
    _begin_anew(_ours(_other(at)))


@writing.add(
    "write-interpreter",
    "put a module where every program finds it",
    seen=look.names_in(lambda at: _site(at)),
    undo=look.clear(lambda at: _site(at)),
)
def write_interpreter(at: Targets) -> None:
    _plant(_ours(_site(at)))


@writing.add(
    "other-terminal",
    "write to the terminal of the operator",
    level=Level.STRICT,
    seen=look.reached("terminal"),
)
def other_terminal(at: Targets) -> None:
    with open(_known(at.terminal, "the onlooker could not have one"), "w") as terminal:
        terminal.write("?")


@writing.add("write-outside", "make a file outside", seen=look.names_in(_outside), undo=look.clear(_outside))
def write_outside(at: Targets) -> None:
    _plant(at.outside)


@writing.add(
    "fill-tmp",
    "fill the /tmp that all share",
    seen=look.names_in(lambda at: "/tmp"),
    undo=look.clear(lambda at: "/tmp"),
)
def fill_tmp(at: Targets) -> None:
    _plant("/tmp")


@writing.add("write-core-pattern", "have the kernel run a program of ours as root", as_root=True)
def write_core_pattern(at: Targets) -> str:
    return _opened("/proc/sys/kernel/core_pattern")


@writing.add("leave-group", "leave the control group that limits the session", as_root=True)
def leave_group(at: Targets) -> str:
    return _opened("/sys/fs/cgroup/cgroup.procs")


T = TypeVar("T")


def _first(work: Callable[[str], T], paths: Iterable[str]) -> T:
    """What came of the first of them that it could be done with; else raises what it raised last."""
    refused: OSError | None = None
    for path in paths:
        try:
            return work(path)
        except OSError as error:
            refused = error
    assert refused is not None
    raise refused


def _opened(path: str) -> str:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
    except FileNotFoundError as error:
        raise NotHere(f"there is no {path}") from error
    except OSError as error:
        if error.errno == 30:
            raise NotHere(f"{path} is on a file system that nobody may write") from error
        raise
    return "opened"


def _write_back(path: str, text: Any) -> None:
    if isinstance(text, str) and text != look.GONE:
        with open(path, "w") as file:
            file.write(text)


def _site(at: Targets) -> str:
    return os.path.join(
        sys.prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages"
    )
