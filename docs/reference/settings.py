"""The page of all settings."""

from __future__ import annotations

import inspect
from typing import Any, get_origin, get_type_hints

from docs.reference.table import plain, sentence, stacked, table
from runtime.settings import SLICES, env_names, knobs

_AGENTS = {
    "OPENAI_API_KEY": "Key of the model's provider, for `OpenAIResponsesAdapter` in the session's process.",
    "OPENAI_BASE_URL": "The provider's address: anything that speaks the Responses API. With neither this "
    "nor a key, the built-in offline model answers.",
    "OPENAI_MODEL": "The model of `OpenAIResponsesAdapter`, where the agent names none; `gpt-5.1` "
    "without it.",
    "BULKHEAD_OFFLINE_SCRIPT": "A YAML file of answers for the offline model "
    "([Testing an agent](../guides/testing.md)).",
    "BULKHEAD_OFFLINE_DELAY_MS": "Milliseconds between two words of the offline model; 12 without it.",
    "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY": "The proxy on the way to the model's provider "
    "([Models](../guides/models.md#through-a-proxy)); the server reads them, too.",
    "SSL_CERT_FILE, SSL_CERT_DIR": "Certificates to trust instead of the system's; also read by the server.",
    "OTEL_ENDPOINT, OTEL_EXPORTER_OTLP_ENDPOINT": "Of a bundle alone (its `.env`): where `otel_config` sends "
    "traces from the session itself. What the server is given it sends for all "
    "([Telemetry](../guides/telemetry.md)).",
}
_COMMANDS = {
    "BULKHEAD_URL": "The server that commands talk to, where no `--url` is given; else it is found through "
    "the state folder.",
    "BULKHEAD_DEBUG": "Commands show the traceback of a defect of their own.",
    "NO_COLOR": "No colours.",
}


def page() -> str:
    """Every setting with its variable, its type and its default."""
    parts = []
    listed = list(knobs())
    for name, kind in SLICES.items():
        parts.append(f"## {name}\n\n{paragraphs(kind)}\n")
        hints = get_type_hints(kind)
        rows = [_row(key, item, hints[item.name]) for key, item in listed if key.split(".")[0] == name]
        parts.append(stacked(("Setting", "Variable", "Type", "Default", ""), rows))
    parts.append(
        "## Variables that agents read\n\nThey are no settings of the server: a session sees them.\n"
    )
    parts.append(table(("Variable", ""), ((_code(name), text) for name, text in _AGENTS.items())))
    parts.append("## Variables of the command line\n")
    parts.append(table(("Variable", ""), ((_code(name), text) for name, text in _COMMANDS.items())))
    return "\n".join(parts)


def paragraphs(kind: type[Any]) -> str:
    """A docstring as text of a page."""
    return (inspect.getdoc(kind) or "").replace("``", "`")


def _row(key: str, item: Any, hint: Any) -> tuple[str, ...]:
    variables = list(env_names(key, item))
    shown = "<br>".join(f"`{name}`" for name in variables)
    if item.metadata["secret"]:
        shown += f"<br>`{variables[0]}_FILE`"
    least = item.metadata["minimum"]
    text = sentence(item.metadata["help"])
    if least:
        text += f" At least {least:g}."
    name = key.split(".")[1]
    return f"`{name}`", shown, kind_of(hint, name), _default(item), text


def kind_of(hint: Any, name: str) -> str:
    """The type of a setting, in words; the name tells seconds and bytes."""
    if get_origin(hint) is tuple:
        return "list of texts"
    kind = getattr(hint, "__name__", str(hint))
    if kind in ("int", "float") and name.endswith("_s"):
        return "seconds"
    if kind in ("int", "float") and name.endswith("_bytes"):
        return "bytes"
    return {"bool": "true or false", "int": "whole number", "float": "number", "str": "text"}.get(
        kind, "path"
    )


def _default(item: Any) -> str:
    value = item.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int) and value >= 1 << 16 and value % 1024 == 0:
        return f"`{value}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    if value == ():
        return plain("–")
    return f"`{value}`" if str(value) else plain("–")


def _code(names: str) -> str:
    return ", ".join(f"`{name.strip()}`" for name in names.split(","))
