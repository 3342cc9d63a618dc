"""One server, all attacks: ``battle LEVEL SECONDS [UIDS]``, in a folder with agents/.

Prints what `bulkhead chaos --hostile` says of each, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from runtime.confinement.level import Level
from runtime.worker.chaos.hostile import ATTACKS
from tests.confinement.served import served


def main(level: str, each_s: str, uids: str = "") -> int:
    with served(level, **{"server.chaos": True, "confinement.uids": uids}):
        argv = [sys.executable, "-m", "runtime", "chaos", "--hostile", "--each", each_s, "-o", "json"]
        argv += ["--target", "/attacker", "--probe", "/sibling"]
        if level == Level.OFF and os.geteuid() == 0:  # what a user can, root can
            argv += ["--faults", ",".join(name for name, one in ATTACKS.items() if one.as_root)]
        ran = subprocess.run(argv, stdout=subprocess.PIPE)
    found = {one["attack"]: one for one in json.loads(ran.stdout)}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
