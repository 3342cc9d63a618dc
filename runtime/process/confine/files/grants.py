"""Which files everybody may use, and which a bundle: as rules of Landlock.

A rule is for a folder and all below it, and nothing can be taken out of it again.  So a folder that has
something in it which is not given is granted entry by entry, down to what is left out; what comes into such a
folder later is not granted until the bundle is loaded again.  Of what is left out the names can be seen: an
interpreter that may not list a folder finds no module in it.
"""

from __future__ import annotations

import glob
import os
import pwd
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from runtime.confinement.ground import Ground
from runtime.confinement.level import Level
from runtime.confinement.paths import first_above, is_below
from runtime.confinement.policy import Policy
from runtime.process.confine import landlock
from runtime.process.confine.files import closed, installed

Rule = tuple[str, int, bool]
"""A path, what may be done, and whether it must be that very file: see `ring.allow`."""

_SYSTEM: Final = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/etc", "/nix/store",
    "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager", "/run/nscd", "/var/lib/ca-certificates",
    "/var/cache/fontconfig", "/var/lib/dpkg", "/proc", "/sys/devices", "/sys/fs/cgroup", "/sys/class",
    "/sys/bus", "/sys/block", "/sys/kernel/mm", "/sys/module",
)  # fmt: skip
_LINKED: Final = (
    "resolv.conf", "hosts", "localtime", "nsswitch.conf", "ssl/cert.pem", "ssl/certs",
    "ssl/certs/ca-certificates.crt", "pki/tls/certs/ca-bundle.crt", "pki/tls/cert.pem",
)  # fmt: skip
"""Files below /etc that names, times and certificates are looked up in: often links to elsewhere."""
_DEVICE: Final = landlock.READ_FILE | landlock.WRITE_FILE | landlock.TRUNCATE | landlock.IOCTL_DEV
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty", "ptmx")
_SHARED: Final = (
    landlock.READ_FILE | landlock.WRITE_FILE | landlock.MAKE_REG | landlock.REMOVE_FILE | landlock.TRUNCATE
)
"""Not to be listed: a name that somebody knows is all that leads to it."""
_FIGURES: Final = tuple(
    f"/proc/{name}"
    for name in (
        "cpuinfo", "meminfo", "stat", "loadavg", "uptime", "version", "filesystems", "vmstat", "cgroups",
        "devices", "partitions", "diskstats", "swaps", "pressure", "sys",
    )
)  # fmt: skip
"""What /proc says of the machine, and of no process."""
_GPU: Final = ("/dev/nvidia*", "/dev/dri", "/dev/kfd")
_HOMES: Final = "/home"
_MAX_ENTRIES: Final = 5000


def rules(
    policy: Policy,
    ground: Ground,
    source: Path,
    python: str,
    env: Mapping[str, str],
    *,
    whole: bool = False,
    is_other_user: bool = False,
) -> list[Rule]:
    """What a bundle may use of the files of this machine; see `common` and `granted`.  Blocks."""
    return [*common(ground, source, python, env, whole=whole, is_other_user=is_other_user), *granted(policy)]


def common(
    ground: Ground,
    source: Path,
    python: str,
    env: Mapping[str, str],
    *,
    whole: bool = False,
    is_other_user: bool = False,
) -> list[Rule]:
    """What any bundle may use that lies there, whatever it asks for; without its private folders.  Blocks.

    Args:
        source: Its file or folder.
        python: The interpreter that runs it.
        env: What that is started with.
        whole: Leave out nothing but the private folders: for who is held by the others already.
        is_other_user: It runs as one who can read no more than everybody.
    """
    left_out = [ground.state] if whole else [ground.state, *ground.others]
    shut = [] if whole or is_other_user else closed.to_others()
    made: list[Rule] = []
    environment = os.path.realpath(os.path.dirname(os.path.dirname(python)))
    is_own = is_below(environment, os.path.join(ground.state, "environments"))
    for path in dict.fromkeys((*_SYSTEM, *linked(), *installed.programs(python, env, of_others=is_own))):
        made += _reading(path, left_out if installed.is_all_of_one(path) else [*left_out, *shut])
    for path in ground.ours:
        made += _reading(path, left_out)
    if is_own:
        made.append((environment, landlock.READ, True))
    else:
        made += _of_edited(python, left_out)
    made += _of_bundle(source, ground, [*left_out, *ground.hidden, *ground.foreign], shut, whole=whole)
    return made + [(f"/dev/{name}", _DEVICE, False) for name in _DEVICES]


