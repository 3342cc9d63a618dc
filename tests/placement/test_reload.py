"""Reload: a bundle is loaded again when what Python imported changed, and then alone."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from runtime.session.exit_reasons import ExitReason

pytestmark = [pytest.mark.process, pytest.mark.asyncio]

USES = """
import {0}
@service.path("/x")
class X(Base):
    async def start(self, *, room):
        print("word", {0}.word)
"""


async def generation(node: Any, number: int, name: str = "x") -> Any:
    return await node.bundle_state(name, lambda info: info.generation == number)


async def word(node: Any, identity: str) -> str:
    return str(await node.printed(await node.ready("/x", identity=identity), "word")).removeprefix("word ")


def change(node: Any, name: str, text: str) -> Path:
    return Path(node.write(name, text, preamble=""))


@pytest.mark.parametrize(
    ("module", "file"),
    [("tools", "x/tools.py"), ("pkg.deep.mod", "x/pkg/deep/mod.py"), ("pkg", "x/pkg/__init__.py")],
)
async def test_a_save_of_what_the_program_imports_is_loaded(node: Any, module: str, file: str) -> None:
    change(node, "x/pkg/__init__.py", "word = 'pkg'\n")
    change(node, file, "word = 'old'\n")
    node.write("x/main.py", USES.format(module))
    await node.start(watch=True)
    assert await word(node, "one") == "old"
    change(node, file, "word = 'new'\n")
    await generation(node, 2)
    assert await word(node, "two") == "new"


async def test_a_module_outside_of_the_bundle_counts_too(node: Any, tmp_path: Path) -> None:
    shared = tmp_path / "lib" / "shared.py"
    shared.parent.mkdir()
    shared.write_text("word = 'old'\n")
    path = f"import sys\nsys.path.append({str(shared.parent)!r})\n"
    main = node.write("x.py", path + USES.format("shared").lstrip())
    main.with_suffix(".toml").write_text(f"[confinement]\nread = [{str(shared.parent)!r}]\n")
    await node.start(watch=True)
    shared.write_text("word = 'new'\n")
    await generation(node, 2)
    assert await word(node, "two") == "new"


async def test_a_module_that_a_session_imports_while_it_runs_counts_from_then_on(node: Any) -> None:
    change(node, "x/tools.py", "word = 'old'\n")
    node.write(
        "x/main.py",
        USES.format("tools")
        .replace("import tools\n", "")
        .replace("        print", "        import tools\n        print"),
    )
    await node.start(watch=True)
    change(node, "x/tools.py", "word = 'older'\n")
    assert await node.placement.reload_changed() == []  # nobody has read it
    assert await word(node, "one") == "older"
    files = node.placement.supervisor.roster._bundles["x"].files
    async with asyncio.timeout(20):
        while str(node.folder / "x" / "tools.py") not in files.paths():
            await asyncio.sleep(0.05)
    change(node, "x/tools.py", "word = 'new'\n")
    await generation(node, 2)
    assert await word(node, "two") == "new"


async def test_a_flood_of_imports_from_a_session_is_taken_in_by_one_task(node: Any) -> None:
    change(node, "x/tools.py", "word = 'old'\n")
    node.write("x/main.py", USES.format("sys"))
    await node.start()
    bundle = node.placement.supervisor.roster._bundles["x"]
    before = len(bundle._tasks)
    for number in range(1000):
        bundle._imported_later(1, [f"/m{number}_{one}.py" for one in range(10)])
    assert len(bundle._tasks) == before + 1
    assert len(bundle._later) == 5000
    await bundle._later._adding
    bundle._imported_later(1, [str(node.folder / "x" / "tools.py")])
    await bundle._later._adding
    assert {path for path in bundle.files.paths() if path.startswith("/m")} == set()
    assert str(node.folder / "x" / "tools.py") in bundle.files.paths()


@pytest.mark.parametrize("name", ["'tools'", "'tools' + str(time.time_ns())"])
async def test_a_program_that_writes_what_it_imports_is_not_loaded_for_ever(node: Any, name: str) -> None:
    node.write(
        "x/main.py",
        f"""
        import importlib, time
        name = {name}
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py"), "w") as file:
            file.write(f"word = {{time.time_ns()}}")
        importlib.invalidate_caches()
        importlib.import_module(name)
        @service.path("/x")
        class X(Base):
            pass
        """,
    )
    (node.folder / "x" / "bulkhead.toml").write_text('[confinement]\nwrite = ["."]\n')
    with capture_logs() as logs:
        await node.start(watch=True)
        async with asyncio.timeout(60):
            while not any(one["event"] == "bundle.writes_its_code" for one in logs):
                await asyncio.sleep(0.05)
            while node.placement.supervisor.roster._bundles["x"].under_way:
                await asyncio.sleep(0.05)
    assert await node.placement.reload_changed() == []
    assert node.placement.bundles()[0].state == "ready"


async def test_data_logs_and_databases_beside_the_code_load_nothing(node: Any, agents_dir: Path) -> None:
    change(node, "x/tools.py", "word = 'old'\n")
    node.write("x/main.py", USES.format("tools"))
    await node.start(watch=True)
    for name in ("notes.db", "notes.db-journal", "a.log", "state.json", "uploads/picture.png", "test_x.py"):
        change(node, f"x/{name}", "data")
    (agents_dir / "x" / "tools.py").touch()
    change(node, "x/tools.py", "word = 'old'\n")  # the same bytes
    await asyncio.to_thread(shutil.copytree, agents_dir / "x", agents_dir / "x" / "backup")
    assert await node.placement.reload_changed() == []
    change(node, "x/tools.py", "word = 'new'\n")
    info = await node.bundle_state("x", lambda info: info.generation > 1)
    await node.placement.loaded()
    assert info.generation == 2


async def test_a_folder_that_cannot_be_read_keeps_no_other_from_being_followed(
    node: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / "main.py"
    other.parent.mkdir()
    node.write("x.py", USES.format("sys"))
    other.write_text(node.write("y.py", USES.format("sys").replace("/x", "/y")).read_text())
    (node.folder / "y.py").unlink()
    start, listed = node.placement.start, Path.iterdir

    def iterdir(path: Path) -> Any:
        if path == node.folder:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(
        node.placement, "start", lambda sources, watch: start([*sources, other.parent], watch=watch)
    )
    await node.start(watch=True)
    monkeypatch.setattr(Path, "iterdir", iterdir)
    for number in (2, 3):  # the first may be seen by a look that was under way
        other.write_text(other.read_text() + "\n")
        await generation(node, number, "other")


async def test_an_environment_that_fails_as_nobody_foresaw_is_told_and_stops_no_other(node: Any) -> None:
    for name in ("x", "y"):
        node.write(f"{name}/main.py", USES.format("sys").replace("/x", f"/{name}"))
        change(node, f"{name}/requirements.txt", "a-package\n")
    await node.start()
    assert [info.state for info in node.placement.bundles()] == ["failed", "failed"]
    change(node, "x/bulkhead.toml", "python = '~nobody-of-that-name/bin/python'\n")
    await node.bundle_state("x", lambda info: "RuntimeError" in info.error)
    (node.folder / "y" / "requirements.txt").unlink()
    await node.bundle_state("y", lambda info: info.state == "ready")


async def test_an_edit_of_one_bundle_loads_no_other(node: Any) -> None:
    change(node, "x/tools.py", "word = 'old'\n")
    for name in ("x", "y"):
        node.write(f"{name}/main.py", f'@service.path("/{name}")\nclass X(Base):\n    pass\nimport os, sys\n')
    change(
        node, "x/main.py", Path(node.folder / "x/main.py").read_text().replace("import os", "import tools")
    )
    await node.start(watch=True)
    change(node, "x/tools.py", "word = 'new'\n")
    await generation(node, 2)
    assert next(info for info in node.placement.bundles() if info.name == "y").generation == 1


@pytest.mark.parametrize("mistake", ["def (\n", "raise KeyError('x')\n"])
async def test_a_mistake_in_a_helper_is_reported_and_the_save_that_mends_it_seen(
    node: Any, mistake: str
) -> None:
    change(node, "x/tools.py", mistake)
    node.write("x/main.py", USES.format("tools"))
    await node.start(watch=True)
    (info,) = node.placement.bundles()
    assert (info.state, info.generation) == ("failed", 0)
    assert "tools.py:1" in info.error
    change(node, "x/tools.py", "word = 'mended'\n")
    await generation(node, 1)
    assert await word(node, "one") == "mended"


async def test_a_module_that_was_missing_is_seen_when_it_is_written(node: Any) -> None:
    node.write("x/main.py", USES.format("pkg.tools"))
    change(node, "x/pkg/__init__.py", "")
    await node.start(watch=True)
    assert node.placement.bundles()[0].state == "failed"
    change(node, "x/pkg/tools.py", "word = 'there'\n")
    await generation(node, 1)
    assert await word(node, "one") == "there"


async def test_an_optional_module_that_comes_later_is_seen(node: Any) -> None:
    body = USES.format("tools").replace(
        "import tools", "try: import tools\nexcept ImportError:\n    class tools: word = 'none'"
    )
    node.write("x/main.py", body)
    await node.start(watch=True)
    assert await word(node, "one") == "none"
    change(node, "x/tools.py", "word = 'some'\n")
    await generation(node, 2)
    assert await word(node, "two") == "some"


async def test_a_mistake_that_is_undone_is_loaded_no_second_time(node: Any) -> None:
    change(node, "x/tools.py", "word = 'good'\n")
    node.write("x/main.py", USES.format("tools"))
    await node.start(watch=True)
    change(node, "x/tools.py", "def (\n")
    await node.bundle_state("x", lambda info: info.error != "")
    change(node, "x/tools.py", "word = 'good'\n")
    info = await node.bundle_state("x", lambda info: info.error == "")
    assert (info.state, info.generation) == ("ready", 1)


async def test_a_release_that_is_swapped_by_its_link_is_loaded_and_may_be_removed(
    node: Any, tmp_path: Path
) -> None:
    for release in ("1", "2"):
        node.write(f"../releases/{release}/x/main.py", USES.format("tools"))
        change(node, f"../releases/{release}/x/tools.py", f"word = {release!r}\n")
    link = tmp_path / "current"
    link.symlink_to("releases/1")
    node.folder = link
    await node.start(watch=True)
    assert await word(node, "one") == "1"
    with capture_logs() as logs:
        link.unlink()
        link.symlink_to("releases/2")
        shutil.rmtree(tmp_path / "releases" / "1")
        await generation(node, 2)
        assert await word(node, "two") == "2"
    assert not [line for line in logs if line["event"] in ("bundle.failed", "bundle.reload_failed")]


async def test_a_program_that_is_gone_is_no_error_is_told_after_a_while_and_serves_on(
    node: Any, agents_dir: Path
) -> None:
    program = node.write("main.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    change(node, "tools.py", "word = 1\n")
    await node.start(watch=True)
    name = agents_dir.name
    with capture_logs() as logs:
        program.rename(agents_dir / "away")
        assert await node.placement.reload_changed() == []  # which tells at once what watching waits for
        info = await node.bundle_state(name, lambda info: info.error != "")
        assert (info.state, info.generation) == ("ready", 1)
        assert "main.py is gone; the code that was loaded from it serves on" in info.error
        await node.ready("/x")
        (agents_dir / "away").rename(program)
        info = await node.bundle_state(name, lambda info: info.error == "")
    assert info.generation == 1
    assert [line["event"] for line in logs if line["log_level"] != "info"] == ["bundle.program_gone"]


async def test_what_is_gone_for_a_moment_is_not_told(node: Any, agents_dir: Path) -> None:
    change(node, "x/tools.py", "word = 'old'\n")
    program = node.write("x/main.py", USES.format("tools"))
    await node.start(watch=True)
    with capture_logs() as logs:
        for file in (program, agents_dir / "x" / "tools.py"):
            text = file.read_text()
            file.unlink()
            await asyncio.sleep(0.3)  # what a checkout of another branch takes
            file.write_text(text)
        change(node, "x/tools.py", "word = 'new'\n")
        await generation(node, 2)
    assert [line["event"] for line in logs] == ["bundle.loaded"]


async def test_a_helper_that_stays_away_is_told_with_its_name(node: Any, agents_dir: Path) -> None:
    change(node, "x/tools.py", "word = 'old'\n")
    node.write("x/main.py", USES.format("tools"))
    await node.start(watch=True)
    (agents_dir / "x" / "tools.py").unlink()
    info = await node.bundle_state("x", lambda info: info.error != "")
    assert (info.state, info.generation) == ("ready", 1)
    assert "tools" in info.error


async def test_limits_in_the_bundles_own_file_are_read_again(node: Any) -> None:
    node.write("x.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await node.start(watch=True)
    change(node, "x.toml", '[limits]\nmemory = "1GiB"\n')
    await generation(node, 2)
    assert node.placement.endpoints()[0].limits.plain()["memory_bytes"] == 1 << 30


SHOWS = """
@service.path("/x")
class X(Base):
    async def start(self, *, room):
        names = ("WEATHER_KEY", "HOME_IS", "BULKHEAD_API_TOKEN")
        print("word", *(os.environ.get(name, "-") for name in names))
