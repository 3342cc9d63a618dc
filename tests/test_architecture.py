"""The shape of the tree, read from its imports: who may know whom, one home per package, no giants.

A package may import from levels at or below its own, never upwards; modules form no cycle.  The rules are
functions over plain data, so that each can be shown to catch what it is for.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 400

LEVELS = (
    {"errors", "clock", "settings", "log_line", "logs"},
    {"wire", "model"},
    {"session", "metrics", "rooms.room", "rooms.token"},
    {"process", "rooms"},
    {"supervisor", "sdk"},
    {"placement", "compat"},
    {"dispatch", "worker"},
    {"front"},
    {"cli"},
)

# Beyond the levels: who must not know whom although the level would allow it.
STRANGERS = {
    "front": {"sdk", "compat", "worker", "cli"},
    "dispatch": {"sdk", "compat", "worker"},
    "placement": {"sdk", "compat", "worker"},
    "supervisor": {"sdk", "compat", "worker"},
    "process": {"sdk", "compat", "worker"},
    "worker": {"front", "dispatch", "placement", "supervisor"},
    "sdk": {"process", "supervisor", "placement"},
}

HOMES = {
    "quart": ("runtime.front",),
    "hypercorn": ("runtime.front",),
    "httpx": ("runtime.front.model.provider",),
    "multiprocess": ("runtime.process.zygote",),
    "psutil": ("runtime.process.tree",),
    "ray": ("runtime.placement.cluster",),
    "typer": ("runtime.cli",),
    "rich": ("runtime.cli",),
    "openai": ("runtime.sdk",),
    "opentelemetry": ("runtime.sdk",),
    "prometheus_client": ("runtime.metrics", "runtime.front"),
    "aiosqlite": ("runtime.session.journal", "runtime.session.crash_store", "runtime.rooms"),
    "watchfiles": ("runtime.supervisor", "runtime.placement", "runtime.cli"),
}

PURE = ("runtime.wire", "runtime.session", "runtime.rooms.room", "runtime.supervisor.lifecycle",
        "runtime.supervisor.verdict", "runtime.supervisor.watch.budget",
        "runtime.supervisor.watch.hang_detector")  # fmt: skip
NOT_PURE = ("runtime.session.journal", "runtime.session.crash_store")
IMPURE = {"asyncio", "os", "time", "socket", "signal", "subprocess", "threading", "logging", "structlog"}

TOP_FOLDERS = {"runtime", "agents", "tests", ".ci", "bench", "ui", "docs"}
TOP_FILES = {"Dockerfile", "docker-compose.yml", "pyproject.toml"}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "misc", "manager"}


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    line: int
    for_types: bool = False


def imports_of(module: str, source: str, modules: set[str]) -> Iterator[Import]:
    """Every import statement of a module, those inside functions included, to the module it means."""
    tree = ast.parse(source)
    guards = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    for_types = {id(inner) for guard in guards for statement in guard.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, id(node) in for_types)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield Import(
                    module,
                    inner if inner in modules else str(node.module),
                    node.lineno,
                    id(node) in for_types,
                )


def part_of(module: str) -> str:
    """``runtime.front.app`` -> ``front``; a module with a level of its own keeps its name."""
    name = "cli" if module == "runtime.__main__" else module.removeprefix("runtime.")
    known = {part for level in LEVELS for part in level}
    return name if name in known else name.split(".")[0]


def level_of(module: str) -> int | None:
    """None for the root package: its version may be read by everybody."""
    if module == "runtime":
        return None
    for number, parts in enumerate(LEVELS):
        if part_of(module) in parts:
            return number
    raise AssertionError(f"{module} stands in no level of the table")


def rises(found: Iterable[Import]) -> list[str]:
    wrong = []
    for item in found:
        if not item.imported.startswith("runtime."):
            continue
        mine, theirs = level_of(item.importer), level_of(item.imported)
        own, other = part_of(item.importer).split(".")[0], part_of(item.imported).split(".")[0]
        same_level_stranger = mine == theirs and own != other and mine != 0
        if (
            mine is None
            or theirs is None
            or theirs > mine
            or same_level_stranger
            or other in STRANGERS.get(own, ())
        ):
            wrong.append(f"{item.importer}:{item.line} must not import {item.imported}")
    return wrong


def homeless(found: Iterable[Import]) -> list[str]:
    wrong = []
    for item in found:
        homes = HOMES.get(item.imported.split(".")[0])
        if homes and not any(item.importer == home or item.importer.startswith(f"{home}.") for home in homes):
            wrong.append(
                f"{item.importer}:{item.line} imports {item.imported}; its home is {' or '.join(homes)}"
            )
    return wrong


def impurities(found: Iterable[Import]) -> list[str]:
    return [
        f"{item.importer}:{item.line} is pure and imports {item.imported}"
        for item in found
        if any(item.importer == pure or item.importer.startswith(f"{pure}.") for pure in PURE)
        and item.importer not in NOT_PURE
        and item.imported.split(".")[0] in IMPURE
    ]


def cycles(found: Iterable[Import]) -> list[str]:
    """The groups of modules that reach each other (Tarjan's strongly connected components).

    An import for the type checker alone does not count: at run time it does not happen.
    """
    graph: dict[str, set[str]] = {}
    for item in found:
        if item.imported.startswith("runtime.") and not item.for_types:
            graph.setdefault(item.importer, set()).add(item.imported)
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[str] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1 or node in graph.get(node, ()):
                groups.append(" <-> ".join(sorted(group)))

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return groups


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path.read_text() for path in sorted((ROOT / "runtime").rglob("*.py"))}
IMPORTS = [item for name, source in SOURCES.items() for item in imports_of(name, source, set(SOURCES))]


# ---- the tree as it is


def test_imports_never_rise() -> None:
    assert rises(IMPORTS) == []


def test_modules_form_no_cycle() -> None:
    assert cycles(IMPORTS) == []


def test_each_package_has_one_home() -> None:
    assert homeless(IMPORTS) == []


def test_pure_modules_touch_neither_clock_nor_system() -> None:
    assert impurities(IMPORTS) == []


def test_structlog_is_configured_in_one_place() -> None:
    callers = [
        name
        for name, source in SOURCES.items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in {"configure", "configure_once"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "structlog"
    ]
    assert set(callers) == {"runtime.logs"}


def test_no_module_outgrows_one_noun() -> None:
    long = {name: source.count("\n") for name, source in SOURCES.items() if source.count("\n") > MAX_LINES}
    assert long == {}, f"longer than {MAX_LINES} lines: split by noun"


def test_no_name_says_nothing() -> None:
    assert [name for name in SOURCES if BANNED_NAMES & set(name.split("."))] == []


def test_the_top_level_is_the_fixed_set() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [Path(name) for name in listed.stdout.split("\0") if name]
    folders = {path.parts[0] for path in paths if len(path.parts) > 1}
    files = {path.parts[0] for path in paths if len(path.parts) == 1}
    assert folders <= TOP_FOLDERS
    assert {"runtime", "agents", "tests"} <= folders
    assert files >= TOP_FILES
    assert not {name for name in files if name.endswith(".py")}, "the top level holds no module"


# ---- the rules catch what they are for


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("runtime.wire.frames", "runtime.session.spec"),
        ("runtime.front.app", "runtime.sdk.host"),
        ("runtime.worker.main", "runtime.supervisor.supervisor"),
        ("runtime.sdk.host", "runtime.process.channel"),
        ("runtime.rooms.room", "runtime.rooms.hub"),
        ("runtime.supervisor.supervisor", "runtime.sdk.agent"),
        ("runtime", "runtime.errors"),
    ],
)
def test_a_rise_is_seen(importer: str, imported: str) -> None:
    assert rises([Import(importer, imported, 1)])


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("runtime.front.app", "runtime.dispatch.dispatcher"),
        ("runtime.rooms.hub", "runtime.rooms.room"),
        ("runtime.worker.session", "runtime.sdk.room.client"),
        ("runtime.cli.main", "runtime"),
        ("runtime.logs", "runtime.settings"),
    ],
)
def test_a_fall_is_not(importer: str, imported: str) -> None:
    assert rises([Import(importer, imported, 1)]) == []


def test_a_second_home_an_impurity_and_a_cycle_are_seen() -> None:
    assert homeless([Import("runtime.worker.session", "quart.views", 1)])
    assert impurities([Import("runtime.wire.webhook", "time", 1)])
    loop = [
        Import("runtime.a", "runtime.b", 1),
        Import("runtime.b", "runtime.c", 1),
        Import("runtime.c", "runtime.a", 1),
    ]
    assert cycles(loop) == ["runtime.a <-> runtime.b <-> runtime.c"]
    assert cycles(loop[:2]) == []


def test_imports_inside_functions_count() -> None:
    source = "def f():\n    from runtime.wire import frames\n"
    assert list(imports_of("runtime.a", source, {"runtime.wire.frames"})) == [
        Import("runtime.a", "runtime.wire.frames", 2)
    ]
