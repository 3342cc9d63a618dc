"""Manifests written out, as YAML, so that what is written can be read again."""

from __future__ import annotations

from typing import Any, Final

import yaml

_WIDE: Final = 1 << 16


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, lists indented, texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text.strip("\n") and text == text.strip() + "\n" * text.endswith("\n") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def as_yaml(spec: Any) -> str:
    """YAML in the order the keys have, ending with a newline."""
    return yaml.dump(spec, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDE)
