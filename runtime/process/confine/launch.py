"""Be held, then be another program: ``python -I -S launch.py <descriptor> program arguments…``.

So everything of a bundle is below what holds it from its interpreter's first instruction on: also what its
environment has the interpreter run before any program (``.pth`` files, ``sitecustomize``).

The descriptor is of what the front wrote (`runtime.process.confine.hold`), and is passed on with what holds
written in its place.  The environment comes with it, too: the dynamic loader obeys it before
anything holds.

An interpreter without site and without what ``typing``, ``json`` or ``dataclasses``
import is up in a few milliseconds, so this file and what it imports do without.
"""

import marshal
import os
import sys


def read(fd: int) -> dict[str, object]:
    """What was written to a descriptor by `write`."""
    size = os.fstat(fd).st_size
    found: dict[str, object] = marshal.loads(os.pread(fd, size, 0))
    return found


def write(fd: int, data: dict[str, object]) -> None:
    """Write numbers, texts and lists, in a form that interpreters of all versions read."""
    payload = marshal.dumps(data, 2)
    os.ftruncate(fd, 0)
    while payload:
        payload = payload[os.pwrite(fd, payload, os.fstat(fd).st_size) :]


if __name__ == "__main__":
    sys.path.insert(0, os.path.abspath(f"{__file__}/../../../.."))
    from runtime.process.confine import ring

    fd = int(sys.argv[1])
    held = read(fd)
    try:
        held |= ring.enter(held)
    except OSError as error:
        sys.exit(f"confinement: this process cannot be held: {error}")
    env: dict[str, str] = held.pop("env")  # type: ignore[assignment]
    write(fd, held)
    os.execve(sys.argv[2], sys.argv[2:], env)
