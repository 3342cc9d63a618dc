"""Where engines usually are; without what it takes to talk to them, which takes a while to be imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def sockets() -> Iterator[str]:
    """Addresses where engines usually are."""
    run = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
    for path in (
        "/var/run/docker.sock",
        f"{run}/docker.sock",
        os.path.expanduser("~/.docker/run/docker.sock"),
        f"{run}/podman/podman.sock",
        "/run/podman/podman.sock",
    ):
        if Path(path).is_socket():
            yield f"unix://{path}"
