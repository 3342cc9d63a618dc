"""One server, all attacks: ``battle LEVEL SECONDS``, in a folder with agents/.

Prints what `bulkhead chaos --hostile` says of each, as JSON.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from runtime.cli.server_process import ServerProcess
from runtime.cli.source import loaded


def main(level: str, each_s: str) -> int:
    signal.signal(signal.SIGTERM, lambda *_: None)  # that to everybody, too; not ignored, which is inherited
    here = Path.cwd()
    os.environ["BULKHEAD_STATE_DIR"] = str(here / "state")
    flags = {"server.port": 0, "server.state_dir": here / "state", "confinement.level": level}
    flags |= {"server.watch": False, "server.chaos": True}
    server = ServerProcess(flags, [here / "agents"], None)
    server.start()
    api = server.wait_listening()
    for name in ("team", "other"):
        loaded(api, server, here / "agents" / name)
    argv = [sys.executable, "-m", "runtime", "chaos", "--hostile", "--each", each_s, "-o", "json"]
    argv += ["--target", "/attacker", "--probe", "/sibling"]
    ran = subprocess.run(argv, stdout=subprocess.PIPE)
    sys.stdout.buffer.write(ran.stdout)
    server.kill()
    return ran.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
