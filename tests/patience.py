"""How much longer than on a quiet machine a test waits before it gives up.

A guard against waiting for ever costs nothing while a test passes, so each is a number of seconds times
`PATIENCE`.  ``BULKHEAD_TEST_PATIENCE`` names it; without, it is measured once for a run: what part of a
processor this run gets beside what else the machine does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

VARIABLE: Final = "BULKHEAD_TEST_PATIENCE"
LEAST: Final = 2.0
MOST: Final = 12.0
_PROBE: Final = (
    "import time; began = time.monotonic(); used = time.process_time()\n"
    "while time.monotonic() - began < 0.3: pass\n"
    "print((time.process_time() - used) / (time.monotonic() - began))"
)


def patience_for(share: float, load_per_core: float) -> float:
    """The factor for a run that gets `share` of a processor on a machine that was as busy as this lately."""
    return max(LEAST, min(MOST, LEAST * max(1 / max(share, 0.01), load_per_core)))


def _measured() -> float:
    count = len(os.sched_getaffinity(0))
    probes = [
        subprocess.Popen([sys.executable, "-ISc", _PROBE], stdout=subprocess.PIPE) for _ in range(count)
    ]
    shares = [float(probe.communicate()[0] or 1) for probe in probes]
    return patience_for(min(shares), os.getloadavg()[0] / count)


def patience() -> float:
    """This run's factor; the processes of a run share the one that was measured first, and the processors."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = f"{_measured():.1f}"
    crowd = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) / len(os.sched_getaffinity(0))
    return float(os.environ[VARIABLE]) * max(1.0, crowd)


PATIENCE: Final = patience()
