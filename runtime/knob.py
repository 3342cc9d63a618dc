"""One setting: its default and its sentence, and how what somebody wrote becomes its value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, field
from typing import Any, get_origin

from runtime.errors import ConfigError

_SIZES = {"": 1, "b": 1, "k": 1000, "kb": 1000, "m": 1000**2, "mb": 1000**2, "g": 1000**3, "gb": 1000**3}
_SIZES |= {"ki": 1024, "kib": 1024, "mi": 1024**2, "mib": 1024**2, "gi": 1024**3, "gib": 1024**3}
_LENGTHS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RANGE = re.compile(r"\s*([0-9]{1,10})\s*-\s*([0-9]{1,10})\s*", re.ASCII)
_NO_UID = (1 << 32) - 1
LEAST_UIDS = 4096
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


def parse_bytes(text: str | int | float) -> int:
    """Read a size: ``"512MiB"``, ``"1GB"``, ``4096`` -> bytes.  ValueError when it is none."""
    return int(_quantity(text, _SIZES, "a size such as 512MiB"))


def parse_seconds(text: str | int | float) -> float:
    """Read a length of time: ``"30m"``, ``"1.5s"``, ``10`` -> seconds.  ValueError when it is none."""
    return _quantity(text, _LENGTHS, "a length of time such as 30s or 10m")


def parse_uids(text: str) -> tuple[int, int]:
    """Read a range of users: ``"200000-265535"`` -> its first and its last.  ValueError when it is none."""
    match = _RANGE.fullmatch(str(text))
    first, last = (int(match[1]), int(match[2])) if match is not None else (0, 0)
    if not 0 < first < last < _NO_UID:
        raise ValueError(f"{text!r} is no range of users such as 200000-265535")
    if last - first + 1 < LEAST_UIDS:
        raise ValueError(f"{text!r} are fewer than {LEAST_UIDS} users")
    return first, last


def _quantity(text: str | int | float, units: Mapping[str, float], wanted: str) -> float:
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    match = _QUANTITY.fullmatch(str(text))
    if match is None or match[2].lower() not in units:
        raise ValueError(f"{text!r} is not {wanted}")
    return float(match[1]) * units[match[2].lower()]


def knob(
    default: Any,
    help: str,
    *,
    env: tuple[str, ...] = (),
    secret: bool = False,
    minimum: float | None = None,
    reads: Callable[[str], Any] | None = None,
) -> Any:
    """A field of a slice: its default, its sentence for the documentation, names other tools use for it.

    Args:
        reads: How the text of a value that is kept as text is read; raises ValueError where it cannot be.
    """
    meta = {"help": help, "env": env, "secret": secret, "minimum": minimum, "reads": reads}
    return field(default=default, repr=not secret, metadata=meta)


def convert(key: str, item: Field[Any], kind: type[Any], raw: Any, origin: str) -> Any:
    """The value of a knob, of its kind, from what stands in a flag, a variable or a file.

    Args:
        key: Such as ``"server.port"``.
        origin: Where it stands, for the error.

    Raises:
        ConfigError: It is of another kind, or out of bounds.
    """
    try:
        value = _as_kind(item.name, kind, raw)
        if value != "" and (reads := item.metadata["reads"]) is not None:
            reads(value)
    except (ValueError, TypeError) as error:
        wanted = _wanted(item.name, get_origin(kind) or kind)
        cure = f"Expected {wanted}: {item.metadata['help']}.".replace("the: ", "the ")
        raise ConfigError(f"{key} = {raw!r} ({origin}) cannot be used: {error}", cure=cure) from error
    minimum = item.metadata["minimum"]
    if minimum is not None and value < minimum:
        raise ConfigError(f"{key} = {value} ({origin}) is too small", cure=f"The least is {minimum:g}.")
    if key == "server.port" and value > 65535:
        raise ConfigError(f"{key} = {value} ({origin}) is no port", cure="Ports go from 0 to 65535.")
    return value


def _as_kind(name: str, kind: type[Any], raw: Any) -> Any:
    if kind is bool:
        if isinstance(raw, bool):
            return raw
        word = str(raw).strip().lower()
        if word in ("1", "true", "yes", "on"):
            return True
        if word in ("0", "false", "no", "off", ""):
            return False
        raise ValueError("neither yes nor no")
    if kind is int:
        return parse_bytes(raw) if name.endswith("_bytes") else _number(int, raw)
    if get_origin(kind) is tuple:
        return _as_list(raw)
    if kind is float:
        return parse_seconds(raw) if name.endswith("_s") else _number(float, raw)
    return kind(raw)


def _number(kind: type[int] | type[float], raw: Any) -> int | float:
    try:
        value = kind(str(raw))
    except ValueError:
        pass
    else:
        if kind is int or math.isfinite(value):
            return value
    raise ValueError("it is not a number" if kind is float else "it is not a whole number")


def _wanted(name: str, kind: type[Any]) -> str:
    """What a value of a kind is called."""
    if name.endswith("_bytes"):
        return "a size such as 512MiB"
    if name.endswith("_s"):
        return "a time such as 30s or 10m"
    known = {bool: "true or false", str: "the", tuple: "a list", int: "a whole number", float: "a number"}
    return known.get(kind, kind.__name__)


def _as_list(raw: Any) -> tuple[str, ...]:
    entries = raw.split() if isinstance(raw, str) else raw
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, str) for entry in entries):
        raise ValueError("no list of texts")
    return tuple(dict.fromkeys(entries))


def one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ConfigError unless a value is one of those allowed."""
    if value not in allowed:
        raise ConfigError(f"{key} = {value!r} is unknown", cure=f"One of: {', '.join(allowed)}.")
