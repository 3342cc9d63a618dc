"""Where a MeshAgent SDK is installed its modules are used, but for the host and the telemetry."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from runtime.compat import overlay

pytestmark = pytest.mark.unit

SERVICES = """
    class Portable: ...
    class ServiceHost:
        def __init__(self): raise RuntimeError("the SDK's own host")
    async def send_webhook(): ...
"""
OTEL = """
    def otel_config(*, service_name="x", level=20):
        print("configured", service_name)
"""


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    """A folder with a package that is laid out as the SDK's distributions are."""
    for module, body in {
        "api/services": SERVICES,
        "otel/__init__": OTEL,
        "agents/__init__": "class A: ...",
    }.items():
        file = tmp_path / "meshagent" / f"{module}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        file.write_text(textwrap.dedent(body))
    return tmp_path


def run(program: str, path: Path) -> str:
    """What a fresh interpreter with the folder on its path prints."""
    program = f"import sys; sys.path.insert(0, {str(path)!r})\n{textwrap.dedent(program)}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_everything_is_theirs_but_the_host(sdk: Path) -> None:
    program = """
        from runtime.compat import finder
        finder.install()
        from meshagent.agents import A
        from meshagent.api.services import Portable, ServiceHost, send_webhook
        import meshagent.api.services as services
        print(A.__module__, Portable.__module__, ServiceHost.__module__, send_webhook.__module__)
        source = services.__loader__.get_source(services.__name__)
        print(services.__file__.endswith("services.py"), "Portable" in source)
    """
    assert run(program, sdk).splitlines() == [
        "meshagent.agents meshagent.api.services runtime.sdk.host meshagent.api.services",
        "True True",
    ]


def test_telemetry_is_set_up_after_the_fork_and_not_before(sdk: Path) -> None:
    program = """
        from runtime.compat import finder, overlay
        finder.install()
        from meshagent.otel import otel_config
        otel_config(service_name="bot")
        print("declared", overlay.is_exporting())
        overlay.apply_otel()
        print(overlay.is_exporting())
        overlay.apply_otel()
    """
    assert run(program, sdk).splitlines() == ["declared False", "configured bot", "True"]


def test_telemetry_that_fails_costs_no_session(sdk: Path) -> None:
    (sdk / "meshagent" / "otel" / "__init__.py").write_text(
        "def otel_config(): raise OSError('no collector')\n"
    )
    program = """
        from runtime.compat import finder, overlay
        finder.install()
        import meshagent.otel
        meshagent.otel.otel_config()
        overlay.apply_otel()
        print(overlay.is_exporting())
    """
    assert run(program, sdk) == "False"


def test_an_sdk_without_its_telemetry_package_gets_ours(sdk: Path) -> None:
    (sdk / "meshagent" / "otel" / "__init__.py").unlink()
    (sdk / "meshagent" / "otel").rmdir()
    program = """
        from runtime.compat import finder
        finder.install()
        from meshagent.otel import otel_config
        otel_config(service_name="bot")
        print(otel_config.__module__)
    """
    assert run(program, sdk) == "runtime.sdk.otel"


def test_a_package_that_is_not_there_is_missed_as_usual(sdk: Path) -> None:
    program = """
        from runtime.compat import finder
        finder.install()
        try:
            import meshagent.openai
        except ModuleNotFoundError as error:
            print(error.name)
    """
    assert run(program, sdk) == "meshagent.openai"


def test_half_an_sdk_is_none(sdk: Path) -> None:
    (sdk / "meshagent" / "api" / "services.py").unlink()
    program = """
        from runtime.compat import finder, overlay
        finder.install()
        from meshagent.api.services import ServiceHost
        from meshagent.agents import TaskRunner
        print(ServiceHost.__module__, TaskRunner.__module__, overlay.is_active())
    """
    assert run(program, sdk) == "runtime.sdk.host runtime.sdk.task_runner False"


def test_none_is_installed_here() -> None:
    assert not overlay.is_sdk_installed()
    overlay.install()
    overlay.install()
    try:
        assert overlay.is_active()
        assert sum(isinstance(one, overlay.OverlayFinder) for one in sys.meta_path) == 1
    finally:
        overlay.uninstall()
    assert not overlay.is_active()
