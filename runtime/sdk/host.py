"""ServiceHost: what a bundle serves.

Theory: one program runs in several places; see `runtime.sdk.loading`.  Where nobody takes ``run`` over, it
starts the real server in this process, which then starts a zygote of the same program.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from runtime.confinement.confine import Confine
from runtime.errors import BundleError, ConfigError, EndpointConflict, InvalidTransition, RuntimeServiceError
from runtime.sdk import loading
from runtime.sdk.endpoint import (
    Endpoint,
    Kind,
    Portable,
    checked_confinement,
    checked_limits,
    checked_path,
    checked_restart,
    checked_type,
    describe,
    is_hostable,
    kind_of,
    permissions_json,
    portable,
)
from runtime.sdk.program.shadows import own_modules_aside, uncollected
from runtime.sdk.stop_signals import StopSignals
from runtime.session.spec import Limits
from runtime.wire.manifest.own import EndpointSpec, service_spec

__all__ = [
    "Endpoint",
    "Kind",
    "Portable",
    "ServiceHost",
    "is_hostable",
    "portable",
]

DEFAULT_IDENTITY = "agent"

_log = logging.getLogger("services")
_Class = TypeVar("_Class", bound=type[Any])


class Server(Protocol):
    """The server that ``run`` starts outside of a zygote (``runtime.front.local_server.LocalServer``)."""

    async def start(self) -> None:
        """Bind and serve."""
        ...

    async def stop(self) -> None:
        """Drain and leave."""
        ...

    async def wait(self) -> None:
        """Return when the server has ended by itself."""
        ...


class ServiceHost:
    """Agents and tools at webhook paths.  Constructing one binds nothing.

    Args:
        host: Address to bind; the environment's ``MESHAGENT_HOST``, or the server's default, when None.
        port: Port to bind; ``MESHAGENT_PORT``, or a free one, when None.
        webhook_secret: Signs webhooks; ``MESHAGENT_WEBHOOK_SECRET`` when None.
        name: The service's name in its description.

    Raises:
        ConfigError: The port is not a port.
    """

    def __init__(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        webhook_secret: str | None = None,
        name: str | None = None,
    ) -> None:
        self.host = host if host is not None else os.environ.get("MESHAGENT_HOST") or None
        self.port = _port(port)
        self.name = name
        self._webhook_secret = webhook_secret or os.environ.get("MESHAGENT_WEBHOOK_SECRET") or None
        self._endpoints: dict[str, Endpoint] = {}
        self._server: Server | None = None
        self._made_in = sys._getframe(1).f_code.co_filename
        loading.record(self)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """What is served, in order of registration."""
        return tuple(self._endpoints.values())

    def path(
        self,
        path: str,
        *,
        identity: str | None = None,
        permissions: Any = None,
        limits: Limits | Mapping[str, Any] | None = None,
        restart: str | None = None,
        concurrency: int | None = None,
        title: str | None = None,
        description: str | None = None,
        confinement: Confine | Mapping[str, Any] | None = None,
    ) -> Callable[[_Class], _Class]:
        """Serve the decorated class at ``path``; the class itself is returned unchanged.

        Args:
            identity: The name it joins rooms as; ``"agent"`` when None.
            permissions: What its token allows: a mapping of API families, or an ApiScope.
            limits: Budgets of each session: Limits, or a mapping such as ``{"memory": "512MiB"}``.
            restart: Which ends of its sessions are followed by another attempt: ``"never"``,
                ``"on_failure"`` or ``"always"``; None for the server's default.
            concurrency: Sessions of it at once; None for the server's default.
            title: For people; the class's own when None.
            description: For people; the class's own, or its docstring's first line, when None.
            confinement: What each session may reach: Confine, or a mapping such as ``{"write": ["data"]}``.

        Raises:
            BundleError: The path, the permissions or the policy cannot be used.
            ConfigError: A limit, or what is said of its confinement, cannot be used.
            TypeError: An argument is of another type.
        """
        # Here already, where the line is that of the decorator.
        checked_path(path)
        checked_restart(restart)
        permissions_json(permissions)
        limits = _limits(limits, concurrency)
        confinement = checked_confinement(confinement)
        for name, value in (("identity", identity), ("title", title), ("description", description)):
            checked_type(name, value, str, '"a text"')

        def register(cls: _Class) -> _Class:
            self.add_path(
                path,
                cls=cls,
                identity=identity,
                permissions=permissions,
                limits=limits,
                restart=restart,
                title=title,
                description=description,
                confinement=confinement,
            )
            return cls

        return register

    def add_path(
        self,
        path: str,
        *,
        cls: type[Any],
        identity: str | None = None,
        permissions: Any = None,
        limits: Limits | Mapping[str, Any] | None = None,
        restart: str | None = None,
        concurrency: int | None = None,
        title: str | None = None,
        description: str | None = None,
        confinement: Confine | Mapping[str, Any] | None = None,
    ) -> None:
        """Serve ``cls`` at ``path``.

        Raises:
            EndpointConflict: The path is taken.
            BundleError: The path, the class, the permissions or the policy cannot be used.
            TypeError: An argument is of another type.
        """
        checked_path(path)
        if not isinstance(cls, type):
            raise BundleError(
                f"{path} was given {cls!r}, which is not a class",
                cure="Put @service.path above a class, or pass cls=TheClass; it is constructed per session.",
            )
        if path in self._endpoints:
            other = self._endpoints[path].cls.__name__
            raise EndpointConflict(
                f"{path} is registered twice: for {other} and for {cls.__name__}",
                cure="Give each its own path.",
            )
        if identity is None and any(one.identity == DEFAULT_IDENTITY for one in self.endpoints):
            _log.warning(
                "%s joins rooms as %r, and so does another endpoint; give it an identity",
                path,
                DEFAULT_IDENTITY,
            )
        own_title, own_description = describe(cls)
        self._endpoints[path] = Endpoint(
            path=path,
            identity=identity or DEFAULT_IDENTITY,
            cls=cls,
            permissions=permissions_json(permissions),
            limits=_limits(limits, concurrency),
            title=title or own_title,
            description=description or own_description,
            kind=kind_of(cls),
            restart=checked_restart(restart),
            confinement=checked_confinement(confinement),
        )

    def has_path(self, path: str) -> bool:
        """Whether something is served at ``path``."""
        return path in self._endpoints

    def get_service_spec(
        self,
        *,
        image: str = "",
        command: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The service's description, as a manifest of kind ``Service``."""
        listed = [
            EndpointSpec(path=one.path, identity=one.identity, api=one.permissions) for one in self.endpoints
        ]
        return service_spec(
            listed,
            port=self.port or 0,
            name=self.name or "",
            image=image,
            command=command,
            environment=environment,
        )

    def start(self) -> Coroutine[Any, Any, None]:
        """Bind the port and serve, in this process; return once it answers.  See ``stop``.

        Raises:
            InvalidTransition: It is started already.
            BundleError: This process is not the program's start: the program was imported, say.
        """
        # Not `async def`: where it is taken over, `asyncio.run(service.run())` needs no loop.
        return loading.reached(sys._getframe(1)) or self._start()

    async def stop(self) -> None:
        """Drain the sessions and stop serving; nothing when it does not serve."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop()

    def run(self) -> Coroutine[Any, Any, None]:
        """Serve until SIGTERM, SIGINT or SIGABRT, then drain.  A second signal leaves at once.

        In a session's process it ends the program with SystemExit once the session has ended.

        Raises:
            InvalidTransition: It is started already.
            BundleError: This process is not the program's start: the program was imported, say.
        """
        return loading.reached(sys._getframe(1)) or self._run()

    async def _start(self) -> None:
        if self._server is not None:
            raise InvalidTransition("the service host is started already", cure="Stop it first.")
        # Found by name when it is needed: agents import this module in every worker, and a worker must
        # neither load the HTTP server nor depend on it.
        with own_modules_aside(), uncollected():
            module = importlib.import_module(f"{__name__.partition('.')[0]}.front.local_server")
        server: Server = module.LocalServer(
            bundle=self._program(),
            host=self.host,
            port=self.port,
            webhook_secret=self._webhook_secret,
            name=self.name,
        )
        self._server = server
        try:
            await server.start()
        except BaseException:
            self._server = None
            raise

    async def _run(self) -> None:
        with StopSignals() as signals:
            try:
                try:
                    await self._start()
                except InvalidTransition:
                    raise
                except RuntimeServiceError as error:
                    # `run` is the program's last line: nobody above it could do anything about it.
                    raise SystemExit(f"error: {error}") from None
                assert self._server is not None
                await _first(signals.asked.wait(), self._server.wait())
                await self.stop()
            except asyncio.CancelledError:
                if signals.forced is not None:
                    raise SystemExit(128 + signals.forced) from None
                await self.stop()
                raise

    def _program(self) -> Path:
        """The file a zygote runs to declare the same endpoints again."""
        main = getattr(sys.modules.get("__main__"), "__file__", None)
        ours = main is not None and (
            self._made_in == main or any(one.cls.__module__ == "__main__" for one in self.endpoints)
        )
        program = Path(main if ours and main else self._made_in)
        if not program.is_file():
            raise BundleError(
                "a service host needs a file to run its agents from",
                cure="Put it into a file, such as main.py, and run `python main.py`.",
            )
        return program.resolve()


def _limits(limits: Limits | Mapping[str, Any] | None, concurrency: int | None) -> Limits | None:
    checked_type("concurrency", concurrency, int, "2")
    checked = checked_limits(limits)
    return checked if concurrency is None else replace(checked or Limits(), concurrency=concurrency)


def _port(port: int | str | None) -> int | None:
    given: int | str | None = port
    source = "port"
    if given is None:
        given, source = os.environ.get("MESHAGENT_PORT") or None, "MESHAGENT_PORT"
    if given is None:
        return None
    try:
        number = int(given)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= 65535:
        raise ConfigError(
            f"{source} is {given!r}, which is not a port",
            cure="Give a number from 1 to 65535, or leave it out for a free port.",
        )
    return number


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
