"""Everything a process can reach among the files, as lists, and what it would be refused.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reach:
    """What was granted altogether: to every session, to its bundle, to its endpoint, and its private folder.

    A grant holds for a path and all that lies below it.  Paths are absolute and have no links in them.

    Attributes:
        read: May be read and run.
        write: May be read and written.
        listed: Folders whose names may be listed, with those of all folders below, and nothing more.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    _readable: frozenset[str] = field(init=False, repr=False, compare=False)
    _writable: frozenset[str] = field(init=False, repr=False, compare=False)
    _listable: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_writable", frozenset(self.write))
        object.__setattr__(self, "_listable", frozenset(self.listed))
        object.__setattr__(self, "_readable", frozenset((*self.read, *self.write)))

    def may_read(self, path: str) -> bool:
        """Whether a file or folder may be read."""
        return _covered(path, self._readable)

    def may_write(self, path: str) -> bool:
        """Whether a file may be written; of a folder: whether things may be made and removed in it."""
        return _covered(path, self._writable)

    def names(self, path: object, writes: object) -> bool:
        """Whether this very path, such as /dev/null, was granted."""
        return path in (self._writable if writes else self._readable)

    def may_list(self, path: str) -> bool:
        """Whether the names in a folder may be listed."""
        return _covered(path, self._listable) or self.may_read(path)


def _covered(path: str, tops: frozenset[str]) -> bool:
    # Upwards from the path: a handful of steps, however many grants there are.
    while path not in tops:
        path, slash, _ = path.rpartition("/")
        if not slash:
            return "/" in tops
    return True
