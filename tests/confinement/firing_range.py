"""A server with attackers, in namespaces of its own: nothing that they do, or reach, is the machine's.

    python -m tests.confinement.hostile.firing_range UID FOLDER COMMAND...

is process 1 of a new PID, mount, network and IPC namespace (`unshare`, as root).  Its loopback has the
address of a machine's metadata, and its users may take any port.  COMMAND is run as UID in FOLDER; when it
ends, so does everything.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

METADATA = "169.254.169.254"
UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--ipc", "--mount"]


def command(uid: int, folder: Path, *argv: str) -> list[str]:
    """What runs a command in a range of its own."""
    return [*UNSHARE, sys.executable, "-m", __name__, str(uid), str(folder), *argv]


def main(uid: int, folder: str, *argv: str) -> int:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "addr", "add", f"{METADATA}/32", "dev", "lo"], check=True)
    Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")
    subprocess.run(["mount", "-t", "mqueue", "none", "/dev/mqueue"], check=False, stderr=subprocess.DEVNULL)
    for path in {sys.base_prefix, sys.prefix, str(Path(__file__).resolve().parents[3])}:
        _open_way_to(Path(path))
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        os.chdir(folder)
        os.environ["HOME"] = folder
        os.execvp(argv[0], argv)
    while True:  # orphans end here, too
        ended, status = os.wait()
        if ended == child:
            return os.waitstatus_to_exitcode(status)


def _open_way_to(path: Path) -> None:
    """Let everybody reach a folder that lies below one of root's own (an interpreter in root's home)."""
    for above in reversed(path.parents):
        if above.is_dir() and not above.stat().st_mode & stat.S_IXOTH:
            kept = Path("/mnt")
            subprocess.run(["mount", "--bind", path, kept], check=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", above], check=True)
            path.mkdir(parents=True)
            subprocess.run(["mount", "--bind", kept, path], check=True)
            subprocess.run(["umount", kept], check=True)
            return


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
