"""Why something was refused, in a sentence, and how to allow it, in a line.  Pure.

A session's process says which rule refused what; the front, which knows what lies where, explains it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Final

import msgspec

from runtime.confinement.ground import SYSTEM, Ground
from runtime.confinement.hosts import parse_host
from runtime.confinement.level import Level
from runtime.confinement.paths import first_above, is_below
from runtime.confinement.policy import Policy

FILES_READ: Final = "files.read"
FILES_WRITE: Final = "files.write"
FILES_LIST: Final = "files.list"
FILES_CHANGE: Final = "files.change"
NETWORK_CONNECT: Final = "network.connect"
NETWORK_SOCKET: Final = "network.socket"
PROCESSES_SIGNAL: Final = "processes.signal"
PROCESSES_LIMIT: Final = "processes.limit"
PROCESSES_LOOK: Final = "processes.look"
MEMORY_SHARED: Final = "memory.shared"
KERNEL_CALL: Final = "kernel.call"

RULES: Final[Mapping[str, str]] = {
    FILES_READ: "may read the system, its program's folder, its own folder and what it was granted",
    FILES_WRITE: "may write its own folder and what it was granted",
    FILES_LIST: "may list the folders that it may read",
    FILES_CHANGE: "may change owner, mode and times of its own files",
    NETWORK_CONNECT: "may connect to the hosts that it was granted",
    NETWORK_SOCKET: "may use the sockets that its level allows",
    PROCESSES_SIGNAL: "may signal its own processes",
    PROCESSES_LIMIT: "may set limits and turns of its own processes",
    PROCESSES_LOOK: "may look into its own processes",
    MEMORY_SHARED: "may share memory where it was granted that",
    KERNEL_CALL: "may make the system calls that programs need",
}
"""Rule → what a session may do there, as the end of a sentence that begins with its name."""

DECORATOR: Final = "@service.path"
_NO_GRANT: Final = "nothing grants it"
_OTHERS: Final = f"{_NO_GRANT}: other processes are none of a session's business"
_DEVICES_OF_GPUS: Final = ("/dev/nvidia", "/dev/dri/")


class Refusal(msgspec.Struct, frozen=True):
    """One thing that was refused.

    Attributes:
        rule: One of `RULES`.
        what: The path, the host with its port, the process or the call.
    """

    rule: str
    what: str = ""

    @property
    def kind(self) -> tuple[str, str]:
        """What makes two of them worth one line: the rule, and of a file its folder."""
        return self.rule, posixpath.dirname(self.what) if self.what.startswith("/") else self.what


class Explained(msgspec.Struct, frozen=True):
    """A refusal for people.

    Attributes:
        sentence: What holds, such as ``helper may write its own folder and what it was granted``.
        cure: What to write, or to do, without a full stop.
    """

    sentence: str
    cure: str


def explain(
    refusal: Refusal, who: str, policy: Policy, ground: Ground, *, place: str = DECORATOR
) -> Explained:
    """Say why, and what would allow it.

    Args:
        who: The name of whose session it is.
        policy: What its session may reach.
        place: Where to write what would allow it.
    """
    rule = refusal.rule if refusal.rule in RULES else KERNEL_CALL
    cure = _cure(rule, refusal.what, policy, ground).replace(f"in {DECORATOR}", f"in {place}")
    return Explained(f"{who or 'it'} {RULES[rule]}", cure)


def line(refusal: Refusal, explained: Explained) -> str:
    """All of it in one line."""
    what = f"{refusal.rule} {refusal.what}".strip()
    return f"refused {what} · {explained.sentence} · allow: {explained.cure}"


def _cure(rule: str, what: str, policy: Policy, ground: Ground) -> str:
    if rule in (FILES_READ, FILES_LIST):
        return _cure_of_file("read", what, policy, ground)
    if rule == FILES_WRITE:
        return _cure_of_file("write", what, policy, ground)
    if rule == FILES_CHANGE:
        return "do it to files in $TMPDIR or in a folder that is granted for writing"
    if rule == NETWORK_CONNECT:
        return _cure_of_host(what, policy)
    if rule == NETWORK_SOCKET:
        if policy.level is Level.STRICT:
            if what in ("AF_INET", "AF_INET6"):
                return 'network=["host:port"] in @service.path, for a host of the network'
            return 'network="all" in @service.path'
        return f"{_NO_GRANT}: use TCP or UDP"
    if rule == MEMORY_SHARED:
        if policy.shm:
            return f"{_NO_GRANT}: use multiprocessing.shared_memory, or a file in $TMPDIR"
        return "shm=True in @service.path"
    if rule in (PROCESSES_SIGNAL, PROCESSES_LIMIT, PROCESSES_LOOK):
        return _OTHERS
    return f"{_NO_GRANT} at level {policy.level}: do without, or ask whoever runs the server"


def _cure_of_file(key: str, path: str, policy: Policy, ground: Ground) -> str:
    aside = ", or write to $TMPDIR" if key == "write" else ""
    if is_below(path, ground.state) or path in ground.hidden:
        return f"{_NO_GRANT}: that is the server's own{aside}"
    if (other := first_above(path, ground.others)) is not None:
        return (
            f"{_NO_GRANT}: {other} is another bundle's; keep what they share in a folder beside them{aside}"
        )
    if path.startswith("/dev/shm/"):
        return f"shm=True in @service.path{aside}"
    if path.startswith(_DEVICES_OF_GPUS):
        return "gpu=True in @service.path"
    if path.startswith("/proc/") and path.endswith("/comm"):
        return f"{_NO_GRANT}: a thread names itself (prctl), or goes without a name"
    if is_below(path, "/proc"):
        return _OTHERS
    if key == "write":
        if (own := first_above(path, ground.ours)) is not None:
            return f"{_NO_GRANT}: the server's processes run what is in {own}; write to $TMPDIR"
        in_bundle = is_below(path, ground.folder)
        if not in_bundle and not path.startswith("/dev/") and first_above(path, SYSTEM) is not None:
            return f"{_NO_GRANT}: that is the system's; write to $TMPDIR"
        if is_below(path, "/tmp") and not is_below(path, ground.folder):
            return f"tempfile, or $TMPDIR instead of /tmp; shared with others: {_in_code(key, path, ground)}"
    if posixpath.dirname(path) == ground.folder and key == "write":
        return (
            f'keep it in a folder of its own and allow that: write=["data"] in @service.path{aside} '
            '(write=["."] would let it change its own program)'
        )
    if key == "read" and path.startswith(f"{ground.home}/.") and not is_below(path, ground.folder):
        if first_above(path, (*policy.read, *policy.write)) is not None:
            return f"open {path} itself, which is granted: $HOME is the session's own"
        return f"{_in_code(key, path, ground)}, and name it by its path: $HOME is the session's own"
    return f"{_in_code(key, path, ground)}{aside}"


def _in_code(key: str, path: str, ground: Ground) -> str:
    """What to add to the decorator: a folder, as it would be written there."""
    if is_below(path, ground.folder) and path != ground.folder:
        return f'{key}=["{path[len(ground.folder) :].strip("/").split("/")[0]}"] in @service.path'
    folder = posixpath.dirname(path) if posixpath.splitext(path)[1] or key == "write" else path
    if folder in ("/", ground.home) or is_below(ground.state, folder):
        folder = path  # the folder holds too much to be granted for one file
    if is_below(folder, ground.home) and ground.home != "/":
        folder = f"~{folder[len(ground.home) :]}"
    return f'{key}=["{folder}"] in @service.path'


def _cure_of_host(what: str, policy: Policy) -> str:
    try:
        parse_host(what)
    except ValueError:
        what = "host:port"
    known = policy.network if isinstance(policy.network, tuple) else ()
    listed = ", ".join(f'"{host}"' for host in (*known, what))
    return f"network=[{listed}] in @service.path"
