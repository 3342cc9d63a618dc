"""One source given to a command: is it there, and did the server get it to run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.cli.api import Api
from runtime.cli.failure import CommandFailed, ExitCode
from runtime.cli.server_process import ServerProcess

LOAD_S = 60.0
SLOW_S = 15.0


def check_source(source: Path) -> None:
    """Raise CommandFailed when there is nothing that could be run."""
    if not source.exists():
        cure = "Name the file that holds your ServiceHost, such as main.py."
        raise CommandFailed(f"there is no {source}", cure=cure, exit_code=ExitCode.USAGE)
    if source.is_file() and source.suffix != ".py":
        cure = "Services in other languages cannot be run so far."
        raise CommandFailed(f"{source} is no Python file", cure=cure, exit_code=ExitCode.USAGE)


def loaded(api: Api, server: ServerProcess, source: Path) -> list[dict[str, Any]]:
    """Wait until the source is loaded; returns its endpoints.

    Raises:
        CommandFailed: It cannot be imported (with its traceback), has no endpoint, or takes too long.
    """
    deadline = time.monotonic() + LOAD_S
    while time.monotonic() < deadline:
        server.check()
        answer = api.get("/workers")
        for bundle in answer.get("bundles", ()):
            if bundle["state"] == "failed":
                raise _failed(source, str(bundle.get("error") or ""), str(bundle.get("detail") or ""))
        endpoints: list[dict[str, Any]] = answer["endpoints"]
        for endpoint in endpoints:
            if endpoint["state"] == "failed":
                raise _failed(source, str(endpoint.get("error") or ""), str(endpoint.get("detail") or ""))
        is_loaded = all(bundle["state"] == "ready" for bundle in answer.get("bundles", ()))
        # It answers before it takes calls: what an earlier server accepted goes first.
        if endpoints and is_loaded and api.get("/healthz")["status"] != "starting":
            return endpoints
        if answer.get("bundles") and is_loaded and not endpoints:
            cure = (
                'Register one: @service.path("/chat", identity="chatbot") above a class, then service.run().'
            )
            raise CommandFailed(f"{source} registers no endpoint", cure=cure)
        time.sleep(0.02)
    cure = "Does its import wait for something? See the lines above."
    raise CommandFailed(
        f"{source} was not loaded within {LOAD_S:g} s", cure=cure, exit_code=ExitCode.NOT_READY
    )


def until_served(
    api: Api,
    server: ServerProcess,
    source: Path,
    *,
    tell: Callable[[CommandFailed], None],
    is_over: Callable[[], bool],
) -> list[dict[str, Any]]:
    """Wait until something of the source is served, however often it must be saved for that.

    Args:
        tell: Takes what keeps a bundle from being loaded, each once.
        is_over: Asked all the time; whether to give up, and return nothing.
    """
    told: set[tuple[str, str]] = set()
    slow_at = time.monotonic() + SLOW_S
    while not is_over():
        server.check()
        answer = api.get("/workers")
        bundles = answer.get("bundles", ())
        for bundle in bundles:
            known = (bundle["name"], str(bundle.get("error") or ""))
            if known[1] and known not in told:
                told.add(known)
                tell(_failed(source, known[1], str(bundle.get("detail") or "")))
        loading = [bundle["name"] for bundle in bundles if bundle["state"] == "loading"]
        served = [one for one in answer["endpoints"] if one["state"] == "ready" and one["path"]]
        if served and not loading and api.get("/healthz")["status"] != "starting":
            return served
        if loading and time.monotonic() > slow_at and ("", "") not in told:
            told.add(("", ""))
            cure = "Does its import wait for something?"
            tell(CommandFailed(f"{', '.join(loading)} is still being imported", cure=cure))
        time.sleep(0.05)
    return []


def _failed(source: Path, error: str, detail: str) -> CommandFailed:
    head, _, cure = error.partition(". ")
    detail = detail if detail.startswith("Traceback") else ""  # else it says no more than the error
    return CommandFailed(head or f"{source} cannot be loaded", cure=cure, detail=detail)
