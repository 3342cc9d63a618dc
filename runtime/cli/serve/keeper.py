"""Run a server for a command that stays in the foreground: the same keeper of processes that `serve` is.

Started as ``python -m runtime.cli.serve.keeper ARGV...`` by `runtime.cli.server_process`, with which it ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Keep the server whose command line is in the arguments; returns its exit status."""
    parent = int(sys.argv[1])
    if sys.platform == "linux":
        # The command may be killed: the server then ends in order, as after Ctrl-C.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return 0
    from runtime.process.init.init import Init

    return Init(sys.argv[2:]).run()


if __name__ == "__main__":
    sys.exit(main())
