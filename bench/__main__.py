"""``python -m bench [ROUNDS]``: run the benchmarks, print a table, keep the numbers as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path

from bench import start

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    found = {}
    for name, max_parked in (("parked", 2), ("not parked", 0)):
        result = found[name] = start.summary(start.measure(rounds, max_parked=max_parked))
        print(f"\nwebhook to ready, child {name}, {rounds} rounds      p50 ms     p99 ms")
        for row, numbers in result["rows"].items():
            print(f"  {row:<40}{numbers['p50_ms']:>10.2f} {numbers['p99_ms']:>10.2f}")
        print(f"  {'limit: fork + request + join':<40}{result['limit_p50_ms']:>10.2f}")
        print(f"  {'ratio to the limit':<40}{result['ratio_to_limit']:>10.2f}")
    RESULTS.mkdir(exist_ok=True)
    kept = {"python": platform.python_version(), "cores": os.cpu_count(), "rounds": rounds, "start": found}
    (RESULTS / "start.json").write_text(json.dumps(kept, indent=2) + "\n")
    print(f"\nkept in {RESULTS / 'start.json'}")


if __name__ == "__main__":
    main()
