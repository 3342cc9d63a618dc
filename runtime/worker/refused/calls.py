"""Calls that the confinement of this process refuses, seen before they are made.

Theory: the kernel refuses, and says no more than EACCES; an agent may swallow even that.  An audit hook sees
each call before it is made, and asks the lists of what was granted.  It is advice and holds nobody back: a
session that tears it out is refused the same things, and nobody hears of it.  What is granted costs a look
into a dict of folders; only what is not is looked up on the disk, so that nothing is told which did not
happen: a link that leads to a granted place, a file that is not there, one that its owner closed.

A link at the end of a path, in a folder that is granted, is not followed here; it is where an exception came
of it (`runtime.worker.refused.causes`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from runtime.confinement.paths import is_below
from runtime.confinement.policy import Policy
from runtime.confinement.reach import Reach
from runtime.confinement.refusal import (
    FILES_LIST,
    FILES_READ,
    FILES_WRITE,
    NETWORK_CONNECT,
    NETWORK_SOCKET,
    PROCESSES_LIMIT,
    PROCESSES_LOOK,
    PROCESSES_SIGNAL,
    Refusal,
)
from runtime.worker.refused.account import Account
from runtime.worker.refused.kin import Kin

_MOST_FOLDERS: Final = 4096
_NOWHERE: Final = "\0"

_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_FAMILIES: Final = {1: "AF_UNIX", 2: "AF_INET", 10: "AF_INET6", 16: "AF_NETLINK"}
_STREAM: Final = 1
_MPTCP: Final = 262
_INET: Final = (2, 10)
_SPECIAL: Final = ("/proc/self/fd/", "/proc/thread-self/fd/", "/dev/fd/", "/dev/std")
_COMPILED: Final = re.compile(r"/__pycache__(?:/[^/]+\.pyc\.[0-9]+)?$")
"""What an import keeps of its own accord, and does without where it may not: nobody asked for that."""
_OF_PROCESS: Final = re.compile(r"/proc/([0-9]+)(?:/.*)?")
_PRIVATE_OF_PROCESS: Final = re.compile(
    r"/proc/([0-9]+)/(?:task/[0-9]+/)?(?:environ|mem|maps|smaps|smaps_rollup|auxv|stack|syscall|pagemap|io|"
    r"fd|fdinfo|map_files|ns|cwd|root|exe|personality|timers|numa_maps|clear_refs)(?:/.*)?"
)


class Calls:
    """Runs in: whatever thread makes a call.

    Args:
        reach: All that is granted.
        holds_signals: The kernel keeps signals within a session.
        has_filter: There is a filter of system calls.
        sees_others: What /proc says of other processes may be read, as far as it is for everybody.
        home: The server's, in whose place a session has its own folder; empty: it is not told of.
        own: The private folder of this process.

    Attributes:
        policy: What this session may reach.
        own: Its private folder, which is granted as well; empty when it has none.
        account: What was refused.
        databases: What SQLite may say later that it cannot be written; not told as long as it does not.
        handlers: By event, what sees it.
        hook: Sees each audited call before it is made; raises nothing.
    """

    def __init__(
        self,
        reach: Reach,
        policy: Policy,
        *,
        holds_signals: bool = True,
        has_filter: bool = True,
        sees_others: bool = True,
        home: str = "",
        own: str = "",
    ) -> None:
        self._reach = reach
        self._holds_signals, self._has_filter = holds_signals, has_filter
        self.policy = policy
        self._sees_others = sees_others
        self.own = own
        self.account = Account()
        self.databases = Account()
        self._kin = Kin(sees_others=sees_others)
        self._home, self._dotted = home, _NOWHERE
        self._folders: dict[str, tuple[bool, bool]] = {}
        handlers: dict[str, Callable[..., None]] = {
            "open": self._opens,
            "os.listdir": self._lists,
            "os.scandir": self._lists,
            "os.mkdir": self._makes,
            "os.remove": self._removes,
            "os.rmdir": self._removes,
            "os.rename": self._renames,
            "os.link": self._links,
            "os.symlink": self._links,
            "os.truncate": self._truncates,
            "os.chdir": self._moves,
            "os.fchdir": self._moves,
            "sqlite3.connect": self._opens_database,
            "ctypes.dlopen": self._runs,
            "os.exec": self._runs,
            "os.posix_spawn": self._runs,
            "subprocess.Popen": self._runs,
        }
        if holds_signals:
            handlers |= {"os.kill": self._signals, "os.killpg": self._signals}
        if has_filter:
            handlers |= {
                "resource.prlimit": self._limits,
                "socket.__new__": self._makes_socket,
                "socket.bind": self._binds,
                "socket.connect": self._connects,
            }
        self.handlers = handlers
        self.hook = hook_of(handlers)

    def again(self) -> Calls:
        """Another one of the same; what is made anew lies together, where a fork copies few pages."""
        return Calls(
            self._reach,
            self.policy,
            holds_signals=self._holds_signals,
            has_filter=self._has_filter,
            sees_others=self._sees_others,
            home=self._home,
            own=self.own,
        )

    def narrow(self, reach: Reach, *, sees_others: bool) -> None:
        """Be those of a process that may use no more than this from now on."""
        self._reach, self._sees_others = reach, sees_others
        self._kin = Kin(sees_others=sees_others)
        self._folders.clear()

    def begin(self, own: str) -> None:
        """Be the calls of this process, which was forked and has a private folder of its own."""
        self._kin.begin()
        self.own = own
        self._dotted = f"{own}/." if own and self._home else _NOWHERE
        self.account.begin()
        self.databases.begin()

    def may_read(self, real: str) -> bool:
        """Whether a file may be read, whose path has no links in it."""
        return self._reach.may_read(real) or self._is_private(real)

    def may_write(self, real: str) -> bool:
        """Whether a file may be written, or something made in a folder."""
        return self._reach.may_write(real) or self._is_private(real)

    def _may_list(self, real: str) -> bool:
        return self._reach.may_list(real) or self._is_private(real)

    def _is_private(self, real: str) -> bool:
        if self.own != "" and is_below(real, self.own):
            return True
        return not self._sees_others and is_below(real, f"/proc/{self._kin.pid}")

    def _opens(self, path: Any, mode: Any, flags: int) -> None:
        folder = path.rpartition("/")[0] if type(path) is str else None
        known = self._folders.get(folder) if folder is not None else None
        writes = flags & _WRITES
        if known is not None and known[1 if writes else 0]:
            if path.startswith(self._dotted) and not writes and (missed := self.left_at_home(path)):
                self.account.note(missed.rule, missed.what)
            return
        if self._reach.names(path, writes):
            return
        text = text_of(path)
        if not text or text.startswith(_SPECIAL):
            return
        if mode is None and writes and not text.startswith("/"):
            return  # `os.open` may have been given a folder that it is relative to
        real = os.path.realpath(text)
        self._know(text)
        if writes:
            self._wants_to_write(real, makes=bool(flags & os.O_CREAT))
        elif (missed := self.left_at_home(real)) is not None:
            self.account.note(missed.rule, missed.what)
        elif not flags & os.O_PATH:
            self._wants_to_read(real)

    def left_at_home(self, path: str) -> Refusal | None:
        """What a program looks for in its own folder, which is its home, and the server's home has."""
        if not path.startswith(self._dotted) or os.path.lexists(path):
            return None
        theirs = f"{self._home}{path[len(self.own) :]}"
        return Refusal(FILES_READ, theirs) if os.path.lexists(theirs) else None

    def _know(self, path: str) -> None:
        """Note whether what is in this path's folder may be read, and written."""
        if len(self._folders) >= _MOST_FOLDERS:
            self._folders.clear()
        folder = path.rpartition("/")[0]
        real = os.path.realpath(folder or ("/" if path.startswith("/") else "."))
        if not real.startswith("/proc/"):  # there it depends on whose process it is
            self._folders[folder] = self.may_read(real), self.may_write(real)

    def _wants_to_read(self, real: str) -> None:
        if (look := self.look(real)) is not None:
            self.account.note(look.rule, look.what)
        elif not self.may_read(real) and os.access(real, os.R_OK):
            if not os.path.isdir(real):
                self.account.note(FILES_READ, real)
            elif not self._may_list(real):
                self.account.note(FILES_LIST, real)

    def _wants_to_write(self, real: str, *, makes: bool) -> None:
        if self.may_write(real) or _COMPILED.search(real):
            return
        if os.path.lexists(real):
            is_refused = os.access(real, os.W_OK) and not os.path.isdir(real)
        else:
            is_refused = makes and os.access(os.path.dirname(real), os.W_OK | os.X_OK)
        if is_refused:
            self.account.note(FILES_WRITE, real)

    def look(self, real: str) -> Refusal | None:
        """What belongs to another process, and its user alone."""
        if not real.startswith("/proc"):
            return None
        if not self._sees_others and real == "/proc":
            return Refusal(PROCESSES_LOOK, real)
        found = (_PRIVATE_OF_PROCESS if self._sees_others else _OF_PROCESS).fullmatch(real)
        return Refusal(PROCESSES_LOOK, real) if found and self._kin.has_another(int(found[1])) else None

    def _lists(self, path: Any) -> None:
        text = "." if path is None else text_of(path)
        if not text:
            return
        real = os.path.realpath(text)
        if not self._sees_others and (look := self.look(real)) is not None:
            self.account.note(look.rule, look.what)
        elif not self._may_list(real) and os.path.isdir(real) and os.access(real, os.R_OK):
            self.account.note(FILES_LIST, real)

    def _makes(self, path: Any, mode: Any = None, dir_fd: int = -1) -> None:
        if (real := _entry(path, dir_fd)) and not os.path.lexists(real):
            self._wants_entry(real)

    def _removes(self, path: Any, dir_fd: int = -1) -> None:
        if (real := _entry(path, dir_fd)) and os.path.lexists(real):
            self._wants_entry(real)

    def _renames(self, source: Any, target: Any, source_fd: int = -1, target_fd: int = -1) -> None:
        here, there = _entry(source, source_fd), _entry(target, target_fd)
        if here and there and os.path.lexists(here):
            self._wants_entry(here)
            self._wants_entry(there)

    def _links(self, source: Any, target: Any, source_fd: int = -1, target_fd: int = -1) -> None:
        real = _entry(target, target_fd if target_fd != -1 else source_fd)
        if real and not os.path.lexists(real):
            self._wants_entry(real)

    def _wants_entry(self, real: str) -> None:
        """An entry of a folder is to be made, replaced or removed."""
        above = os.path.dirname(real)
        if _COMPILED.search(real):
            return
        if not self.may_write(above) and os.access(above, os.W_OK | os.X_OK):
            self.account.note(FILES_WRITE, real)

    def _truncates(self, path: Any, length: Any) -> None:
        if text := text_of(path):
            self._wants_to_write(os.path.realpath(text), makes=False)

    def _moves(self, path: Any) -> None:
        self._folders.clear()  # those that are relative

    def _opens_database(self, database: Any) -> None:
        text = text_of(database)
        if not text or text == ":memory:":
            return
        if text.startswith("file:"):
            url = urlsplit(text)
            asked = parse_qs(url.query)
            if asked.get("mode") in (["memory"], ["ro"]) or "immutable" in asked:
                return
            text = unquote(url.path)
        real = os.path.realpath(text)
        # It writes a journal beside it.
        if self.may_write(os.path.dirname(real)):
            return
        self.databases.remember(FILES_WRITE, real)
        if not os.path.lexists(real):
            self._wants_to_write(real, makes=True)  # one that is there may be meant to be read alone

    def _runs(self, program: Any, *_: Any) -> None:
        text = text_of(program)
        if text and "/" in text:
            real = os.path.realpath(text)
            if not self.may_read(real) and os.access(real, os.R_OK):
                self.account.note(FILES_READ, real)

    def _signals(self, pid: int, number: int) -> None:
        target = abs(pid)
        if pid == -1 or (target and self._kin.has_another(target)):
            self.account.note(PROCESSES_SIGNAL, "everybody" if pid == -1 else f"process {target}")

    def _limits(self, pid: int, resource: int, limits: Any = None) -> None:
        if limits is not None and pid != 0:
            self.account.note(PROCESSES_LIMIT, f"process {pid}")

    def _makes_socket(self, made: Any, family: int, kind: int, protocol: int) -> None:
        if family in (-1, 1) or (family in (2, 10) and protocol != 262 and self.policy.network == "all"):
            return  # the usual ones, before anything else is looked up
        if family not in _FAMILIES:
            self.account.note(NETWORK_SOCKET, f"family {family}")
        elif family in _INET and protocol == _MPTCP:
            self.account.note(NETWORK_SOCKET, "IPPROTO_MPTCP")
        elif family in _INET and self.policy.network == "none":
            self.account.note(NETWORK_SOCKET, _FAMILIES[family])
        elif family in _INET and self.policy.network != "all" and kind & 0xF != _STREAM:
            self.account.note(NETWORK_SOCKET, f"{_FAMILIES[family]} but for TCP")

    def _binds(self, made: Any, address: Any) -> None:
        if self.policy.network != "all":
            self.account.note(NETWORK_SOCKET, f"an address of its own ({str(address)[:100]})")

    def _connects(self, made: Any, address: Any) -> None:
        if self.policy.network == "none" and isinstance(address, tuple) and len(address) >= 2:
            host = f"[{address[0]}]" if ":" in str(address[0]) else str(address[0])
            self.account.note(NETWORK_CONNECT, f"{host}:{address[1]}")


def hook_of(handlers: dict[str, Callable[..., None]]) -> Callable[[str, tuple[Any, ...]], None]:
    """What asks the handler of an event, of those that are there at that moment; raises nothing."""
    handler_of = handlers.get

    # A function: at each audited call of a process, a method takes a microsecond longer.
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        handler = handler_of(event)
        if handler is not None:
            try:
                handler(*arguments)
            except Exception:  # noqa: BLE001 - whatever an agent passes to its calls: it is advice
                pass

    return hook


def text_of(path: Any) -> str:
    """A path as text; empty for a descriptor, and for what is none."""
    if type(path) is str:
        return path
    return os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""


def _entry(path: Any, dir_fd: int) -> str:
    """An entry of a folder: the folder's links are followed, its own is not."""
    text = text_of(path)
    if not text or (dir_fd not in (-1, None) and not text.startswith("/")):
        return ""
    above, name = os.path.split(text.rstrip("/") or "/")
    return os.path.join(os.path.realpath(above or "."), name)
