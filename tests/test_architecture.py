"""The shape of the tree, read from its imports: who may know whom, one home per package, no giants.

A package may import from levels at or below its own, never upwards; within a large one, a wing from the wings
on lower floors; modules form no cycle, not even for types.  The rules are functions over plain data, so that
each can be shown to catch what it is for, and what they return says what to do.
"""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 400

LEVELS = (
    {"errors", "clock", "knob", "settings", "logs", "files", "tasks"}
    | {"containers.errors", "containers.settings", "wire.text"},
    {"wire", "model"},
    {"session", "confinement", "metrics", "rooms.room", "rooms.token", "containers.contract"},
    {"services.in_room", "telemetry"},
    {"process", "rooms", "services"},
    {"supervisor", "sdk"},
    {"placement", "compat", "containers"},
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

# Inside the large packages: wings (folders) and single modules, from the ground up.  Who stands on a floor
# may import from the floors below it, and from nobody beside it.
FLOORS = {
    "front": (
        {"home", "http"},
        {"access", "readiness"},
        {"state"},
        {"openapi"},
        {"autocall", "fast_path", "webhooks", "model", "operator"},
        {"studio"},
        {"app"},
        {"server"},
        {"local_server"},
        {"__main__"},
    ),
    "cli": (
        {"browser", "failure", "help_page", "keys", "terminal"},
        {"api", "ports", "project"},
        {"completion"},
        {"options"},
        {"entry", "server_process"},
        {"source", "crash", "room"},
        {"serve", "service", "session", "state"},
        {"main"},
    ),
    "sdk": (
        {"context", "emitter", "meter", "program", "stop_signals"},
        {"loading", "room"},
        {"tools"},
        {"agent", "endpoint", "task_context", "llm"},
        {"host", "task_runner", "otel", "chat"},
    ),
    "supervisor": (
        {"failures", "server_lines", "shortages", "start_message"},
        {"carried", "logbook", "outward", "pings", "verdict", "bundles", "reports"},
        {"lifecycle", "watch"},
        {"telling"},
        {"driver"},
        {"supervisor"},
    ),
}

MAX_ENTRIES = 16
# Folders that had grown further when the bound was drawn: these numbers are there to be lowered.
GROWN = {"runtime": 26, "runtime.cli": 20, "runtime.process": 25, "runtime.rooms": 26, "runtime.session": 24,
         "runtime.worker": 20}  # fmt: skip

HOMES = {
    "aiodocker": ("runtime.containers.docker",),
    "aiohttp": ("runtime.containers.docker",),
    "cryptography": ("runtime.wire.sealed", "runtime.placement.cluster.engine.certificate"),
    "quart": ("runtime.front",),
    "quart_schema": ("runtime.front.http.contract", "runtime.front.openapi"),
    "hypercorn": ("runtime.front",),
    "httpx": ("runtime.front.model.provider", "runtime.services.life.mcp.http"),
    "multiprocess": ("runtime.process.zygote",),
    "psutil": ("runtime.process.tree",),
    "nats": ("runtime.placement.cluster.engine.connection",),
    "typer": ("runtime.cli",),
    "rich": ("runtime.cli",),
    "openai": ("runtime.sdk",),
    "opentelemetry": ("runtime.telemetry", "runtime.sdk.otel"),
    "numpy": ("runtime.rooms.built_in.tables.vectors",),
    "prometheus_client": ("runtime.metrics", "runtime.front"),
    "aiosqlite": ("runtime.session.journal", "runtime.session.crash_store"),
    "watchfiles": ("runtime.supervisor", "runtime.placement", "runtime.cli"),
}

PURE = ("runtime.wire", "runtime.session", "runtime.confinement", "runtime.rooms.room",
        "runtime.services.keeper", "runtime.services.terms", "runtime.services.webhooks.delivery",
        "runtime.supervisor.lifecycle", "runtime.supervisor.verdict", "runtime.supervisor.failures",
        "runtime.supervisor.watch.budget",
        "runtime.supervisor.watch.disk_budget", "runtime.supervisor.watch.hang_detector",
        "runtime.placement.cluster.messages", "runtime.placement.cluster.liveness",
        "runtime.placement.cluster.choice", "runtime.placement.cluster.resync",
        "runtime.placement.cluster.attempts.deadlines")  # fmt: skip
NOT_PURE = ("runtime.session.journal.journal", "runtime.session.journal.file", "runtime.session.crash_store")
IMPURE = {"asyncio", "os", "time", "socket", "signal", "subprocess", "threading", "logging", "structlog"}

TOP_FOLDERS = {"runtime", "agents", "tests", ".ci", ".github", "bench", "ui", "docs"}
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
    nodes = list(ast.walk(ast.parse(source)))
    guards = [node for node in nodes if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    for_types = {id(inner) for guard in guards for statement in guard.body for inner in ast.walk(statement)}
    for node in nodes:
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
    """Imports of what stands above, or of a package that must stay unknown."""
    wrong = []
    for item in found:
        if not item.imported.startswith("runtime."):
            continue
        mine, theirs = level_of(item.importer), level_of(item.imported)
        own, other = part_of(item.importer).split(".")[0], part_of(item.imported).split(".")[0]
        if other in STRANGERS.get(own, ()):
            cure = f"{own} must not know {other}: send it as data of runtime.wire, or have it done from above"
        elif mine is None or theirs is None or theirs > mine:
            cure = f"it stands above {own}: move what is needed of it below, or be given it as an argument"
        elif mine == theirs and own != other and mine != 0:
            cure = f"{other} stands beside {own}: move what both need a level down, or join them from above"
        else:
            continue
        wrong.append(f"{item.importer}:{item.line} imports {item.imported}; {cure}")
    return wrong


def wing_of(module: str) -> tuple[str, str] | None:
    """``runtime.front.model.stream`` -> ``("front", "model")``; None where there are no floors."""
    _, _, inner = module.partition("runtime.")
    package, _, rest = inner.partition(".")
    return (package, rest.split(".")[0]) if package in FLOORS and rest else None


def floor_of(package: str, wing: str) -> int | None:
    return next((number for number, floor in enumerate(FLOORS[package]) if wing in floor), None)


def climbs(found: Iterable[Import]) -> list[str]:
    """Imports within one package that lead up, or along a floor."""
    wrong = []
    for item in found:
        mine, theirs = wing_of(item.importer), wing_of(item.imported)
        if mine is None or theirs is None or mine[0] != theirs[0] or mine[1] == theirs[1]:
            continue
        package, here, there = mine[0], floor_of(*mine), floor_of(*theirs)
        if here is not None and there is not None and there >= here:
            where = "above" if there > here else "beside"
            wrong.append(
                f"{item.importer}:{item.line} imports {item.imported}, which stands {where} it: move what it "
                f"needs of {theirs[1]} to a floor below {mine[1]}, or be given it by a floor above both; or, "
                f"if {mine[1]} is what builds on {theirs[1]}, give it a higher floor in FLOORS[{package!r}]"
            )
    return wrong


def without_floor(modules: Iterable[str]) -> list[str]:
    """Wings that no floor lists, and listed ones that are gone."""
    there = {wing for module in modules if (wing := wing_of(module)) is not None}
    listed = {(package, wing) for package, floors in FLOORS.items() for floor in floors for wing in floor}
    return [
        f"runtime/{package}/{wing} stands on no floor: add it to FLOORS[{package!r}], above all it imports"
        for package, wing in sorted(there - listed)
    ] + [
        f"runtime/{package}/{wing} is gone: take it out of FLOORS[{package!r}]"
        for package, wing in sorted(listed - there)
    ]


def crowded(modules: Iterable[str]) -> list[str]:
    """Folders that show more than a newcomer can take in."""
    shown: dict[str, set[str]] = {}
    for module in modules:
        parts = module.split(".")
        for depth in range(1, len(parts)):
            shown.setdefault(".".join(parts[:depth]), set()).add(parts[depth])
    wrong = []
    for folder, names in sorted(shown.items()):
        most = GROWN.get(folder, MAX_ENTRIES)
        if len(names) > most:
            wrong.append(
                f"{folder.replace('.', '/')} shows {len(names)} entries, at most {most}: move those of one "
                "noun into a folder of that name, which gets a floor in FLOORS if the package has some"
            )
    return wrong


def homeless(found: Iterable[Import]) -> list[str]:
    wrong = []
    for item in found:
        homes = HOMES.get(item.imported.split(".")[0])
        if homes and not any(item.importer == home or item.importer.startswith(f"{home}.") for home in homes):
            wrong.append(
                f"{item.importer}:{item.line} imports {item.imported}: use it through {' or '.join(homes)}, "
                "the one place that knows it, or give it another home in HOMES"
            )
    return wrong


def impurities(found: Iterable[Import]) -> list[str]:
    return [
        f"{item.importer}:{item.line} is pure and imports {item.imported}: take what it would ask as an "
        "argument (the time as `now`), or move this part to a module that may"
        for item in found
        if any(item.importer == pure or item.importer.startswith(f"{pure}.") for pure in PURE)
        and item.importer not in NOT_PURE
        and item.imported.split(".")[0] in IMPURE
    ]


def cycles(found: Iterable[Import]) -> list[str]:
    """The groups of modules that reach each other (Tarjan's strongly connected components).

    An import for the type checker alone counts too: who reads one of them has to read all.
    """
    graph: dict[str, set[str]] = {}
    for item in found:
        if item.imported.startswith("runtime."):
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
                groups.append(
                    f"{' <-> '.join(sorted(group))}: give one side a Protocol of what it needs of the other, "
                    "or move what both need to a module of its own"
                )

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return groups


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path.read_text() for path in sorted((ROOT / "runtime").rglob("*.py"))}


@functools.cache
def imports() -> list[Import]:
    """All of them: every worker of a run imports this module, and one needs to know."""
    modules = set(SOURCES)
    return [item for name, source in SOURCES.items() for item in imports_of(name, source, modules)]


# ---- the tree as it is


def test_imports_never_rise() -> None:
    assert rises(imports()) == []


def test_wings_know_the_floors_below_them() -> None:
    assert climbs(imports()) == []
    assert without_floor(SOURCES) == []


def test_the_floors_are_drawn_as_they_are() -> None:
    drawn = (ROOT / "ARCHITECTURE.md").read_text()
    for package, floors in FLOORS.items():
        (block,) = re.findall(rf"^{package} +((?:[\w |]+\n)+?)(?=\w|```)", drawn, re.MULTILINE)
        listed = [set(floor.split()) for floor in block.split("|")]
        expected = [set(floor) - {"__main__"} for floor in floors]
        assert listed == [floor for floor in expected if floor], f"draw {package} anew in ARCHITECTURE.md"


def test_no_folder_is_a_list() -> None:
    assert crowded(SOURCES) == []


def test_modules_form_no_cycle() -> None:
    assert cycles(imports()) == []


def test_each_package_has_one_home() -> None:
    assert homeless(imports()) == []


def test_pure_modules_touch_neither_clock_nor_system() -> None:
    assert impurities(imports()) == []


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
    assert set(callers) == {"runtime.logs"}, "call configure or configure_worker of runtime.logs instead"


# Classes that agents may inherit from, and what is read field by field from settings and declarations.
DATACLASSES = {
    *("runtime.settings", "runtime.containers.settings", "runtime.wire.content"),
    *("runtime.session.spec", "runtime.sdk.room.messaging", "runtime.confinement.confine"),
    "runtime.worker.chaos.attack",
}


def dataclasses_without_need(sources: Iterable[tuple[str, str]]) -> list[str]:
    """Those that could be structs: no field of theirs is hidden, left out of comparisons or made later."""
    found = []
    for name, source in sources:
        if any(name == one or name.startswith(f"{one}.") for one in DATACLASSES):
            continue
        for node in ast.walk(ast.parse(source)) if "@dataclass" in source else ():
            if not isinstance(node, ast.ClassDef):
                continue
            decorated = any(ast.unparse(one).startswith("dataclass") for one in node.decorator_list)
            has_need = re.search(r"\bfield\(.*\b(repr|compare|init|hash)=", ast.unparse(node))
            if decorated and not has_need:
                found.append(f"{name}.{node.name}")
    return found


def test_values_are_structs() -> None:
    source = "@dataclass(frozen=True)\nclass A:\n    x: int = field({}default=0)\n"
    assert dataclasses_without_need([("m", source.format(""))]) == ["m.A"]
    assert dataclasses_without_need([("m", source.format("repr=False, "))]) == []
    assert dataclasses_without_need(SOURCES.items()) == [], (
        "write class A(msgspec.Struct, frozen=True): a dataclass costs a millisecond of every start"
    )


def test_no_module_outgrows_one_noun() -> None:
    long = {name: source.count("\n") for name, source in SOURCES.items() if source.count("\n") > MAX_LINES}
    assert long == {}, (
        f"longer than {MAX_LINES} lines: it holds two nouns; move one to a module that it names"
    )


def test_nothing_is_frozen_by_importing_it() -> None:
    # Whoever looks through all objects, as a zygote does, finds none that was frozen before.
    calls = [
        name
        for name, source in SOURCES.items()
        if "gc.freeze" in source
        for node in ast.parse(source).body
        if isinstance(node, ast.Expr) and ast.unparse(node).startswith("gc.freeze")
    ]
    assert calls == []


def test_no_name_says_nothing() -> None:
    said = [name for name in SOURCES if BANNED_NAMES & set(name.split("."))]
    assert said == [], "name the noun that is in it; if there are several, give each a module"


def test_the_top_level_is_the_fixed_set() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    paths = [Path(name) for name in listed.stdout.split("\0") if name]
    folders = {path.parts[0] for path in paths if len(path.parts) > 1}
    files = {path.parts[0] for path in paths if len(path.parts) == 1}
    assert folders <= TOP_FOLDERS, "move it into one of them; the top level is the first thing anybody sees"
    assert {"runtime", "agents", "tests"} <= folders
    assert files >= TOP_FILES
    modules = {name for name in files if name.endswith(".py")}
    assert not modules, "the top level holds no module: move it into runtime/, bench/ or .ci/"


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
    (homeless_one,) = homeless([Import("runtime.worker.session", "quart.views", 1)])
    assert "use it through runtime.front" in homeless_one
    (impure,) = impurities([Import("runtime.wire.webhook", "time", 1)])
    assert "as an argument" in impure
    loop = [
        Import("runtime.a", "runtime.b", 1),
        Import("runtime.b", "runtime.c", 1),
        Import("runtime.c", "runtime.a", 1),
    ]
    (told,) = cycles(loop)
    assert told.startswith("runtime.a <-> runtime.b <-> runtime.c: give one side a Protocol")
    assert cycles(loop[:2]) == []
    for_types = [Import("runtime.a", "runtime.b", 1), Import("runtime.b", "runtime.a", 1, for_types=True)]
    assert len(cycles(for_types)) == 1


@pytest.mark.parametrize(
    ("importer", "imported", "told"),
    [
        ("runtime.front.operator.workers", "runtime.front.studio.live", "stands above it"),
        ("runtime.front.model.routes", "runtime.front.operator.events", "stands beside it"),
        ("runtime.front.http.body", "runtime.front.state", "stands above it"),
        ("runtime.cli.session.workers", "runtime.cli.serve.screen", "stands beside it"),
        ("runtime.sdk.room.client", "runtime.sdk.chat.thread", "stands above it"),
        ("runtime.supervisor.verdict", "runtime.supervisor.lifecycle", "stands above it"),
    ],
)
def test_a_climb_is_seen(importer: str, imported: str, told: str) -> None:
    (wrong,) = climbs([Import(importer, imported, 3)])
    assert wrong.startswith(f"{importer}:3 imports {imported}, which {told}")
    assert "move what it needs" in wrong
    assert climbs([Import(importer, importer, 3)]) == []


def test_a_step_down_is_none() -> None:
    assert climbs([Import("runtime.front.studio.live", "runtime.front.operator.workers", 1)]) == []
    assert climbs([Import("runtime.sdk", "runtime.sdk.chat.chatbot", 1)]) == []
    assert climbs([Import("runtime.cli.main", "runtime.session.spec", 1)]) == []


def test_a_wing_without_a_floor_and_a_crowded_folder_are_seen() -> None:
    more = [*SOURCES, "runtime.front.extra.routes", *(f"runtime.wire.word{number}" for number in range(16))]
    assert any("runtime/front/extra stands on no floor" in told for told in without_floor(more))
    assert any(told.startswith("runtime/wire shows ") for told in crowded(more))
    fewer = [name for name in SOURCES if not name.startswith("runtime.front.studio")]
    assert any("runtime/front/studio is gone" in told for told in without_floor(fewer))


def test_imports_inside_functions_count() -> None:
    source = "def f():\n    from runtime.wire import frames\n"
    assert list(imports_of("runtime.a", source, {"runtime.wire.frames"})) == [
        Import("runtime.a", "runtime.wire.frames", 2)
    ]
