"""An endpoint: a path, and the class that answers calls to it."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Mapping
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from runtime.confinement.confine import Confine
from runtime.errors import BundleError
from runtime.session.spec import Limits

Kind = Literal["chatbot", "task_runner", "tool", "toolkit", "agent"]

# By name along the method resolution order: nothing needs importing to tell, and the classes of an
# installed MeshAgent SDK are recognised too.  The first match wins, so the special come first.
_KINDS: dict[str, Kind] = {
    "ChatBot": "chatbot",
    "ChatBotBase": "chatbot",
    "TaskRunner": "task_runner",
    "Toolkit": "toolkit",
    "RemoteToolkit": "toolkit",
    "Tool": "tool",
    "BaseTool": "tool",
}
_HOMES = (f"{__name__.rpartition('.')[0]}.", "meshagent.")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+")


@runtime_checkable
class Portable(Protocol):
    """What can be hosted: it is started in a room and, when the session ends, stopped."""

    async def start(self, *, room: Any) -> None:
        """Begin to work in the room; returns once it is ready."""
        ...

    async def stop(self) -> None:
        """Clean up.  The room may be gone already."""
        ...


class Endpoint(msgspec.Struct, frozen=True):
    """One path of a bundle.

    Attributes:
        path: Where webhooks for it arrive, such as ``/chat``.
        identity: The name it joins rooms as.
        cls: Constructed without arguments in a process of its own for each call.
        permissions: API scope of its token as JSON; None for the agents' default.
        limits: Budgets of one session; None for the server's defaults.
        title: For people; None when the class does not say.
        description: The class's ``description``, or the first line of its docstring.
        kind: What sort of thing it is.
        restart: Restart policy of its sessions; None for the server's default.
        confinement: What its sessions may reach; None for what the bundle and the server say.
    """

    path: str
    identity: str
    cls: type[Any]
    permissions: dict[str, Any] | None = None
    limits: Limits | None = None
    title: str | None = None
    description: str | None = None
    kind: Kind = "agent"
    restart: str | None = None
    confinement: Confine | None = None


def checked_path(path: str) -> str:
    """The path, if it can be one.

    Raises:
        BundleError: It is not an absolute path of plain segments.
    """
    if not isinstance(path, str) or not _PATH.fullmatch(path) or len(path) > 200:
        cure = f'Write path="/{path}".' if isinstance(path, str) and _PATH.fullmatch(f"/{path}") else ""
        raise BundleError(
            f"{path!r} cannot be the path of an endpoint", cure=cure or 'A path looks like "/chat" or "/a/b".'
        )
    return path


def checked_restart(policy: str | None) -> str | None:
    """The restart policy, if there is one of that name.

    Raises:
        BundleError: There is not.
    """
    if policy is None or policy in ("never", "on_failure", "always"):
        return policy
    raise BundleError(
        f"{policy!r} is no restart policy", cure='Write restart="never", "on_failure" or "always".'
    )


def checked_limits(limits: Any) -> Limits | None:
    """Limits, or a mapping of their names, as Limits.

    Raises:
        TypeError: It is neither, or has names that are no limits.
        ConfigError: A value cannot be read.
    """
    if limits is None or isinstance(limits, Limits):
        return limits
    if not isinstance(limits, Mapping):
        raise TypeError(
            f"limits is {_shown(limits)}; "
            'write limits=Limits(memory="512MiB") or limits={"memory": "512MiB"}'
        )
    known = list(Limits.__dataclass_fields__)
    for name in limits:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            raise TypeError(f"{name!r} is no limit; {hint}")
    return Limits(**limits)


def checked_confinement(confinement: Any) -> Confine | None:
    """Confine, or a mapping of its names, as Confine.

    Raises:
        TypeError: It is neither.
        ConfigError: A value cannot be used, or a name is unknown.
    """
    if confinement is None or isinstance(confinement, Confine):
        return confinement
    if not isinstance(confinement, Mapping):
        raise TypeError(
            f"confinement is {_shown(confinement)}; "
            'write confinement=Confine(write=["data"]) or confinement={"write": ["data"]}'
        )
    return Confine.of(confinement)


def checked_type(name: str, value: Any, kind: type[Any], example: str) -> None:
    """Return when an argument is left out or of its type.

    Raises:
        TypeError: It is neither; says what to write.
    """
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise TypeError(f"{name} is {_shown(value)}; write {name}={example}")


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:59] + '…'}, of type {type(value).__name__}"


def kind_of(cls: type[Any]) -> Kind:
    """What sort of thing a class is; anything that is only portable is an ``agent``."""
    for base in cls.__mro__:
        if base.__module__.startswith(_HOMES) and base.__name__ in _KINDS:
            return _KINDS[base.__name__]
    return "agent"


def is_hostable(cls: type[Any]) -> bool:
    """Whether instances of the class can be served: an agent, a tool, a toolkit, or start and stop."""
    if inspect.isabstract(cls) or getattr(cls, "_is_protocol", False):
        return False
    if kind_of(cls) != "agent":
        return True
    return all(inspect.isroutine(getattr(cls, name, None)) for name in ("start", "stop"))


def describe(cls: type[Any]) -> tuple[str | None, str | None]:
    """Title and description of a class, as far as it says without being constructed."""
    title, description = getattr(cls, "title", None), getattr(cls, "description", None)
    if not isinstance(description, str):
        lines = (cls.__doc__ or "").strip().splitlines()
        description = lines[0].strip() if lines else None
    return title if isinstance(title, str) else None, description


def permissions_json(permissions: Any) -> dict[str, Any] | None:
    """A scope as JSON: a mapping, or an object that dumps itself (``ApiScope``).

    Raises:
        BundleError: It is neither.
    """
    if permissions is None:
        return None
    if isinstance(permissions, Mapping):
        return dict(permissions)
    for name in ("to_json", "model_dump"):
        dump = getattr(permissions, name, None)
        if callable(dump):
            dumped = dump(mode="json", exclude_none=True) if name == "model_dump" else dump()
            if isinstance(dumped, dict):
                return dumped
    raise BundleError(
        f"permissions of type {type(permissions).__name__} cannot be used",
        cure='Give a mapping of API families, such as {"messaging": {}, "agents": {}}, or an ApiScope.',
    )


def portable(instance: Any) -> Portable:
    """What the session starts and stops: the instance, or a toolkit that hosts a bare tool or toolkit.

    Raises:
        BundleError: It is nothing that can be hosted.
        TypeError: Its constructor did not call that of the class it derives from.
    """
    if not getattr(instance, "_is_constructed", True):
        code = getattr(type(instance).__init__, "__code__", None)
        at = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
        raise TypeError(
            f"{type(instance).__name__}.__init__{at} does not call super().__init__(): "
            "put super().__init__(…) first in it, with name, description and so on as arguments"
        )
    if all(callable(getattr(instance, name, None)) for name in ("start", "stop")):
        hosted: Portable = instance
        return hosted
    if kind_of(type(instance)) in ("tool", "toolkit"):
        from runtime.sdk.tools.remote_toolkit import RemoteToolkit

        return RemoteToolkit.of(instance)
    name = type(instance).__name__
    raise BundleError(
        f"{name} cannot be hosted: it has no `async def start(self, *, room)` and no `async def stop(self)`",
        cure="Derive it from ChatBot, TaskRunner, SingleRoomAgent, Tool or Toolkit, or give it both methods.",
    )
