"""The page of all HTTP routes, written from the OpenAPI document that the server gives out."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from docs.reference.table import plain, sentence, stacked, table

ROOT: Final = Path(__file__).resolve().parents[2]
START_S: Final = 60.0
_METHODS: Final = ("get", "post", "put", "patch", "delete")


@functools.cache
def document() -> dict[str, Any]:
    """What ``/openapi.json`` answers: a server without agents is started for it, and ended."""
    with tempfile.TemporaryDirectory(prefix="bulkhead-") as folder:
        state = Path(folder, "state")
        flags = {"server.port": 0, "server.state_dir": str(state), "server.watch": False, "server.drain_s": 0}
        Path(folder, "agents").mkdir()
        work = json.dumps({"flags": flags, "sources": [str(Path(folder, "agents"))]})
        server = subprocess.Popen(
            [sys.executable, "-m", "runtime.front", work],
            cwd=ROOT,
            env={name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            described: dict[str, Any] = _asked(server, state / "server.json")
        finally:
            server.terminate()
            server.wait()
    return described


def _asked(server: subprocess.Popen[bytes], known: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < deadline:
        try:
            url = json.loads(known.read_text())["url"]
            with urllib.request.urlopen(f"{url}/openapi.json", timeout=START_S) as answer:
                described: dict[str, Any] = json.load(answer)
                return described
        except OSError:
            time.sleep(0.05)  # not there yet, or not listening yet
    raise RuntimeError("the server whose HTTP surface is to be described did not start")


def page() -> str:
    """Every path with its methods, parameters and answers, by what they are about."""
    described = document()
    parts = []
    for title, about, operations in _groups(described):
        parts += [f"## {title}", "", about, "", table(("", "Path", ""), (_line(*one) for one in operations))]
        parts += [_section(described, *one) for one in operations]
    return "\n".join(parts)


def _groups(described: dict[str, Any]) -> Iterator[tuple[str, str, list[tuple[str, str, dict[str, Any]]]]]:
    """The tags with what they mean and their operations; what has none comes last."""
    operations = list(_operations(described))
    known = described.get("tags", [])
    for tag in known:
        mine = [one for one in operations if tag["name"] in one[2].get("tags", [])]
        if mine:
            yield tag["name"].capitalize(), sentence(plain(tag.get("description", ""))), mine
    names = {tag["name"] for tag in known}
    rest = [one for one in operations if not names & set(one[2].get("tags", []))]
    if rest:
        yield "Paths", "", rest


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method in _METHODS:
            if method in methods:
                shared = methods.get("parameters", [])
                told = methods[method]
                yield path, method, told | {"parameters": [*shared, *told.get("parameters", [])]}


def _line(path: str, method: str, told: dict[str, Any]) -> tuple[str, str, str]:
    return method.upper(), f"[`{path}`](#{_anchor(path, method)})", sentence(plain(_summary(told)))


def _anchor(path: str, method: str) -> str:
    words = "".join(letter if letter.isalnum() else "-" for letter in path).strip("-")
    return f"{method}-{words or 'root'}"


def _summary(told: dict[str, Any]) -> str:
    return str(told.get("summary") or told.get("description") or "")


def _section(described: dict[str, Any], path: str, method: str, told: dict[str, Any]) -> str:
    lines = [
        f"### {method.upper()} `{path}` {{ #{_anchor(path, method)} }}",
        "",
        sentence(plain(_summary(told))),
        "",
    ]
    description = str(told.get("description") or "")
    if description and description != _summary(told):
        lines += [plain(description), ""]
    given = [_resolved(described, one) for one in told["parameters"]]
    if given:
        rows = [
            (f"`{one['name']}`", one["in"], kind_of(described, one.get("schema", {})), _told(one))
            for one in given
        ]
        lines.append(stacked(("Parameter", "in", "Type", ""), rows))
    body = _resolved(described, told.get("requestBody", {}))
    for media, content in body.get("content", {}).items():
        lines += [f"Takes `{media}`: {kind_of(described, content.get('schema', {}))}.", ""]
    rows = [
        _answer(described, status, answer)
        for status, answer in told.get("responses", {}).items()
        if status != "default"
    ]
    lines.append(stacked(("Answer", "Type", ""), rows))
    return "\n".join(lines)


def _answer(described: dict[str, Any], status: str, answer: dict[str, Any]) -> tuple[str, str, str]:
    answer = _resolved(described, answer)
    kinds = [
        f"`{media}` {kind_of(described, content.get('schema', {}))}"
        for media, content in answer.get("content", {}).items()
    ]
    return f"`{status}`", "<br>".join(kinds), sentence(plain(answer.get("description", "")))


def _told(parameter: dict[str, Any]) -> str:
    return sentence(plain(parameter.get("description", "")))


def _resolved(described: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found: Any = described
        for word in value["$ref"].removeprefix("#/").split("/"):
            found = found[word]
        value = found
    return value


def kind_of(described: dict[str, Any], schema: dict[str, Any], depth: int = 0) -> str:
    """A schema in a few words; an object with its names."""
    schema = _resolved(described, schema)
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    for word in ("anyOf", "oneOf"):
        if word in schema:
            kinds = dict.fromkeys(kind_of(described, one, depth) for one in schema[word])
            return " or ".join(kinds)
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        kind = " or ".join(kind)
    if kind == "array":
        return f"list of {kind_of(described, schema.get('items', {}), depth)}"
    names = schema.get("properties", {})
    if "object" in kind and names and depth == 0:
        shown = ", ".join(f"`{name}`" for name in names)
        return f"object with {shown}"
    return str(kind)
