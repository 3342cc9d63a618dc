"""What each session of a zygote is held by besides what holds the zygote: it is kept from its siblings.

A ruleset takes a while to put together, and nothing of it is a session's own but its private folder.  So a
spare one is made ahead; a fork then costs one folder, one rule, and in the child one system call.  What its
rules are for stays open for a second: when many are forked one after the other, the paths are looked up once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import sys
import time
from typing import Any, Final

import msgspec

from runtime.process.confine import landlock, privileges, ring

PROBE: Final = "probe"
"""The folder of who tries whether it holds."""
_ASIDE: Final = 64
"""What is opened here gets numbers from there on, so that what comes for a session has low ones."""
_SPACIOUS: Final = 512
"""A program that may open fewer has none to spare, and its paths are opened one by one."""
FRESH_S: Final = 1.0
"""A path that another file or folder comes to lie at counts for sessions that are forked so much later."""


class Entry(msgspec.Struct, frozen=True):
    """What a child puts itself below; made before the fork.

    Attributes:
        folder: Its private folder; empty when it has none.
        user: Whom it is to run as; 0 for the user that it has.
        short: The same folder by a short path.
        adds_itself: Of processes it sees itself alone, which it can say only when it is one.
    """

    folder: str
    rules: landlock.Ruleset | None
    user: int = 0
    short: str = ""
    adds_itself: bool = False

    def enter(self) -> None:
        """Be held, from here on.  Runs in: the child, before anything of the agent's."""
        if self.user:
            privileges.become(self.user)
        if self.rules is not None:
            if self.adds_itself:
                ring.allow(self.rules, "/proc/self", landlock.READ, exactly=False)
            landlock.restrict(self.rules.fileno())  # what exec may not give was given up by its zygote
            self.close()
        be_at_home(self.folder, self.short)

    def close(self) -> None:
        if self.rules is not None:
            self.rules.close()


class Inner:
    """Runs in: a zygote.

    Args:
        held: What the zygote was started with.

    Attributes:
        stranger: A user that no session has; 0 where they have none of their own.
    """

    def __init__(self, held: dict[str, Any]) -> None:
        self._rules = held["inner"]
        self._private, self._short = held["private"], held["short"]
        self._version = landlock.abi()
        self._is_strict = held["level"] == "strict"
        self.stranger = held["users"][0] if held["users"] else 0
        self._spare: landlock.Ruleset | None = None
        self._opened: list[tuple[int, int]] = []
        self._opened_at = -FRESH_S

    def prepare(self) -> None:
        """Make the spare one, if there is none.

        Raises:
            OSError: There is no room for it.
        """
        if self._spare is None and self._version:
            if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < _SPACIOUS:
                self._spare = ring.ruleset(self._rules, self._version)
                return
            self._look_up()
            made = ring.blank(self._version)
            try:
                for fd, access in self._opened:
                    made.allow_path(fd, access)
            except BaseException:
                made.close()
                raise
            self._spare = made

    def _look_up(self) -> None:
        """Open what the rules are for, if that was long ago."""
        now = time.monotonic()
        if now - self._opened_at < FRESH_S:
            return
        self.forget()
        try:
            for path, access, exactly in self._rules:
                if (fd := ring.opened(path, exactly=exactly)) is not None:
                    try:
                        self._opened.append((fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ASIDE), access))
                    finally:
                        os.close(fd)
        except BaseException:
            self.forget()
            raise
        self._opened_at = now

    def forget(self) -> None:
        """Close what the rules are for."""
        for fd, _ in self._opened:
            os.close(fd)
        self._opened.clear()
        self._opened_at = -FRESH_S

    def entry(self, name: str, user: int = 0) -> Entry:
        """For a session whose private folder is called `name`; makes the folder where it is not there yet.

        Raises:
            OSError: There is no room for it.
        """
        folder = os.path.join(self._private, name)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        self.prepare()
        rules, self._spare = self._spare, None
        if rules is not None:
            ring.allow(rules, folder, landlock.WRITE, exactly=True)
        return Entry(folder, rules, user, os.path.join(self._short, name), self._is_strict)


def rehearse() -> None:
    """Take the steps of `Entry.enter` in a zygote, which they leave as it is; see `worker.rehearsal`."""
    with contextlib.suppress(OSError):
        landlock.restrict(-1)
    be_at_home(os.environ["HOME"], os.environ["TMPDIR"])


def be_at_home(folder: str, short: str) -> None:
    """Have temporary files, caches and settings of this process in its private folder."""
    if not folder:
        return
    os.environ["TMPDIR"], os.environ["HOME"] = short or folder, folder
    if (tempfile := sys.modules.get("tempfile")) is not None:
        vars(tempfile)["tempdir"] = None  # what it found for the import
