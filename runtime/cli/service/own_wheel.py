"""A wheel of the Bulkhead that runs here, for an image that is built where no index has it.

From an installation it is packed out of what the installation lists; from a checkout as `pyproject.toml`
says, which a build would do as well, but with a build backend that a bare environment does not have.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import runtime
from runtime import __version__

DISTRIBUTION: Final = "bulkhead-runtime"
_STEM: Final = f"bulkhead_runtime-{__version__}"
_INFO: Final = f"{_STEM}.dist-info"
_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: bulkhead\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_OF_AN_INSTALLATION: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")


def write(folder: Path) -> Path | None:
    """Write the wheel into the folder, which is made; None where there is nothing to make it of."""
    held = dict(_held())
    if f"{_INFO}/METADATA" not in held:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_STEM}-py3-none-any.whl"
    record = ""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in sorted(held.items()):
            _add(wheel, name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record += f"{name},sha256={digest},{len(content)}\n"
        _add(wheel, f"{_INFO}/RECORD", f"{record}{_INFO}/RECORD,,\n".encode())
    return path


def _held() -> Iterator[tuple[str, bytes]]:
    checkout = Path(runtime.__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file():
        yield from _of_checkout(checkout)
        return
    try:
        installed = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return
    yield from _of_installation(installed)


def _of_installation(installed: Distribution) -> Iterator[tuple[str, bytes]]:
    for file in installed.files or ():
        name = file.as_posix()
        # What stands outside of the packages' folder are scripts, which an installer makes anew.
        is_made = name.startswith("..") or name.endswith(".pyc")
        is_of_this = f"{_INFO}/" in name and name.rpartition("/")[2] in _OF_AN_INSTALLATION
        if not is_made and not is_of_this:
            yield name, Path(str(file.locate())).read_bytes()


def _of_checkout(checkout: Path) -> Iterator[tuple[str, bytes]]:
    told = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))
    wheel = told["tool"]["hatch"]["build"]["targets"]["wheel"]
    placed = {package: package for package in wheel["packages"]} | wheel.get("force-include", {})
    for source, target in placed.items():
        inner = [checkout / other for other in placed if other.startswith(f"{source}/")]
        for name, path in _files(checkout / source, target):
            if not any(path.is_relative_to(other) for other in inner):  # those have a place of their own
                yield name, path.read_bytes()
    project = told["project"]
    yield f"{_INFO}/METADATA", _metadata(project).encode()
    yield f"{_INFO}/WHEEL", _WHEEL.encode()
    for licence in project["license-files"]:
        yield f"{_INFO}/licenses/{licence}", (checkout / licence).read_bytes()
    scripts = "".join(f"{name} = {where}\n" for name, where in project["scripts"].items())
    yield f"{_INFO}/entry_points.txt", f"[console_scripts]\n{scripts}".encode()


def _files(source: Path, target: str) -> Iterator[tuple[str, Path]]:
    if source.is_file():
        yield target, source
    for path in source.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            yield f"{target}/{path.relative_to(source).as_posix()}", path


def _metadata(project: Mapping[str, Any]) -> str:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {__version__}",
        f"Summary: {project['description']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {requirement}" for requirement in project["dependencies"]),
    ]
    for extra, requirements in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines.extend(f"Requires-Dist: {requirement}; extra == '{extra}'" for requirement in requirements)
    return "\n".join(lines) + "\n"


def _add(wheel: zipfile.ZipFile, name: str, content: bytes) -> None:
    # The same bytes each time, whenever it is made.
    about = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    about.compress_type = zipfile.ZIP_DEFLATED
    about.external_attr = 0o644 << 16
    wheel.writestr(about, content)
