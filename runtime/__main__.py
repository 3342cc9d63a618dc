"""``python -m runtime`` is the command ``bulkhead``."""

from __future__ import annotations

from runtime.cli.main import main

if __name__ == "__main__":
    main()
