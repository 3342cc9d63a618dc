"""What becomes of `service.run()` in each place where a program may come to it."""

from __future__ import annotations

import asyncio
import multiprocessing.process
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from runtime.errors import BundleError, InvalidTransition
from runtime.sdk import loading
from runtime.sdk.host import ServiceHost
from runtime.sdk.program.call_site import CallSite

pytestmark = pytest.mark.unit


class Reached(BaseException):
    """Ends a program where it would serve; a BaseException, so that its own ``except Exception`` does not."""

    def __init__(self, site: CallSite) -> None:
        self.site = site


def stop(site: CallSite) -> Any:
    raise Reached(site)


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Runs a text as this process's main program."""

    def run(text: str) -> dict[str, Any]:
        file = tmp_path / "main.py"
        file.write_text("import asyncio\nservice = ServiceHost()\n" + textwrap.dedent(text))
        module = ModuleType("__main__")
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, "__main__", module)
        vars(module)["ServiceHost"] = ServiceHost
        exec(compile(file.read_text(), str(file), "exec", dont_inherit=True), vars(module))
        return vars(module)

    return run


# ---- the line


@pytest.mark.parametrize(
    ("text", "is_plain", "is_unconditional"),
    [
        ("asyncio.run(service.run())", True, True),
        ("from asyncio import run\nrun(service.run(), debug=True)", True, True),
        ("try:\n    asyncio.run(\n        service.run()\n    )\nfinally:\n    pass", True, True),
        ("with open('/dev/null'):\n    asyncio.run(service.run())", True, True),
        ("if __name__ == '__main__':\n    asyncio.run(service.run())", True, False),
        ("def main():\n    asyncio.run(service.run())\nmain()", True, True),
        ("def main():\n    if 0: return\n    asyncio.run(service.run())\nmain()", True, False),
        ("def main():\n    asyncio.run(service.run())\n__name__ == '__main__' and main()", True, False),
        ("async def main():\n    await service.run()\nasyncio.run(main())", False, True),
        ("async def main():\n    await service.run()\nif __name__:\n    asyncio.run(main())", False, False),
        ("later = service.run()\nasyncio.run(later)", False, True),
        ("with asyncio.Runner() as runner:\n    runner.run(service.run())", False, True),
        ("def serve(coroutine): ...\nserve(service.run())", False, True),
        ("with asyncio.Runner() as it:\n    it.get_loop().run_until_complete(service.run())", False, True),
    ],
)  # fmt: skip
def test_the_line_is_read(
    main: Callable[[str], Any], text: str, is_plain: bool, is_unconditional: bool
) -> None:
    with loading.loading(stop), pytest.raises(Reached) as reached:
        main(text)
    site = reached.value.site
    assert (site.is_for_asyncio_run, site.is_unconditional) == (is_plain, is_unconditional)
    assert site.where.startswith("main.py:")


def test_of_a_program_without_source_nothing_is_claimed() -> None:
    with loading.loading(stop), pytest.raises(Reached) as reached:
        exec("import asyncio\nasyncio.run(ServiceHost().run())", {"ServiceHost": ServiceHost})
    assert not reached.value.site.is_for_asyncio_run
    assert not reached.value.site.is_unconditional


# ---- loading


def test_no_loop_is_made_where_none_is_needed(
    main: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncio.events.new_event_loop", lambda: pytest.fail("a loop was made"))
    with loading.loading(stop), pytest.raises(Reached):
        main("try:\n    asyncio.run(service.run())\nexcept Exception:\n    raise SystemExit('swallowed')")


def test_start_is_taken_over_too() -> None:
    async def main() -> None:
        await ServiceHost().start()

    with loading.loading(stop), pytest.raises(Reached):
        asyncio.run(main())


def test_loading_lists_every_host_and_forgets_those_of_the_last_time() -> None:
    before = ServiceHost()
    with loading.loading(stop):
        first, second = ServiceHost(), ServiceHost()
        assert loading.declared() == (first, second)
        with pytest.raises(InvalidTransition), loading.loading(stop):
            pass
    assert before not in loading.declared()
    assert loading.declared() == (first, second)
    with loading.loading(stop):
        assert loading.declared() == ()


def test_a_bundle_s_process_never_serves_itself() -> None:
    with loading.loading(stop):
        pass
    with pytest.raises(BundleError, match=r"in a session's process \(test_loading.py:\d+\)"):
        ServiceHost().run()


# ---- where nobody must serve


@contextmanager
def refusals() -> Iterator[list[BundleError]]:
    heard: list[BundleError] = []
    with loading.loading(stop, heard.append):
        yield heard


@pytest.mark.parametrize("is_loading", [False, True])
def test_a_thread_is_told(is_loading: bool) -> None:
    raised: list[BaseException] = []

    def serve() -> None:
        try:
            ServiceHost().run()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    def run() -> None:
        thread = threading.Thread(target=serve)
        thread.start()
        thread.join()

    if is_loading:
        with refusals() as heard:
            run()
        assert heard == raised
    else:
        run()
    assert "in a thread (test_loading.py:" in str(raised[0])
    assert "main thread" in str(raised[0])


def test_an_import_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "served_by_import.py").write_text(
        "import asyncio\nfrom runtime.sdk.host import ServiceHost\nasyncio.run(ServiceHost().run())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    told = r'imported.*\(served_by_import.py:3\).*`if __name__ == "__main__":`'
    with pytest.raises(BundleError, match=told):
        __import__("served_by_import")


def test_a_pool_s_child_is_told_in_one_sentence(
    main: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    child = multiprocessing.process.current_process()
    monkeypatch.setattr(child, "_inheriting", True, raising=False)
    with pytest.raises(SystemExit, match=r"error: a process of a pool imports the program, and main.py:3"):
        main("asyncio.run(service.run())")


def test_a_child_of_the_standard_library_serves_nobody(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import asyncio, multiprocessing\nfrom runtime.sdk.host import ServiceHost\n"
        "def work(): print('worked', flush=True)\n"
        "if __name__ == '__main__':\n"
        "    process = multiprocessing.get_context('spawn').Process(target=work)\n"
        "    process.start(); process.join(); print('code', process.exitcode)\n"
        "else:\n    asyncio.run(ServiceHost().run())\n"
    )
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "code 1\n"
    told = "error: a process of a pool imports the program, and main.py:8 starts the service there, too"
    assert done.stderr.splitlines()[-1].startswith(told)
    assert "Traceback" not in done.stderr
