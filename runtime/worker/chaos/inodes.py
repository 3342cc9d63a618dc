"""Attacks on modes, times, attributes and watches of files, for which Landlock has no word."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from runtime.confinement.refusal import FILES_CHANGE
from runtime.worker.chaos import look
from runtime.worker.chaos.attack import Catalogue, NotHere, Targets
from runtime.worker.chaos.calls import checked, libc

inodes = Catalogue(FILES_CHANGE)


@inodes.add(
    "chmod-state",
    "take its owner's rights to a file of the state folder",
    level=None,
    seen=look.bait_status,
    undo=lambda at, before: os.chmod(at.state_bait, 0o600),
)
def chmod_state(at: Targets) -> None:
    os.chmod(at.state_bait, 0o640)


@inodes.add(
    "touch-state", "change the times of a file of the state folder", level=None, seen=look.bait_status
)
def touch_state(at: Targets) -> None:
    os.utime(at.state_bait, (1, 1))


@inodes.add("name-state", "give a file of the state folder an attribute", level=None, seen=look.bait_status)
def name_state(at: Targets) -> None:
    try:
        os.setxattr(at.state_bait, "user.attack", b"1")
    except OSError as error:
        if error.errno == 95:
            raise NotHere("the state folder's file system has no attributes") from error
        raise


@inodes.add("watch-state", "be told when the state folder changes", level=None)
def watch_state(at: Targets) -> str:
    descriptor = checked(libc.inotify_init1(os.O_CLOEXEC))
    try:
        return f"watch {checked(libc.inotify_add_watch(descriptor, at.state_dir.encode(), 0xFFF))}"
    finally:
        os.close(descriptor)


@inodes.add("exhaust-watches", "leave no watch to any process of the user", level=None, seen=look.watches)
def exhaust_watches(at: Targets) -> None:
    held: list[int] = []
    try:
        with suppress(OSError):
            while len(held) < 10_000:
                held.append(checked(libc.inotify_init1(os.O_CLOEXEC)))
        time.sleep(0.05)
    finally:
        for descriptor in held:
            os.close(descriptor)
