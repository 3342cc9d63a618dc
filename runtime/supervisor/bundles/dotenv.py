"""``.env`` beside a bundle's program: variables of that bundle alone.

What is set already stays as it is, as with every program that reads such a file: the same ``.env`` may lie on
an author's machine and in an image whose environment says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from runtime.confinement.ground import Ground
from runtime.process import agents_env
from runtime.process.environment import is_for_agents
from runtime.supervisor.bundles.discovery import program_of

NAME: Final = ".env"


def dotenv_of(source: Path) -> Path:
    """Where a bundle's own variables are, or would be."""
    return program_of(source).parent / NAME


def with_dotenv(
    source: Path, env: Mapping[str, str], ground: Ground | None = None
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Add a bundle's own variables to an environment.  Blocks on the disk.

    Our settings and secrets in the file, which may be the server's as well, are left out.

    Args:
        source: The bundle's file or folder.
        env: What agents see; wins.
        ground: What is whose, where the bundle is held: a link may lead to its own.

    Returns:
        The environment, and the names that were added.

    Raises:
        ConfigError: The file cannot be read, or a line of it is no variable.
        BundleError: It is a link to what is not the bundle's.
    """
    file = dotenv_of(source)
    if not os.path.isfile(file):  # an environment of packages may be called so, and a pipe would never end
        return dict(env), ()

    def judge(path: str) -> None:
        if ground is not None:
            ground.refuse_foreign(os.path.abspath(file), path, named=f"{file}")

    found = agents_env.read(file, is_shared=True, judge=judge)
    added = {name: value for name, value in found.items() if is_for_agents(name) and name not in env}
    return {**added, **env}, tuple(sorted(added))