"""


async def test_a_bundles_own_variables_are_its_alone_and_followed(node: Any) -> None:
    node.write("x/main.py", SHOWS)
    node.write("y/main.py", SHOWS.replace("/x", "/y"))
    change(node, "x/.env", "WEATHER_KEY=one\nPATH=/nowhere\nBULKHEAD_API_TOKEN=t\nexport HOME_IS='a ${b}'\n")
    await node.start(watch=True)
    assert await word(node, "one") == "one a ${b} -"
    other = await node.ready("/y")
    assert await node.printed(other, "word") == "word - - -"
    change(node, "x/.env", "WEATHER_KEY=two\n")
    await generation(node, 2)
    assert await word(node, "two") == "two - -"
    (node.folder / "x" / ".env").unlink()
    await generation(node, 3)
    assert await word(node, "three") == "- - -"
    change(node, "x/.env", "WEATHER_KEY=four\n")
    await generation(node, 4)
    assert await word(node, "four") == "four - -"


async def test_variables_that_cannot_be_read_are_told_with_their_line_and_the_last_ones_serve(
    node: Any,
) -> None:
    node.write("x/main.py", SHOWS)
    change(node, "x/.env", "A=1\nsk-not-an-assignment\n")
    await node.start(watch=True)
    info = await node.bundle_state("x", lambda info: info.error != "")
    assert info.state == "failed"
    assert "/x/.env, line 2 is no variable" in info.error
    assert "sk-not" not in info.error
    change(node, "x/.env", "WEATHER_KEY=good\n")
    await generation(node, 1)
    change(node, "x/.env", "WEATHER_KEY='open\n")
    await node.bundle_state("x", lambda info: "line 1" in info.error)
    assert await word(node, "one") == "good - -"


async def test_a_report_does_not_show_a_bundles_own_key(node: Any) -> None:
    node.write("x/main.py", SHOWS.replace("print(", "print(os.environ['WEATHER_KEY']); os.abort(); print("))
    change(node, "x/.env", "WEATHER_KEY=rain-or-shine-07\n")
    await node.start()
    ended = await node.exited(await node.call("/x"))
    assert ended.report is not None
    assert ended.report.log
    assert "rain-or-shine-07" not in repr(ended.report)


async def test_without_watching_changed_bundles_are_loaded_when_asked(node: Any) -> None:
    change(node, "x/tools.py", "word = 'old'\n")
    node.write("x/main.py", USES.format("tools"))
    node.write("y.py", '@service.path("/y")\nclass X(Base):\n    pass\n')
    await node.start()
    assert await node.placement.reload_changed() == []
    change(node, "x/tools.py", "word = 'new'\n")
    node.write("z.py", '@service.path("/z")\nclass X(Base):\n    pass\n')
    assert sorted(await node.placement.reload_changed()) == ["x", "z"]
    await node.placement.loaded()
    assert await word(node, "one") == "new"
    await node.ready("/z")


async def test_a_save_while_it_is_imported_is_loaded_instead(node: Any) -> None:
    node.write("x.py", "import time\ntime.sleep(1000)\n", preamble="")
    start = asyncio.create_task(node.start(watch=True))
    await node.bundle_state("x", lambda info: info.state == "loading")
    node.write("x.py", '@service.path("/x")\nclass X(Base):\n    pass\n')
    await start
    await node.ready("/x")


@pytest.mark.long
async def test_many_saves_of_code_and_data_in_turn_are_as_many_generations_and_drop_nobody(node: Any) -> None:
    change(node, "x/tools.py", "word = 0\n")
    change(node, "x/pkg/mod.py", "word = 0\n")
    node.write("x/main.py", USES.format("tools") + "import pkg.mod\n")
    await node.start(watch=True)
    sessions = [await node.ready("/x", identity=f"a{number}") for number in range(20)]
    expected = 1
    for number in range(1, 51):
        name = ("tools.py", "notes.db", "pkg/mod.py", "run.log", "state.json")[number % 5]
        change(node, f"x/{name}", f"word = {number}\n")
        if name.endswith(".py"):
            expected += 1
            await generation(node, expected)
    assert await node.placement.reload_changed() == []
    assert node.placement.bundles()[0].generation == expected == 21
    assert all([await node.placement.vitals(session) is not None for session in sessions])
    assert await word(node, "new") == "50"
    for session in sessions:
        await node.placement.stop(session, ExitReason.STOPPED)
