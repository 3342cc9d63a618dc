"""A YAML of turns for the offline model, for demonstrations and tests that need an exact answer.

turns:
  - when: weather                 # a part of what the person says, any case; left out: by position
    call: {tool: forecast, arguments: {city: Oslo}}
    say: "Take an umbrella: {result}"
  - say: "Second answer."         # turns without `when` are given one per message, in order
    delay_ms: 50                  # per chunk
  - when: break
    error: "the model is on strike"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from runtime.errors import ConfigError

KEYS = frozenset({"when", "say", "call", "calls", "error", "delay_ms"})
MAX_BYTES = 1_000_000


class ScriptedCall(msgspec.Struct, frozen=True):
    """A tool the turn calls before it speaks."""

    tool: str
    arguments: Mapping[str, Any]


class Turn(msgspec.Struct, frozen=True):
    """One answer: calls first, then text or an error."""

    say: str = ""
    when: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    error: str = ""
    delay_ms: float | None = None


class Script(msgspec.Struct, frozen=True):
    """Turns, and which of them answers a message."""

    turns: tuple[Turn, ...]

    def turn_for(self, said: str, position: int) -> Turn | None:
        """The turn for the message at `position` (0 is the chat's first); None when the script has none.

        A turn whose `when` is in the message wins; else the turns without `when` go by position.
        """
        for turn in self.turns:
            if turn.when and turn.when.lower() in said.lower():
                return turn
        by_position = [turn for turn in self.turns if not turn.when]
        return by_position[position] if position < len(by_position) else None


def load_script(path: Path) -> Script:
    """Read a script.

    Raises:
        ConfigError: The file is missing, too large, not YAML, or has a key that means nothing here.
    """
    import yaml  # only scripted runs pay for it

    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_BYTES} bytes", cure="Write a shorter script.")
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the offline model's script {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"the offline model's script {path} is not YAML: {error}") from error
    return parse_script(content, str(path))


def parse_script(content: Any, where: str) -> Script:
    """Check a script that is already data; `where` names it in errors."""
    turns = content.get("turns") if isinstance(content, dict) else content
    if not isinstance(turns, list):
        raise ConfigError(f"{where} has no list of turns", cure="Start it with `turns:` and a list.")
    return Script(tuple(_turn(entry, f"{where}, turn {number}") for number, entry in enumerate(turns, 1)))


def _turn(entry: Any, where: str) -> Turn:
    if isinstance(entry, str):
        return Turn(say=entry)
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} is neither a text nor a mapping")
    unknown = sorted(str(key) for key in entry.keys() - KEYS)
    if unknown:
        known = f"Known: {', '.join(sorted(KEYS))}."
        raise ConfigError(f"{where} has unknown keys: {', '.join(unknown)}", cure=known)
    listed: Sequence[Any] = entry.get("calls") or ([entry["call"]] if entry.get("call") else [])
    delay = entry.get("delay_ms")
    if delay is not None and (not isinstance(delay, (int, float)) or not 0 <= delay <= 60_000):
        raise ConfigError(f"{where}: delay_ms must be a number from 0 to 60000")
    return Turn(
        say=str(entry.get("say") or ""),
        when=str(entry.get("when") or ""),
        calls=tuple(_call(call, where) for call in listed),
        error=str(entry.get("error") or ""),
        delay_ms=delay,
    )


def _call(call: Any, where: str) -> ScriptedCall:
    if isinstance(call, str):
        return ScriptedCall(call, {})
    if not isinstance(call, dict) or not isinstance(call.get("tool"), str):
        raise ConfigError(f"{where}: a call needs the name of a tool", cure="Write tool: and its name.")
    return ScriptedCall(call["tool"], dict(call.get("arguments") or {}))
