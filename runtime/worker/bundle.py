"""A bundle's program: run as far as its declarations, and from there as what its process is for.

The program runs as ``__main__``, unchanged.  Where it comes to its last line, ``asyncio.run(service.run())``,
the process takes on its role (a zygote, a session, a replay) and comes back only when a session has ended.
The program is not unwound before, so what it opened around that line is open in every session.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn, Protocol

import msgspec

from runtime.compat import finder
from runtime.errors import BundleError
from runtime.sdk import host, loading
from runtime.sdk.endpoint import Endpoint, is_hostable
from runtime.sdk.program.call_site import CallSite
from runtime.worker.program import leaving
from runtime.worker.program.main_program import Program
from runtime.worker.program.outer_loop import OuterLoop

MAX_ENDPOINTS = 200


class LoadedBundle(msgspec.Struct, frozen=True):
    """A bundle whose program has run.

    Attributes:
        folder: Where its program lives.
        endpoints: By path.
        name: The service's name; empty when it has none.
        sha256: Of the program's file as it was run, in hexadecimal.
        modified_at: When that file was last changed, seconds since the epoch.
    """

    folder: Path
    endpoints: dict[str, Endpoint]
    name: str
    sha256: str = ""
    modified_at: float = 0.0


class Role(Protocol):
    """What a process is once its program has declared what it serves."""

    def live(self, loaded: LoadedBundle, outer: OuterLoop) -> int:
        """Be it, while no event loop runs; returns in a session's process alone, with its exit code."""
        ...

    def live_within(self, loaded: LoadedBundle) -> Coroutine[Any, Any, int] | None:
        """Be it in the program's own event loop; None for a role that must not."""
        ...

    def failed(self, error: BaseException) -> NoReturn:
        """End the process: its program cannot be served, and would perhaps swallow the error."""
        ...

    def ended_by(self, error: BaseException) -> None:
        """The program ended by this, after it had come to its role."""
        ...


def run(program: Program, role: Role) -> int:
    """Run the program and, from within it, the role; returns the exit code of a session's process.

    What the program declared before an exit without error counts, and so does what it never served.

    Raises:
        BundleError: It declares nothing that could be served, or too much.
        Exception: Whatever the program raised before it came to its role.
    """
    finder.install()
    turn = _Turn(program, role)
    with loading.loading(turn.reached, turn.refused):
        try:
            program.run()
        except BaseException as error:
            if turn.has_begun:
                role.ended_by(error)
                return leaving.code_of(error)
            if not (isinstance(error, SystemExit) and error.code in (None, 0) and loading.declared()):
                raise
    if turn.has_begun:
        return turn.code  # the program swallowed its exit, and came to its end all the same
    loaded = _declared_by(program)
    try:
        turn.live(loaded)
    except BaseException as error:  # noqa: BLE001 - the session's: nothing of the program is left to see it
        return leaving.code_of(error)


class _Turn:
    """The moment at which a program comes to ``run``, and what follows."""

    def __init__(self, program: Program, role: Role) -> None:
        self._program = program
        self._role = role
        self._pid = os.getpid()
        self.code = 0
        self.has_begun = self._has_ended = False

    def reached(self, site: CallSite) -> Coroutine[Any, Any, None]:
        """See `runtime.sdk.loading.Reached`."""
        self._check(site)
        self._program.came_to(site)
        if site.is_for_asyncio_run and asyncio._get_running_loop() is None:
            loaded = self._declared()
            within = self._role.live_within(loaded)
            if within is None:
                self.live(loaded)  # without a loop of the program's, which nobody would use
            return self._await(within)
        return self._at_first_step(site)

    def refused(self, error: BundleError) -> None:
        """It was called where it must not be."""
        if not self.has_begun and os.getpid() == self._pid:
            self._role.failed(error)

    async def _at_first_step(self, site: CallSite) -> None:
        self._check(site)
        loaded = self._declared()
        within = self._role.live_within(loaded)
        if within is None:
            self.live(loaded)
        await self._await(within)

    def _check(self, site: CallSite) -> None:
        if self._has_ended:
            leaving.leave(self.code)  # a loop that starts its service again, whatever has ended it
        if self.has_begun or os.getpid() != self._pid:
            raise loading.not_the_start(site)

    def _declared(self) -> LoadedBundle:
        try:
            return _declared_by(self._program)
        except BundleError as error:
            self._role.failed(error)

    def live(self, loaded: LoadedBundle) -> NoReturn:
        """Take on the role; the session's process leaves this by SystemExit, as the agent left its loop."""
        outer = OuterLoop()
        self.has_begun = True
        try:
            with outer.aside():
                code = int(self._role.live(loaded, outer))
        except (SystemExit, KeyboardInterrupt) as left:
            self._over(left.code if isinstance(left, SystemExit) else 1)
            raise
        except BaseException:  # noqa: BLE001 - ours: the program must not take it for its own
            traceback.print_exc()
            code = 1
        self._over(code)
        raise SystemExit(code)

    async def _await(self, within: Coroutine[Any, Any, int]) -> None:
        self.has_begun, code = True, 1
        try:
            code = int(await within)
        finally:
            self._over(code)
        raise SystemExit(code)

    def _over(self, code: object) -> None:
        self.code = leaving.number(code)
        self._has_ended = True
        leaving.bound(self.code)


def _declared_by(program: Program) -> LoadedBundle:
    hosts = list(loading.declared())
    endpoints = [endpoint for service in hosts for endpoint in service.endpoints]
    if not endpoints:
        endpoints = _classes_of(program.file)
    if not endpoints:
        raise BundleError(
            f"{program.file.name} declares no endpoint",
            cure='Make a ServiceHost and put @service.path("/name", identity="name") above a class.',
        )
    if len(endpoints) > MAX_ENDPOINTS:
        raise BundleError(
            f"{program.file.name} declares {len(endpoints)} endpoints; {MAX_ENDPOINTS} are the most"
        )
    by_path: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        if endpoint.path in by_path:
            raise BundleError(
                f"{program.file.name} declares {endpoint.path} twice", cure="Give each its own path."
            )
        by_path[endpoint.path] = endpoint
    name = next((service.name for service in hosts if service.name), "") or ""
    return LoadedBundle(program.folder, by_path, name, program.sha256, program.modified_at)


def _classes_of(program: Path) -> list[Endpoint]:
    """A file without a ServiceHost: each agent, tool or toolkit class defined in it is served."""
    stem = program.parent.name if program.name == "main.py" else program.stem
    found: list[type[Any]] = [
        value
        for value in vars(sys.modules["__main__"]).values()
        if isinstance(value, type) and value.__module__ == "__main__" and is_hostable(value)
    ]
    service = host.ServiceHost()
    for cls in found:
        name = stem if len(found) == 1 else _kebab(cls.__name__)
        service.add_path(f"/{name}", cls=cls, identity=name)
    return list(service.endpoints)


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
