"""How an exception of user code is told."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType

import pytest
from msgspec import structs

from runtime.settings import knobs
from runtime.wire import control
from runtime.wire.control import Failed
from runtime.wire.trace import TaskTrace
from runtime.worker.failure import MAX_MESSAGE_BYTES, describe, fitting

pytestmark = pytest.mark.unit


def raised_in(folder: Path, source: str) -> BaseException:
    program = folder / "main.py"
    program.write_text(source)
    code: CodeType = compile(source, str(program), "exec")
    try:
        exec(code, {})
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError("it did not raise")


def test_the_innermost_line_of_the_bundle_is_named_even_below_a_library(tmp_path: Path) -> None:
    error = raised_in(tmp_path, "import json\ndef load():\n    json.loads('{')\nload()\n")
    told = describe(error, tmp_path)
    assert told.kind == "JSONDecodeError"
    assert told.where == f"{tmp_path}/main.py:3 in load"
    assert "json.loads" in told.traceback


def test_a_message_that_cannot_be_shown_is_survived(tmp_path: Path) -> None:
    error = raised_in(tmp_path, "class Odd(Exception):\n    def __str__(self): raise OSError\nraise Odd\n")
    assert "cannot be shown" in describe(error, tmp_path).message


def test_texts_are_bounded(tmp_path: Path) -> None:
    error = raised_in(tmp_path, "raise ValueError('x' * 10**6)")
    told = describe(error, tmp_path)
    assert len(told.message) <= 2_000
    assert len(told.traceback) < 30_000


def test_a_syntax_error_names_its_own_line(tmp_path: Path) -> None:
    try:
        compile("x = 1\ny = (\n", str(tmp_path / "main.py"), "exec")
    except SyntaxError as error:
        told = describe(error, tmp_path)
    assert told.where == f"{tmp_path}/main.py:2"


def test_locals_source_and_bases_go_with_it(tmp_path: Path) -> None:
    source = "class Odd(ValueError): pass\ndef f(count):\n    names = ['a']\n    raise Odd('no')\nf(3)\n"
    told = describe(raised_in(tmp_path, source), tmp_path)
    inner = told.trace.frames[-1]
    assert (inner.function, inner.line, inner.own) == ("f", 4, True)
    assert inner.locals == {"count": "3", "names": "['a']"}
    assert told.trace.bases[1] == "builtins.ValueError"
    excerpt = told.trace.excerpt
    assert excerpt is not None
    assert (excerpt.first, excerpt.marked) == (1, 4)
    assert excerpt.lines[3].strip() == "raise Odd('no')"


def test_secrets_of_the_locals_stand_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "token-of-the-shop")
    source = (
        "def f(api_key):\n    raise ValueError(f'{api_key} and token-of-the-shop')\nf('hunter2' + '-long')\n"
    )
    told = describe(raised_in(tmp_path, source), tmp_path)
    for text in (told.message, told.traceback, str(told.trace.frames)):
        assert "hunter2-long" not in text
        assert "token-of-the-shop" not in text
    assert {"hunter2-long", "token-of-the-shop"} <= set(told.trace.hide)


def test_what_is_no_text_is_told_all_the_same(tmp_path: Path) -> None:
    source = "import os\nname = os.fsdecode(b'a\\xff')\nraise ValueError(name)\n"
    told = describe(raised_in(tmp_path, source), tmp_path, [TaskTrace("t\udcff")])
    assert told.message == "a\ufffd"
    assert told.trace.frames[-1].locals["name"] in ("'a\ufffd'", "'a\\udcff'")
    failed = Failed("start", told.kind, told.message, told.where, told.traceback, trace=told.trace)
    assert control.decode(control.from_worker, control.encode(fitting(failed))) == failed


def test_a_message_that_never_comes_is_not_waited_for(tmp_path: Path) -> None:
    source = "class Odd(Exception):\n    def __str__(self):\n        while True: pass\nraise Odd\n"
    told = describe(raised_in(tmp_path, source), tmp_path)
    assert "cannot be shown" in told.message
    assert told.where.endswith("main.py:4 in <module>")
    assert "raise Odd" in told.traceback


def test_a_deep_recursion_is_cut_in_the_middle(tmp_path: Path) -> None:
    told = describe(raised_in(tmp_path, "def f(n):\n    data = 'x' * 10**6\n    f(n + 1)\nf(0)\n"), tmp_path)
    assert told.kind == "RecursionError"
    assert len(told.trace.frames) <= 20
    assert told.trace.omitted > 500
    assert told.trace.frames[0].function == "<module>"
    assert sum(len(str(frame.locals)) for frame in told.trace.frames) < 50_000


def test_a_missing_package_and_a_missing_variable_are_named(tmp_path: Path) -> None:
    told = describe(raised_in(tmp_path, "import no_such_package.sub\n"), tmp_path)
    assert told.trace.missing == "no_such_package"
    told = describe(raised_in(tmp_path, "import os\nos.environ['NO_SUCH_VARIABLE']\n"), tmp_path)
    assert told.trace.variable == "NO_SUCH_VARIABLE"
    told = describe(raised_in(tmp_path, "{}['x']\n"), tmp_path)
    assert told.trace.variable == ""


@pytest.mark.parametrize("statement", ["import {}", "from {} import {}"])
def test_a_missing_part_of_a_package_is_named_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    elsewhere, folder = tmp_path / "site-packages", tmp_path / "bundle"
    (elsewhere / "shared_ground" / "one").mkdir(parents=True)
    (elsewhere / "whole").mkdir()
    (elsewhere / "whole" / "__init__.py").touch()
    (folder / "own_parts").mkdir(parents=True)
    (folder / "own_parts" / "__init__.py").touch()
    (folder / "own_parts" / "reader.py").touch()
    monkeypatch.syspath_prepend(elsewhere)
    monkeypatch.syspath_prepend(folder)
    for name in ("shared_ground", "own_parts", "whole"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    def told(package: str, part: str) -> tuple[str, bool, str]:
        line = (
            statement.format(f"{package}.{part}")
            if statement == "import {}"
            else statement.format(package, part)
        )
        trace = describe(raised_in(folder, f"import {package}\n{line}\n"), folder).trace
        return trace.missing, trace.shared, trace.near

    assert told("shared_ground", "two") == ("shared_ground.two", True, "")
    assert told("own_parts", "raeder") == ("own_parts.raeder", False, "own_parts/reader.py")
    # A package with code of its own may lack a name as well as a module.
    assert told("whole", "part") == ("whole.part" if statement == "import {}" else "", False, "")


def test_a_report_fits_into_the_smallest_frame_that_a_front_takes(tmp_path: Path) -> None:
    fields = "".join(f"    v{n} = '\U0001f600' * 190\n" for n in range(20))
    body = f"def f(n):\n{fields}    f(n + 1) if n < 15 else 1 / 0\nf(0)\n"
    told = describe(raised_in(tmp_path, body), tmp_path)
    tasks = [TaskTrace("t" * 100, "Future", ["x" * 500] * 12)] * 40
    trace = structs.replace(told.trace, tasks=tasks)
    whole = Failed("run", told.kind, told.message, told.where, "\U0001f600" * 24_000, trace=trace)
    assert len(control.encode(whole)) > 100_000
    sent = fitting(whole)
    assert len(control.encode(sent)) <= MAX_MESSAGE_BYTES
    assert sent.where == whole.where
    assert fitting(Failed("run", "KeyError", "small", trace=told.trace)).message == "small"
    huge = Failed("run", "\U0001f600" * 100_000, "m", "w" * 100_000)
    assert len(control.encode(fitting(structs.replace(huge, kind="K")))) <= MAX_MESSAGE_BYTES
    limit = next(item for key, item in knobs() if key == "supervisor.max_frame_bytes").metadata["minimum"]
    assert limit > MAX_MESSAGE_BYTES
