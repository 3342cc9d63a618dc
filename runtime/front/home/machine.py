"""What the machine has that a server needs: disk, descriptors, watches of files, the kernel's features."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from runtime.front.home.finding import Finding, note, ok, wrong
from runtime.process import descriptors

LITTLE_BYTES: Final = 256 << 20
NEARLY_NONE_BYTES: Final = 16 << 20
FEW_NODES: Final = 1000
_WATCHES: Final = 8192
_INSTANCES: Final = 64
_INOTIFY: Final = Path("/proc/sys/fs/inotify")


def disk(folder: Path) -> Iterator[Finding]:
    """Room on the file system of the folder."""
    free = shutil.disk_usage(folder).free
    nodes = os.statvfs(folder)
    about = f"{free >> 20} MiB are free where {folder} is"
    cure = "Free some space: calls are refused while the journal cannot be written."
    if free < NEARLY_NONE_BYTES:
        yield wrong("disk", about, cure)
    elif free < LITTLE_BYTES:
        yield note("disk", about, cure)
    elif nodes.f_files and nodes.f_favail < FEW_NODES:
        yield wrong("disk", f"{nodes.f_favail} files can still be made where {folder} is", cure)
    else:
        yield ok("disk", about)


def files(max_sessions: int) -> Iterator[Finding]:
    """Descriptors, as a server started from here would have them."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = (1 << 20) if hard == resource.RLIM_INFINITY else hard
    fit = max(0, count - descriptors.OF_ITS_OWN) // descriptors.PER_SESSION
    about = f"{count} descriptors suffice for {fit} sessions, and {max_sessions} are allowed"
    cure = "Raise the hard limit: ulimit -Hn, LimitNOFILE= of a unit, ulimits of a container."
    if fit < 1:
        yield wrong("descriptors", about, cure)
    else:
        yield ok("descriptors", about) if fit >= max_sessions else note("descriptors", about, cure)


def watches() -> Iterator[Finding]:
    """inotify, by which a server sees at once that a program was saved."""
    for name, least in (("max_user_watches", _WATCHES), ("max_user_instances", _INSTANCES)):
        try:
            limit = int((_INOTIFY / name).read_text())
        except (OSError, ValueError):
            yield note("inotify", f"the kernel does not tell {name}", "Saved files are seen by looking.")
            continue
        about = f"fs.inotify.{name} is {limit}"
        cure = f"Raise it: sysctl fs.inotify.{name}={least}; until then saved files are seen by looking."
        yield ok("inotify", about) if limit >= least else note("inotify", about, cure)


def kernel() -> Iterator[Finding]:
    """What sessions are made of."""
    if not sys.platform.startswith("linux"):
        yield wrong("kernel", f"{sys.platform} is not Linux", "Run it on Linux, or in a container.")
        return
    missing = []
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        missing.append("pidfd_open")
    if not hasattr(signal, "pidfd_send_signal"):
        missing.append("pidfd_send_signal")
    try:
        os.close(os.memfd_create("bulkhead", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
    except (AttributeError, OSError):
        missing.append("memfd_create with seals")
    if not os.path.exists("/proc/self/stat"):
        missing.append("/proc")
    release = os.uname().release
    if missing:
        cure = "Use Linux 5.10 or newer; a container's seccomp profile may hide some of it."
        yield wrong("kernel", f"Linux {release} has no {', '.join(missing)}", cure)
    else:
        yield ok("kernel", f"Linux {release} has what sessions are made of")
    writable = os.access("/sys/fs/cgroup/cgroup.procs", os.W_OK)
    if Path("/sys/fs/cgroup/cgroup.controllers").exists() and writable:
        yield ok("cgroups", "cgroup v2 is there and may be written")
    else:
        about = "cgroup v2 is not there, or may not be written: limits are kept by watching alone"
        yield note("cgroups", about, "`/healthz?verbose` of a server says why.")
