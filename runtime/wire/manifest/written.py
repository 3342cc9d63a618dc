"""Manifests written out, as YAML, so that what is written can be read again."""

from __future__ import annotations

from typing import Any, Final

import yaml

_WIDE: Final = 1 << 16
_SHOWN: Final = "\n\u00a0\u200c\u200d"
"""What is not printable and harmless: line ends, and what holds words and letters together."""


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, lists indented, texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text.strip("\n") and text == text.strip() + "\n" * text.endswith("\n") else None
    if not text.isprintable() and not all(map(_is_shown, text)):
        style = '"'  # where escapes are read
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(spec: Any) -> str:
    """YAML in the order the keys have, ending with a newline; what a terminal obeys is written as escapes."""
    dumped: str = yaml.dump(spec, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDE)
    if dumped.replace("\n", "").isprintable():
        return dumped
    return "".join(char if _is_shown(char) else f"\\u{ord(char):04x}" for char in dumped)


def _is_shown(char: str) -> bool:
    return char.isprintable() or char in _SHOWN
