"""Errors of containers, a branch of the one tree of errors."""

from __future__ import annotations

from runtime.errors import Conflict, NotFound, NotSupported, RoomError


class NoEngine(NotSupported):
    """Nothing here runs containers, or what does knows no such image."""

    code = "no_container_engine"


class EngineFailed(RoomError):
    """What runs containers refused, in its words."""

    code = "container_engine_failed"


class EngineSilent(EngineFailed):
    """What runs containers did not answer in time."""

    code = "container_engine_silent"


class ContainerNotFound(NotFound):
    """The room has no such container."""

    code = "container_not_found"


class ServiceNotFound(NotFound):
    """There is no such service."""

    code = "service_not_found"


class NameTaken(Conflict):
    """A container that runs has this name already."""

    code = "container_name_taken"


class WrongState(Conflict):
    """The container is in a state that forbids the request."""

    code = "container_state"
