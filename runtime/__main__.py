"""``python -m runtime`` is the command ``bulkhead``."""

from __future__ import annotations

import gc

gc.disable()  # what is imported stays: to look for garbage among it takes a sixth of the time

try:
    from runtime.cli.main import main as command
except KeyboardInterrupt:  # Ctrl-C already: there is nothing to end, and nothing to tell
    raise SystemExit(130) from None


def main() -> None:
    """The command, as a program of its own."""
    gc.freeze()
    gc.enable()
    command()


if __name__ == "__main__":
    main()
