"""Folders that were granted entry by entry, and what came into them since.

What is put there later, or in the place of something, is another file, and cannot be granted any more to a
process that runs: it can be to those that are started after the program was loaded again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from runtime.confinement.paths import first_above, is_below
from runtime.process.confine import landlock
from runtime.process.confine.files import installed
from runtime.process.confine.files.grants import Rule

_SYSTEM: Final = ("/etc", "/opt", "/usr", "/run", "/var")
_LOOKED_UP: Final = frozenset(
    f"/etc/{name}"
    for name in (
        "resolv.conf", "hosts", "host.conf", "hostname", "nsswitch.conf", "gai.conf", "services", "protocols",
        "localtime", "timezone", "passwd", "group", "ld.so.cache", "mime.types",
    )
)  # fmt: skip
"""What programs read there again and again, and packages and DHCP put in the place of what was."""
_MOST: Final = 5000


class Entries(msgspec.Struct, frozen=True):
    """Of one generation of a bundle.

    Attributes:
        folders: By path, when it was changed last, and by name which file that was.
        left_out: What is not granted whatever becomes of it.
        own: The bundle's folder.  Elsewhere only what can be imported matters.
    """

    folders: Mapping[str, tuple[int, Mapping[str, int]]]
    left_out: tuple[str, ...] = ()
    own: str = "/"

    @classmethod
    def of(cls, rules: Iterable[Rule], left_out: Sequence[str], own: str = "/") -> Entries:
        """Of folders that such rules allow to be listed, and no more.  Blocks."""
        tops = dict.fromkeys(path for path, rights, _ in rules if rights == landlock.READ_DIR)
        return cls({top: (_changed_at(top), dict(_entries(top))) for top in tops}, tuple(left_out), own)

    def news(self, *, of_system_alone: bool) -> str:
        """The path of something that is new there, or another file than it was; empty for none.  Blocks.

        Args:
            of_system_alone: Only what every program needs of the system counts.
        """
        for folder, (at, before) in self.folders.items():
            is_system = first_above(folder, _SYSTEM) is not None
            if (of_system_alone and not is_system) or _changed_at(folder) == at:
                continue
            for name, number in _entries(folder):
                path = os.path.join(folder, name)
                if before.get(name) == number or (is_system and path not in _LOOKED_UP):
                    continue
                if not (is_system or is_below(folder, self.own) or path in installed.importable(folder)):
                    continue
                if is_system or not (name.startswith((".", "__")) or self._is_left_out(path)):
                    return path
        return ""

    def _is_left_out(self, path: str) -> bool:
        return first_above(path, self.left_out) is not None


def _changed_at(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _entries(folder: str) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(folder) as found:
            for count, entry in enumerate(found):
                if count >= _MOST:
                    return
                yield entry.name, entry.inode()
    except OSError:
        return
