"""Tools, things an agent, a person or a model can call, and toolkits, tools under one name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.errors import BundleError, ToolNotFound
from runtime.sdk.room.participant import Participant
from runtime.sdk.room.room_exception import RoomException
from runtime.sdk.tools.keywords import refuse_unknown
from runtime.sdk.tools.response import ensure_content
from runtime.sdk.tools.schema import Schema
from runtime.sdk.tools.signature import ANY_OBJECT, CallSignature
from runtime.wire.content import Content

if TYPE_CHECKING:
    from runtime.sdk.room.client import RoomClient

_NEWER_OF_TOOLS = frozenset({"input_spec", "output_schema", "output_spec", "pricing"})
_NEWER_OF_TOOLKITS = frozenset({"client_options", "hidden", "room", "trace_tool_calls", "validation_mode"})
"""What some release of MeshAgent's classes takes beyond."""


class ToolContext:
    """Who calls a tool, and where.

    Args:
        caller: The participant that called.
        on_behalf_of: Whom it acts for, when it said so.
        room: The room of the call; None in a test without one.
        caller_context: What the caller passed along beside the arguments.
        arguments: What the call brought along that called the tool's host into the room.
        event_handler: Receives what the tool ``emit``s while it works.
    """

    def __init__(
        self,
        *,
        caller: Participant,
        on_behalf_of: Participant | None = None,
        room: RoomClient | None = None,
        caller_context: Mapping[str, Any] | None = None,
        event_handler: Callable[[dict[str, Any]], None] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self._room = room
        self.caller = caller
        self.on_behalf_of = on_behalf_of
        self.caller_context = None if caller_context is None else dict(caller_context)
        self.arguments = dict(arguments or {})
        self._event_handler = event_handler

    @property
    def room(self) -> RoomClient:
        """The room of the call.  Raises RoomException when the tool was called without one."""
        if self._room is None:
            raise RoomException("this tool was called outside of a room")
        return self._room

    def emit(self, event: dict[str, Any]) -> None:
        """Report progress to whoever runs the tool; ignored when nobody listens."""
        if self._event_handler is not None:
            self._event_handler(event)


class Tool:
    """Something that can be called.  Subclass it and override ``execute``.

    Every argument may be left out: ``name`` is then made from the class's name, ``input_schema``
    from the annotations of ``execute``.  The same names also work as class attributes.

    Args:
        name: Unique in its toolkit.
        input_schema: JSON Schema of the arguments, or a class that has one (a pydantic model, a dataclass);
            they are checked before ``execute`` is called.
        title: For people.
        description: For people and models: what it does and when to use it.
        rules: Texts that an agent using the tool adds to its own rules.
        thumbnail_url: A picture.
        defs: Definitions for ``#/$defs/…`` in the schema.
        supports_context: The tool reads ``context.caller_context``.
        strict: Told to models that distinguish; the arguments are checked either way.
    """

    name: str = ""
    title: str | None = None
    description: str | None = None
    input_schema: Mapping[str, Any] | type[Any] | None = None
    rules: Sequence[str] = ()
    thumbnail_url: str | None = None
    defs: Mapping[str, Any] | None = None
    supports_context: bool = False
    strict: bool = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # In the class and not in __init__, so that a subclass that forgets super().__init__() works too.
        if "name" not in cls.__dict__:
            cls.name = snake_case(cls.__name__)

    def __init__(
        self,
        *,
        name: str | None = None,
        input_schema: Mapping[str, Any] | type[Any] | None = None,
        title: str | None = None,
        description: str | None = None,
        rules: Sequence[str] | None = None,
        thumbnail_url: str | None = None,
        defs: Mapping[str, Any] | None = None,
        supports_context: bool | None = None,
        strict: bool | None = None,
        **newer: Any,
    ) -> None:
        refuse_unknown(self, Tool.__init__, newer, elsewhere=_NEWER_OF_TOOLS)
        given = {
            "name": name,
            "input_schema": input_schema,
            "title": title,
            "description": description,
            "rules": None if rules is None else list(rules),
            "thumbnail_url": thumbnail_url,
            "defs": defs,
            "supports_context": supports_context,
            "strict": strict,
        }
        for attribute, value in given.items():
            if value is not None:
                setattr(self, attribute, value)

    async def execute(self, context: ToolContext, **kwargs: Any) -> Any:
        """Do it.  Return a dict, a text, None or a response; raise to answer with an error.

        A parameter named ``attachment`` receives the bytes that came with the call, or None.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not override `async def execute(self, context, …)`"
        )

    # ---- what hosts and adapters use

    @property
    def schema(self) -> dict[str, Any]:
        """The complete JSON Schema of the arguments, definitions included."""
        return self._compiled()[0].json

    async def call(
        self, *, context: ToolContext, arguments: Mapping[str, Any], attachment: bytes | None = None
    ) -> Content:
        """Check the arguments, execute, and return the result as a content.

        Raises:
            SchemaMismatch: The arguments do not fit; the text names the place.
            RoomException: The result cannot be sent.
            Exception: Whatever ``execute`` raised.
        """
        schema, signature = self._compiled()
        plain = dict(arguments)
        schema.check(plain, what=f"arguments of {self.name!r}")
        return ensure_content(
            await self._execute(context, signature.convert(plain) if signature else plain, attachment)
        )

    async def _execute(
        self, context: ToolContext, arguments: dict[str, Any], attachment: bytes | None
    ) -> Any:
        if accepts(self.execute, "attachment"):
            arguments["attachment"] = attachment
        outcome = self.execute(context, **arguments)
        return await outcome if inspect.isawaitable(outcome) else outcome

    def _compiled(self) -> tuple[Schema, CallSignature | None]:
        compiled: tuple[Schema, CallSignature | None] | None = self.__dict__.get("_compiled_schema")
        if compiled is None:
            signature = None
            schema = self.input_schema
            if schema is None:
                signature = self._signature()
                schema = signature.schema if signature else ANY_OBJECT
            compiled = Schema(schema, defs=self.defs, of=f"the input schema of {self.name!r}"), signature
            self.__dict__["_compiled_schema"] = compiled
        return compiled

    def _signature(self) -> CallSignature | None:
        return CallSignature(type(self).execute, name=self.name)


BaseTool = Tool


class Toolkit:
    """A group of tools.

    Args:
        name: The toolkit's name in the room.
        tools: Its tools; their names must differ.
        title: For people.
        description: For people and models.
        rules: Texts that an agent using the toolkit adds to its own rules.
        thumbnail_url: A picture.
        public: Everybody in the room may find it; otherwise only who names its host.
        annotations: Texts under keys of the author's choice, listed with the toolkit.

    Raises:
        BundleError: Two tools have one name.
    """

    _is_constructed = False

    def __init__(
        self,
        *,
        name: str,
        tools: Iterable[Tool] = (),
        title: str | None = None,
        description: str | None = None,
        rules: Sequence[str] = (),
        thumbnail_url: str | None = None,
        public: bool = True,
        annotations: Mapping[str, str] | None = None,
        **newer: Any,
    ) -> None:
        refuse_unknown(self, Toolkit.__init__, newer, elsewhere=_NEWER_OF_TOOLKITS)
        self._is_constructed = True
        self.name = name
        self.title = title or name
        self.description = description or ""
        self.rules = list(rules)
        self.thumbnail_url = thumbnail_url
        self.public = public
        self.annotations = dict(annotations or {})
        self.tools: list[Tool] = list(tools)
        seen: set[str] = set()
        for tool in self.tools:
            if tool.name in seen:
                raise BundleError(
                    f"toolkit {name!r} has two tools named {tool.name!r}",
                    cure="Give one of them another name.",
                )
            seen.add(tool.name)

    def get_tool(self, name: str) -> Tool:
        """The tool of that name.  Raises ToolNotFound with the names there are."""
        for tool in self.tools:
            if tool.name == name:
                return tool
        known = ", ".join(repr(tool.name) for tool in self.tools) or "none"
        raise ToolNotFound(f"toolkit {self.name!r} has no tool {name!r}", cure=f"It has: {known}")

    async def execute(
        self,
        *,
        context: ToolContext,
        name: str,
        arguments: Mapping[str, Any],
        attachment: bytes | None = None,
    ) -> Content:
        """Call a tool: check the arguments, execute it, return its result as a content.

        Raises:
            ToolNotFound: There is none of that name.
            SchemaMismatch: The arguments do not fit.
            Exception: Whatever the tool raised.
        """
        return await self.get_tool(name).call(context=context, arguments=arguments, attachment=attachment)

    def to_json(self) -> dict[str, Any]:
        """The toolkit as it is registered in a room."""
        described: dict[str, Any] = {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "public": self.public,
            "annotations": self.annotations,
            "tools": {tool.name: _tool_json(tool) for tool in self.tools},
        }
        if self.thumbnail_url is not None:
            described["thumbnail_url"] = self.thumbnail_url
        return described


def _tool_json(tool: Tool) -> dict[str, Any]:
    schema = tool.schema
    described: dict[str, Any] = {
        "title": tool.title or tool.name,
        "description": tool.description or "",
        # Both spellings: older rooms and clients read the first, newer ones the second.  The presence
        # of `input_spec` also tells the room that we take arguments as contents.
        "input_schema": schema,
        "input_spec": {"types": ["json"], "stream": False, "schema": schema},
        "output_spec": None,
        "defs": dict(tool.defs) if tool.defs else schema.get("$defs"),
        "strict": tool.strict,
        "supports_context": tool.supports_context,
    }
    if tool.thumbnail_url is not None:
        described["thumbnail_url"] = tool.thumbnail_url
    return described


def accepts(function: Callable[..., Any], name: str) -> bool:
    """Whether the function has a parameter of that name (``**kwargs`` does not count)."""
    return name in inspect.signature(function).parameters


def snake_case(name: str) -> str:
    """``DataAnalysis`` as ``data_analysis``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
