"""Local variables of a frame as text: without running a line of the agent's code, and bounded.

A ``__repr__`` of an agent may raise, wait for ever or return gigabytes, so it is not called.  Values of the
built-in types are written out; any other object is written as its class and its attributes, one level
deep, read where the interpreter keeps them and not by the names an agent could have redefined.  That also
makes the time bounded: each step looks at a fixed number of items.
"""

from __future__ import annotations

import sys
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator
from itertools import islice
from types import FrameType
from typing import Any, Final

from runtime.session.redaction import HIDDEN, Redactor, is_count_name, is_secret_name

MAX_VALUE_CHARS: Final = 200
MAX_LOCALS: Final = 20
_MAX_ITEMS: Final = 8
_MAX_ATTRIBUTES: Final = 12
_MAX_DEPTH: Final = 3
_MAX_INT_BITS: Final = 512
_SCAN_CHARS: Final = 4000

_NAME: Final[Any] = type.__dict__["__name__"]
_MRO: Final[Any] = type.__dict__["__mro__"]
_DICT: Final[Any] = type.__dict__["__dict__"]
_OURS = f"{__name__.partition('.')[0]}."
_ARGS: Final[Any] = BaseException.__dict__["args"]
_FUNCTIONS: Final = (types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_NUMBERS: Final = (bool, float, complex, type(None), type(Ellipsis))


def _spaces() -> tuple[type[Any], ...]:
    return (dict, type(sys._getframe().f_locals))


_SPACES: Final = (
    _spaces()
)  # a class body may have a namespace of the agent's own making; that one is not read


def locals_of(frame: FrameType, redactor: Redactor) -> tuple[dict[str, str], int]:
    """The local variables of a frame as text, and how many were left out."""
    found = {
        name: value
        for name, value in _space(frame).items()
        if type(name) is str and not name.startswith("__") and not _is_furniture(value)
    }
    shown = {
        name[:80]: show_named(name, value, redactor) for name, value in islice(found.items(), MAX_LOCALS)
    }
    return shown, max(0, len(found) - MAX_LOCALS)


def show_named(name: str, value: Any, redactor: Redactor) -> str:
    """A value as text, or dots when its name says that it is a secret."""
    return _cut(redactor.text(_named(name, value, redactor, 0)))


def show(value: Any, redactor: Redactor) -> str:
    """A value as text."""
    return _cut(redactor.text(_show(value, redactor, 0)))


def secrets_of(frame: FrameType) -> Iterator[str]:
    """Texts under secret names: of local variables, and of their items and attributes one level down."""
    for name, value in islice(_space(frame).items(), 500):
        yield from _secret_texts(name, value)
        for inner_name, inner in islice(_pairs(value), 100):
            yield from _secret_texts(inner_name, inner)


def _space(frame: FrameType) -> dict[str, Any]:
    space = frame.f_locals
    return dict(space) if _is_one_of(type(space), _SPACES) else {}


def _is_one_of(kind: type[Any], kinds: tuple[type[Any], ...]) -> bool:
    return any(kind is one for one in kinds)  # `in` would compare, and a metaclass may define how


def _word(key: Any) -> str:
    """A key as a name; empty when it is none."""
    if issubclass(type(key), str):
        return str.__getitem__(key, slice(0, 200))
    if issubclass(type(key), bytes):
        return bytes.__getitem__(key, slice(0, 200)).decode("utf-8", "replace")
    return ""


def _secret_texts(key: Any, value: Any) -> Iterator[str]:
    if is_secret_name(_word(key)):
        if issubclass(type(value), str):
            yield str.__getitem__(value, slice(0, 4096))
        elif issubclass(type(value), bytes):
            yield bytes.__getitem__(value, slice(0, 4096)).decode("utf-8", "replace")


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:
    kind = type(value)
    if issubclass(kind, dict):
        yield from _some(dict.items(value), 100)
    elif issubclass(kind, list):
        yield from (
            item for item in _some(list.__iter__(value), 100) if type(item) is tuple and len(item) == 2
        )
    else:
        yield from _attributes(value)


def _named(name: str, value: Any, redactor: Redactor, depth: int) -> str:
    kind = type(value)
    if is_secret_name(name) and kind is not bool and value is not None:
        is_count = _is_one_of(kind, (int, float)) and is_count_name(name)
        if not is_count and not _is_one_of(kind, (*_FUNCTIONS, type)):
            return HIDDEN
    return _show(value, redactor, depth)


def _show(value: Any, redactor: Redactor, depth: int) -> str:
    kind = type(value)
    if _is_one_of(kind, _NUMBERS):
        return repr(value)
    if issubclass(kind, str):
        head = redactor.text(str.__getitem__(value, slice(0, _SCAN_CHARS)))  # before the cut: half a secret
        count = str.__len__(value)  # is none that a pattern would know
        return repr(head[:MAX_VALUE_CHARS]) + _more(count - MAX_VALUE_CHARS, "characters")
    if issubclass(kind, int):
        bits = int.bit_length(value)
        shown = int.__repr__(value) if bits <= _MAX_INT_BITS else f"<int of {bits} bits>"
        return shown if kind is int else f"{_name(kind)}({shown})"
    if issubclass(kind, bytes | bytearray):
        base = bytes if issubclass(kind, bytes) else bytearray
        raw = bytes(base.__getitem__(value, slice(0, _SCAN_CHARS)))
        text = redactor.text(repr(raw))[: MAX_VALUE_CHARS + 3]
        return text + _more(base.__len__(value) - MAX_VALUE_CHARS, "bytes")
    if _is_one_of(kind, _FUNCTIONS):
        return f"<function {_function_name(value)}>"
    if issubclass(kind, type):
        return f"<class {_name(value)}>"
    if kind is types.ModuleType:
        return f"<module {types.ModuleType.__getattribute__(value, '__name__')!s:.80}>"
    if depth >= _MAX_DEPTH:
        return "…"
    return _container(value, kind, redactor, depth)


def _container(value: Any, kind: type[Any], redactor: Redactor, depth: int) -> str:
    # The methods of the base classes: a subclass may have its own, which we will not run.
    if issubclass(kind, dict):
        items = _some(dict.items(value))
        inner = [
            f"{_show(key, redactor, depth + 1)}: {_named(_word(key), item, redactor, depth + 1)}"
            for key, item in items
        ]
        body = "{" + _joined(inner, dict.__len__(value)) + "}"
        return body if _is_one_of(kind, (dict, OrderedDict, defaultdict)) else f"{_name(kind)}({body})"
    for base, left, right in ((list, "[", "]"), (tuple, "(", ")"), (deque, "deque([", "])")):
        if issubclass(kind, base):
            found = _some(base.__iter__(value))
            inner = [_show(item, redactor, depth + 1) for item in found]
            if len(found) == 2 and base.__len__(value) == 2:  # perhaps a header: its name and its value
                inner[1] = _named(_word(found[0]), found[1], redactor, depth + 1)
            body = left + _joined(inner, base.__len__(value)) + right
            return body if kind is base else f"{_name(kind)}{body}"
    for plain in (set, frozenset):
        if issubclass(kind, plain):
            inner = [_show(item, redactor, depth + 1) for item in _some(plain.__iter__(value))]
            return "{" + _joined(inner, plain.__len__(value)) + "}" if inner else "set()"
    if issubclass(kind, BaseException):
        arguments = [_show(item, redactor, depth + 1) for item in _some(_ARGS.__get__(value))]
        return f"{_name(kind)}({', '.join(arguments)})"
    return _object(value, kind, redactor, depth)


def _object(value: Any, kind: type[Any], redactor: Redactor, depth: int) -> str:
    module = _DICT.__get__(kind).get("__module__")
    if depth > 0 or (type(module) is str and module.startswith(_OURS)):
        return f"<{_name(kind)}>"  # what we made explains nothing of the agent
    found = list(islice(_attributes(value), _MAX_ATTRIBUTES + 1))
    inner = [f"{name}={_named(name, item, redactor, depth + 1)}" for name, item in found[:_MAX_ATTRIBUTES]]
    if len(found) > _MAX_ATTRIBUTES:
        inner.append("…")
    return f"<{' '.join([_name(kind), *inner])}>"


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Attributes where the interpreter keeps them, in dictionary and slots: no property is run."""
    for cls in _MRO.__get__(type(value)):
        space = _DICT.__get__(cls)
        holder = space.get("__dict__")
        if type(holder) is types.GetSetDescriptorType:
            try:
                kept = holder.__get__(value)
            except (AttributeError, TypeError):
                continue
            if type(kept) is dict:
                yield from [(name, item) for name, item in _some(kept.items(), 100) if type(name) is str]
        for name, slot in _some(space.items(), 200):
            if type(slot) is types.MemberDescriptorType and type(name) is str and not name.startswith("__"):
                try:
                    yield name, slot.__get__(value)
                except (AttributeError, TypeError):
                    continue


def _some(items: Iterable[Any], count: int = _MAX_ITEMS) -> list[Any]:
    try:
        return list(islice(items, count))
    except RuntimeError:
        return []  # another thread changed it while we looked


def _joined(shown: list[str], count: int) -> str:
    return ", ".join([*shown, "…"] if count > len(shown) else shown)


def _more(count: int, what: str) -> str:
    return f"… ({count} more {what})" if count > 0 else ""


def _cut(text: str) -> str:
    return text if len(text) <= 2 * MAX_VALUE_CHARS else f"{text[: 2 * MAX_VALUE_CHARS]}…"


def _name(kind: type[Any]) -> str:
    return str.__str__(_NAME.__get__(kind))[:80]


def _function_name(value: Any) -> str:
    function = value.__func__ if type(value) is types.MethodType else value
    if type(function) is types.FunctionType:
        return function.__code__.co_qualname[:80]
    return (
        _name(type(function)) if type(function) is not types.BuiltinFunctionType else function.__name__[:80]
    )


def _is_furniture(value: Any) -> bool:
    """Modules, classes and functions fill a program's globals and explain nothing."""
    kind = type(value)
    return kind is types.ModuleType or _is_one_of(kind, _FUNCTIONS) or issubclass(kind, type)
