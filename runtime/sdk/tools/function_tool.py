"""Tools made of plain typed functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, cast, overload

from runtime.sdk.tools.signature import CallSignature
from runtime.sdk.tools.toolkit import Tool, ToolContext, Toolkit, accepts

Hosted = Callable[..., Any] | Tool | Toolkit
"""What an author lists as a tool; classes of tools and toolkits among it."""


class FunctionTool(Tool):
    """A tool with a name and a schema, under its newer name; ``@tool`` makes one of a function.

    Args:
        function: What to call instead of an overridden ``execute``.
    """

    def __init__(self, *, function: Callable[..., Any] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._function = function
        self._call_signature: CallSignature | None = None
        if function is not None:
            self._call_signature = CallSignature(function, name=self.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, as if it had not been decorated."""
        if self._function is None:
            raise TypeError(f"{self.name!r} wraps no function; use `await tool.execute(context, …)`")
        return self._function(*args, **kwargs)

    async def execute(self, context: ToolContext, **kwargs: Any) -> Any:
        """Call the function with the arguments, and with the context if it asks for one."""
        if self._function is None or self._call_signature is None:
            return await super().execute(context, **kwargs)
        if self._call_signature.context_name is not None:
            kwargs[self._call_signature.context_name] = context
        outcome = self._function(**kwargs)
        return await outcome if inspect.isawaitable(outcome) else outcome

    async def _execute(
        self, context: ToolContext, arguments: dict[str, Any], attachment: bytes | None
    ) -> Any:
        if self._function is None:
            return await super()._execute(context, arguments, attachment)
        if accepts(self._function, "attachment"):
            arguments["attachment"] = attachment
        return await self.execute(context, **arguments)

    def _signature(self) -> CallSignature | None:
        return self._call_signature or super()._signature()


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def tool(
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    rules: Sequence[str] | None = None,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    rules: Sequence[str] | None = None,
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a tool of a typed function: ``@tool`` or ``@tool(name=…)``.

    The name is the function's, the description its docstring, the schema that of its annotations.
    A parameter named ``context`` receives the ToolContext.
    """

    def make(wrapped: Callable[..., Any]) -> FunctionTool:
        return FunctionTool(
            function=wrapped,
            name=name or wrapped.__name__,
            title=title,
            description=description or inspect.getdoc(wrapped),
            rules=rules,
        )

    return make if function is None else make(function)


def toolkits_of(given: Sequence[Hosted], *, name: str) -> list[Toolkit]:
    """The toolkits of what an author lists as tools: functions become tools, tools a toolkit of that name.

    Raises:
        TypeError: Something else is among them, or no list is given.
        BundleError: A function whose arguments no schema can describe, or two tools of one name.
    """
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"tools is of type {type(given).__name__}; write a list: tools=[look_up]")
    toolkits: list[Toolkit] = []
    tools: list[Tool] = []
    for one in given:
        is_class = isinstance(one, type) and issubclass(one, Tool | Toolkit)
        made: Any = cast("Any", one)() if is_class else one
        if isinstance(made, Toolkit):
            toolkits.append(made)
        elif isinstance(made, Tool):
            tools.append(made)
        elif callable(made) and not isinstance(made, type):
            tools.append(tool(made))
        else:
            raise TypeError(
                f"tools has {made!r:.80} in it, of type {type(made).__name__}; "
                "write functions with type hints, tools or toolkits"
            )
    return [*toolkits, *([Toolkit(name=name, tools=tools)] if tools else ())]
