"""Keyword arguments that a class does not have: refused with the nearest name, or known from elsewhere.

Releases of the MeshAgent SDK differ in what their constructors take.  What any of them takes is accepted, and
named in the log where it has no effect here; what none of them takes is a mistake of whoever wrote it.
"""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

_log = logging.getLogger("agents")

_ALIKE: Final[Mapping[str, tuple[str, ...]]] = {
    "adapter": ("llm_adapter",),
    "func": ("function", "tools"),
    "functions": ("tools", "toolkits"),
    "instruction": ("instructions", "rules"),
    "instructions": ("rules",),
    "llm": ("llm_adapter", "model"),
    "parameters": ("input_schema",),
    "prompt": ("instructions", "rules"),
    "returns": ("output_schema",),
    "schema": ("input_schema",),
    "system": ("instructions", "rules"),
    "system_prompt": ("instructions", "rules"),
    "tags": ("labels",),
    "tools": ("toolkits",),
}
"""Words that other libraries have for the same, which no spelling leads to."""


def refuse_unknown(
    made: object, init: Callable[..., Any], given: Mapping[str, Any], *, elsewhere: Collection[str] = ()
) -> None:
    """Return when all that was given beyond a constructor's arguments is known from elsewhere.

    Args:
        made: What is being made, for its class's name.
        init: The constructor, for the arguments that there are.
        given: What it was given beyond them.
        elsewhere: What some release of the SDK takes.

    Raises:
        TypeError: An argument that nobody knows; with the nearest name.
    """
    for name in given:
        if name in elsewhere:
            continue
        parameters = list(inspect.signature(init).parameters.values())[1:]
        known = [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]
        near = [alike for alike in _ALIKE.get(name, ()) if alike in known]
        near = near or difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
        raise TypeError(f"{type(made).__name__} has no argument {name!r}; {hint}")
    if given:
        _log.info("%s ignores %s", type(made).__name__, ", ".join(sorted(given)))
