"""Likely cures of exceptions, by class and message: the mistakes that agents really make.  Pure.

The rules are tried in order; the first that fits counts.  A class fits by its own name or by one of its
bases', a message by a piece of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runtime.session.cures.missing_module import SDK_IN_PLACE, cure_by_sdk, cure_for_missing

_RULES: Final[tuple[tuple[str, str, str], ...]] = (
    # class, piece of the message (lower case), cure
    (
        "RequirementMissing",
        "",
        "Start an agent that offers the toolkit it requires in the same room, or drop it.",
    ),
    (
        "AuthenticationError",
        "",
        "The key was refused: set a valid one (OPENAI_API_KEY) where the server starts.",
    ),
    (
        "PermissionDeniedError",
        "",
        "This key may not use that model: choose another (OPENAI_MODEL) or another key.",
    ),
    ("RateLimitError", "", "The model's provider limits the rate: retry with a back-off, or ask for more."),
    (
        "APIConnectionError",
        "",
        "The model's address cannot be reached: check OPENAI_BASE_URL and the network.",
    ),
    ("APITimeoutError", "", "The model took too long: give the client a longer timeout, or retry."),
    ("OpenAIError", "api_key", "Set OPENAI_API_KEY where the server starts (environment or compose file)."),
    (
        "ValidationError",
        "",
        "The data does not fit its schema: the message names the field; mend it or the schema.",
    ),
    ("SchemaError", "", "The schema itself is not valid JSON Schema: mend the part that the message names."),
    ("JSONDecodeError", "", "The text is not JSON: print it to see what came; ask the model for JSON alone."),
    ("IndentationError", "", "Mend the indentation of that line and save; it is loaded again."),
    ("SyntaxError", "", "Mend the syntax of that line and save; it is loaded again."),
    ("ImportError", SDK_IN_PLACE.lower(), cure_by_sdk()),
    (
        "ImportError",
        "cannot import name",
        "The installed version does not have that name: compare it with the docs.",
    ),
    ("ImportError", "circular import", "Two files import each other: move what both need into a third."),
    ("NameError", "", "That name is not defined here: a typing error, or an import that is missing."),
    ("UnboundLocalError", "", "Give the variable a value on every way to that line."),
    (
        "TypeError",
        "can't be used in 'await'",
        "That is no coroutine: drop the await, or make the function async.",
    ),
    ("TypeError", "was never awaited", "Put await before the call."),
    ("AttributeError", "'coroutine' object", "Put await before the call, in brackets: (await f()).name."),
    ("TypeError", "'coroutine' object", "Put await before the call."),
    ("AttributeError", "'nonetype' object", "Something is None that should not be; the locals show which."),
    ("TypeError", "'nonetype' object", "Something is None that should not be; the locals show which."),
    (
        "RuntimeError",
        "asyncio.run() cannot be called",
        "A loop is running already: await the coroutine instead.",
    ),
    (
        "RuntimeError",
        "event loop is already running",
        "A loop is running already: await the coroutine instead.",
    ),
    ("RuntimeError", "attached to a different loop", "Make clients and locks in start, not while importing."),
    ("RuntimeError", "no running event loop", "Call it from async code (start), not while importing."),
    ("RuntimeError", "can't start new thread", "Use a bounded pool of threads, or raise Limits(pids=…)."),
    ("RecursionError", "", "A function calls itself without end: find its last case in the traceback."),
    ("MemoryError", "", 'It ran into its memory limit: work in pieces, or raise Limits(memory="1GiB").'),
    ("ToolNotFound", "", "No such tool in the room: `bulkhead agents list --room …` shows what there is."),
    ("RoomLost", "", "The room went away while it was in use: look at the room server; call again."),
    ("TimeoutError", "", "What it waited for did not come in time: raise the timeout, or retry."),
    (
        "ConnectionRefusedError",
        "",
        "Nobody listens at that address: is the service up, is host and port right?",
    ),
    ("ConnectionError", "", "The other side hung up: retry with a back-off."),
    ("gaierror", "", "That host name cannot be resolved: check its spelling and the container's network."),
    ("SSLError", "", "The certificate is not trusted here: install the CA, or mend the address."),
    ("OSError", "too many open files", "Close what is opened (with …:), or raise Limits(files=…)."),
    ("OSError", "no space left", "The disk is full: free some space, or write elsewhere."),
    ("FileNotFoundError", "", "No such file: paths start at the server's folder; build them from __file__."),
    (
        "PermissionError",
        "",
        "Not allowed for this user: check the owner of the file, in a container its volume.",
    ),
    ("ModuleNotFoundError", "", "Is it a file of yours? Else its package belongs into requirements.txt."),
    (
        "UnicodeDecodeError",
        "",
        "The bytes are not text in that encoding: name the right one, or errors='replace'.",
    ),
    ("NotImplementedError", "", "A method that the agent must have is missing: the traceback names it."),
    ("AssertionError", "", "What the assert checks did not hold; the locals show the values."),
    ("KeyError", "", "That key is not there: the locals show which are; use .get(), or check first."),
    ("IndexError", "", "The list is shorter than thought: check its length first."),
    ("ZeroDivisionError", "", "Check for zero before dividing."),
    ("AttributeError", "", "The object has no such attribute: a typing error, or another type than thought."),
    ("ValueError", "", "A function got a value that it cannot use: the locals show which."),
    (
        "TypeError",
        "",
        "A function got arguments of the wrong number or type: compare the call with its definition.",
    ),
)


def cure_of_error(
    kind: str,
    bases: Sequence[str],
    message: str,
    *,
    stage: str = "",
    missing: str = "",
    near: str = "",
    shared: bool = False,
    variable: str = "",
) -> str:
    """The likely cure of an exception; empty when no rule fits.

    Args:
        kind: Name of its class.
        bases: Full names of its class and their bases; may be empty.
        missing: The module that was not found.
        near: The file of the author's whose name is most like it.
        shared: The module's package is one whose parts come from several distributions.
        variable: The environment variable that was not set.
    """
    if missing:
        return cure_for_missing(missing, near=near, shared=shared)
    if variable:
        return f"Set {variable} where the server starts (environment, compose file), or give it a default."
    text = message.lower()
    if stage == "construct" and kind == "TypeError" and "required positional argument" in text:
        return "The class is made without arguments: give the parameters of __init__ defaults."
    names = {kind, *(base.rpartition(".")[2] for base in bases)}
    return next((cure for name, piece, cure in _RULES if name in names and piece in text), "")
