"""One server, one session, everyday programs: ``workday LEVEL``, in a folder with agents/.

Prints of each program what came of it, as JSON: empty when it worked.
"""

from __future__ import annotations

import json
import sys
import time

from runtime.cli.room.call import post_call
from tests.confinement.served import served
from tests.patience import PATIENCE

DEADLINE_S = 80 * PATIENCE


def main(level: str) -> int:
    found: dict[str, str] = {}
    after = 0
    deadline = time.monotonic() + DEADLINE_S
    with served(level, **{"supervisor.log_lines": 2000}) as api:
        session = post_call(api, "/works", {"room_name": "work"}, wait_s=20.0)["session"]
        while "done" not in found:
            kept = api.get(f"/workers/{session}/logs?after={after}")
            after = kept["next"]
            for line in kept["lines"]:
                if line["text"].startswith("WORK "):
                    name, _, told = line["text"].removeprefix("WORK ").partition(" ")
                    found[name] = told
                else:
                    print(line["text"], file=sys.stderr)
            shown = api.get(f"/workers/{session}")
            if shown["state"] == "exited" or time.monotonic() > deadline:
                found.setdefault("done", f"not reached: {shown['state']} {shown.get('exit')}")
            time.sleep(0.1)
        found["confinement"] = json.dumps(shown.get("confinement"))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
