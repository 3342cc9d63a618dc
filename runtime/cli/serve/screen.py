"""The screen of a server: what it offers, then the table of its agents."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from runtime import __version__
from runtime.cli.api import Api, running_in
from runtime.cli.failure import CommandFailed
from runtime.cli.ports import check_free
from runtime.cli.serve.foreground import SETTLE_S, Foreground, Key, heading, since_start_s
from runtime.cli.serve.studio import studio_line
from runtime.cli.terminal import say
from runtime.front.home.state_folder import claim
from runtime.model.contract import DEFAULT_MODEL
from runtime.process import agents_env
from runtime.settings import load_settings


def show_screen(
    flags: Mapping[str, Any],
    sources: Sequence[Path],
    config: Path | None,
    *,
    keys: Mapping[str, Key] | None = None,
    footer: str = "Ctrl-C to stop",
    show_prints: bool = True,
    opens: bool = False,
) -> int:
    """Serve in the foreground until told to stop; returns the exit status.

    Args:
        opens: Open the Studio in the browser of whoever sits there.

    Raises:
        CommandFailed: The server could not start, or ended by itself.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    settings = load_settings(flags=given, env=os.environ, file=config)
    variables = agents_env.in_force(settings.server.agents_env, sources)
    check_free(settings)
    given["server.state_dir"] = free_state_dir(settings.server.state_dir)
    foreground = Foreground(given, sources, config, keys=keys, footer=footer, show_prints=show_prints)
    foreground.drain_s = settings.server.drain_s
    foreground.hold()
    with foreground.pressed if keys and not foreground.plain else nullcontext():
        api = foreground.start()
        ready_s = since_start_s()
        say(heading(__version__, ready_s))
        say()
        try:
            settle_s = 0.0 if settings.cluster.nodes else SETTLE_S  # when one joins, nobody knows
            foreground.settle(settle_s, called=bool(settings.server.room))
        except CommandFailed:
            foreground.abandon()
            raise
        say(studio_line(api, settings.server.room, opens=opens))
        if settings.cluster.nodes and not foreground.rows:
            say("  Machines    none yet: `bulkhead nodes token` prints what they join with")
        for line in _offers(api, foreground, {**os.environ, **variables}):
            say(line)
        say()
        foreground.release()
        return foreground.watch()


def free_state_dir(base: Path) -> Path:
    """The folder, or ``run`` below it while another server uses the folder.

    Raises:
        CommandFailed: Both are in use.
        ConfigError: It cannot be written.
    """
    for folder in (base, base / "run"):
        claimed = claim(folder)
        if running_in(claimed) is None:
            return claimed.resolve()
    raise CommandFailed(
        f"two servers keep their state in {base} already ({running_in(base)}, {running_in(base / 'run')})",
        cure="Stop one, or give this one a folder of its own: --state-dir.",
    )


def model_line(env: Mapping[str, str]) -> str:
    """Which model agents will ask."""
    model = env.get("OPENAI_MODEL") or DEFAULT_MODEL
    if env.get("OPENAI_BASE_URL"):
        return f"{model} at {env['OPENAI_BASE_URL']}"
    if env.get("OPENAI_API_KEY"):
        return f"{model} at OpenAI"
    return "built-in offline model  (set OPENAI_API_KEY or OPENAI_BASE_URL for a real one)"


def _offers(api: Api, foreground: Foreground, env: Mapping[str, str]) -> list[str]:
    # Of a bundle that is still being loaded no path is known.
    paths = [row.path for row in foreground.rows if row.state != "failed" and row.path.startswith("/")]
    first = "/chat" if "/chat" in paths else (paths[0] if paths else "/<endpoint>")
    lines = [f"  Webhooks    POST {api.url}{first}"]
    lines.append(f"  Workers     {api.url}/workers")
    lines.append(f"  Model       {model_line(env)}")
    return lines