def granted(policy: Policy) -> list[Rule]:
    """What a policy allows besides."""
    made: list[Rule] = []
    if policy.level < Level.STRICT:  # it is as well that of an operator who is the same user
        made.append(("/dev/pts", _DEVICE | landlock.READ_DIR, False))
    if policy.shm:
        made.append(("/dev/shm", _SHARED, False))
    if policy.gpu:
        made += [(path, _DEVICE | landlock.READ_DIR, False) for one in _GPU for path in glob.glob(one)]
    made += [(path, landlock.READ, True) for path in policy.read]
    made += [(path, _DEVICE if _is_device(path) else landlock.WRITE, True) for path in policy.write]
    return made


def of_no_process(made: Iterable[Rule]) -> Iterator[Rule]:
    """The same, but for what /proc tells of processes; whoever is held by it adds its own folder there."""
    for rule in made:
        if rule[0] != "/proc":
            yield rule
    yield from ((path, landlock.READ, False) for path in _FIGURES)


def everyday(env: Mapping[str, str], *, but: Sequence[str] = ()) -> list[Rule]:
    """What every program may use of a machine: the system's files, programs and devices.

    Args:
        but: Folders that are left out, wherever they lie.
    """
    made: list[Rule] = []
    shut = [*closed.to_others(), *but]
    for path in dict.fromkeys((*_SYSTEM, *linked(), *installed.programs(sys.executable, env))):
        made += _reading(path, but if installed.is_all_of_one(path) else shut)
    made += _of_edited(sys.executable, ())
    made += [(f"/dev/{name}", _DEVICE, False) for name in _DEVICES]
    made += [("/dev/pts", _DEVICE | landlock.READ_DIR, False), ("/dev/shm", _SHARED, False)]
    return made


def linked(etc: str = "/etc") -> list[str]:
    """What links in `etc` that every program needs lead to, outside of it: on WSL2 it is below /mnt."""
    found = (os.path.realpath(os.path.join(etc, name)) for name in _LINKED)
    return [path for path in dict.fromkeys(found) if not is_below(path, os.path.realpath(etc))]


def holds_home(folder: str, ground: Ground) -> bool:
    """Whether the server's home lies in a bundle's folder, or is it: not all there is the bundle's then."""
    return is_below(ground.home, folder) and os.path.isdir(ground.home)


def _of_edited(python: str, left_out: Sequence[str]) -> Iterator[Rule]:
    """Packages that are imported from where they are worked on."""
    for folder in installed.led_to(python):
        real = os.path.realpath(folder)
        if first_above(real, left_out) is None:
            yield real, landlock.READ_DIR, True
            for entry in installed.importable(real):
                yield from _reading(entry, left_out)


def _of_bundle(
    source: Path, ground: Ground, left_out: Sequence[str], shut: Sequence[str], *, whole: bool
) -> Iterator[Rule]:
    """Its folder and program; what links lead to elsewhere is not its own."""
    program = os.path.realpath(source)
    folder = program if os.path.isdir(program) else os.path.dirname(os.path.abspath(source))
    real = os.path.realpath(folder)
    if is_below(real, os.path.join(ground.state, "deployed")):  # it was sent here, and is kept there
        left_out = [path for path in left_out if path != ground.state]
    if not closed.is_own(real):
        left_out = [*left_out, *shut]
    if holds_home(real, ground) and not whole:
        left_out = [*left_out, *_of_people(real, ground.home)]
    yield from _reading(real, [path for path in left_out if path != program], exactly=True)
    if folder != program:
        yield program, landlock.READ, True


def _reading(path: str, left_out: Sequence[str], *, exactly: bool = False) -> Iterator[Rule]:
    real = os.path.realpath(path)
    if first_above(real, left_out) is not None or not os.path.exists(real):
        return
    inside = [one for one in left_out if is_below(one, real)]
    if not inside:
        yield real if exactly else path, landlock.READ, exactly
        return
    try:
        names = sorted(os.listdir(real))[:_MAX_ENTRIES]
    except OSError:
        return
    yield real, landlock.READ_DIR, exactly
    for name in names:
        entry = os.path.join(real, name)
        if not os.path.islink(entry):
            yield from _reading(entry, inside, exactly=True)
        elif not exactly:  # of the system: it leads where its owner wants it to
            yield from _reading(os.path.realpath(entry), left_out)


def _of_people(folder: str, home: str) -> Iterator[str]:
    """What lies in a bundle's folder because it is somebody's home: keys and settings, and others' homes."""
    at = home
    while is_below(at, folder):
        for name in _names(at):
            if name.startswith(".") and (at != folder or name != ".env"):
                yield os.path.join(at, name)
        if at == folder:
            break
        at = os.path.dirname(at)
    known = [one.pw_dir for one in pwd.getpwall() if one.pw_uid != os.geteuid()]
    for place in (*known, *(os.path.join(_HOMES, name) for name in _names(_HOMES))):
        real = os.path.realpath(place)
        if real != folder and is_below(real, folder) and not is_below(home, real):
            yield real


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _is_device(path: str) -> bool:
    try:
        return stat.S_ISCHR(os.stat(path).st_mode)
    except OSError:
        return False
