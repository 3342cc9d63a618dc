"""Where a MeshAgent SDK is installed: its modules as they are, but for the two names that must be ours.

``meshagent.api.services.ServiceHost`` would bind a port where a bundle only declares its endpoints, and
``meshagent.otel.otel_config`` starts threads, which a process that is to be forked must not have.  Each
module is loaded by its own loader, then that one name in it is exchanged.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_PACKAGE = __name__.partition(".")[0]
_SERVICES = "meshagent.api.services"
_OTEL = "meshagent.otel"

_log = logging.getLogger("otel")
_asked: list[tuple[Callable[..., Any], dict[str, Any]]] = []
_is_exporting = False


def is_sdk_installed() -> bool:
    """Whether a MeshAgent SDK can be imported here; nothing is imported to find out."""
    top = PathFinder.find_spec("meshagent")
    if top is None or top.submodule_search_locations is None:
        return False
    api = PathFinder.find_spec("meshagent.api", list(top.submodule_search_locations))
    if api is None or api.submodule_search_locations is None:
        return False
    return PathFinder.find_spec(_SERVICES, list(api.submodule_search_locations)) is not None


def sdk_version() -> str:
    """The version of the installed SDK; empty when it does not say."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("meshagent-api")
    except PackageNotFoundError:
        return ""


def is_active() -> bool:
    """Whether this process runs an installed SDK's classes under our host."""
    return OverlayFinder in map(type, sys.meta_path)  # by type: `isinstance` asks an abstract class, slowly


def install() -> None:
    """Exchange the two names as their modules are imported; a second call does nothing."""
    if not is_active():
        sys.meta_path.insert(0, OverlayFinder())


def uninstall() -> None:
    """Stop exchanging; modules that were loaded keep our names until they are loaded anew."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, OverlayFinder)]
    for name in (_SERVICES, _OTEL):
        sys.modules.pop(name, None)
    _asked.clear()


def apply_otel() -> None:
    """Do what the bundle asked of the SDK's own ``otel_config``.  Called once, after the fork."""
    global _is_exporting
    while _asked:
        configure, asked = _asked.pop(0)
        try:
            configure(**asked)
            _is_exporting = True
        except Exception as error:  # noqa: BLE001 - telemetry that cannot be set up must not cost a session
            _log.warning("otel_config failed, nothing is exported: %s: %s", type(error).__name__, error)


def hand_over_otel() -> None:
    """Have done by our own telemetry what the bundle asked of the SDK's."""
    if _asked:
        importlib.import_module(f"{_PACKAGE}.sdk.otel").otel_config(**_asked.pop()[1])
        _asked.clear()


def is_exporting() -> bool:
    """Whether telemetry was set up, and may hold something."""
    return _is_exporting


def shutdown_otel() -> None:
    """Send what the SDK's telemetry still holds; may take some seconds.  Nothing where none was set up."""
    for module, get in (
        ("opentelemetry.trace", "get_tracer_provider"),
        ("opentelemetry._logs", "get_logger_provider"),
        ("opentelemetry.metrics", "get_meter_provider"),
    ):
        if module not in sys.modules:
            continue
        shutdown = getattr(getattr(sys.modules[module], get)(), "shutdown", None)
        if shutdown is None:
            continue  # the placeholder of an API whose SDK was never configured
        try:
            shutdown()
        except Exception as error:  # noqa: BLE001 - the collector may be gone; the session's end is not its matter
            _log.warning("telemetry was not sent: %s: %s", type(error).__name__, error)


class OverlayFinder(MetaPathFinder):
    """Finds the two modules where they are installed, and has their one name exchanged."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in (_SERVICES, _OTEL):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Exchanging(spec.loader)
            return spec
        # The telemetry package is one of its own, often left out; its one name costs nothing to have.
        return ModuleSpec(fullname, _OurOtel()) if fullname == _OTEL else None


class _Exchanging(Loader):
    """A module's own loader, and one assignment after it has run."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)  # get_source and the like: tracebacks show its lines as ever

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        if module.__name__ == _SERVICES:
            module.__dict__["ServiceHost"] = _our_host()
        else:
            module.__dict__["otel_config"] = _remembering(module.__dict__["otel_config"])


class _OurOtel(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["otel_config"] = importlib.import_module(f"{_PACKAGE}.sdk.otel").otel_config


def _our_host() -> type[Any]:
    host: type[Any] = importlib.import_module(f"{_PACKAGE}.sdk.host").ServiceHost
    return host


def _remembering(configure: Callable[..., Any]) -> Callable[..., None]:
    def otel_config(**asked: Any) -> None:
        _asked.append((configure, asked))

    otel_config.__doc__ = configure.__doc__
    return otel_config
