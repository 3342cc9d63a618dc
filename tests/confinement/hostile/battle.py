"""One server, all attacks: ``battle LEVEL SECONDS``, in a folder with agents/.

Prints what `bulkhead chaos --hostile` says of each, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys

from tests.confinement.served import served


def main(level: str, each_s: str) -> int:
    with served(level, **{"server.chaos": True}):
        argv = [sys.executable, "-m", "runtime", "chaos", "--hostile", "--each", each_s, "-o", "json"]
        argv += ["--target", "/attacker", "--probe", "/sibling"]
        ran = subprocess.run(argv, stdout=subprocess.PIPE)
    found = {one["attack"]: one for one in json.loads(ran.stdout)}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
