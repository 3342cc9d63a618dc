"""What to do about a module that could not be found: a file of the author's, a package, or a part of the SDK.

No name that failed to import is ever advised to be installed: it may be a forgotten file, and what stands
under a misspelled name in a registry is anybody's.  Pure.
"""

from __future__ import annotations

from typing import Final

SDK_IN_PLACE: Final = "Bulkhead serves in place of the MeshAgent SDK"
"""Stands in what an import of the SDK's names says that are not among ours."""

INSTALL: Final = "bulkhead bundle install"

# Packages whose name to import is not their name to install.
_DISTRIBUTIONS: Final = {
    "yaml": "PyYAML",
    "cv2": "opencv-python",
    "PIL": "Pillow",
    "sklearn": "scikit-learn",
    "dotenv": "python-dotenv",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
    "jwt": "PyJWT",
    "docx": "python-docx",
    "google": "google-genai",
}
# The same of parts of a package that distributions share.
_PARTS: Final = {
    "google.auth": "google-auth",
    "google.genai": "google-genai",
    "google.protobuf": "protobuf",
    **{
        f"meshagent.{part}": f"meshagent-{part}"
        for part in (
            "agents",
            "anthropic",
            "api",
            "cli",
            "codex",
            "computers",
            "livekit",
            "markitdown",
            "mcp",
            "openai",
            "otel",
            "tools",
        )
    },
}


def sentence_for_missing(name: str) -> str:
    """What is not there."""
    package, dot, _ = name.rpartition(".")
    return f"{package!r} has no module {name!r}" if dot else f"there is no module {name!r}"


def cure_for_missing(name: str, *, near: str = "", install: str = "", shared: bool = False) -> str:
    """What to do about it.

    Args:
        name: The module, with its packages.
        near: The file of the author's whose name is most like it; empty when none is.
        install: The command that installs the bundle's requirements, when it has any.
        shared: Its package is one whose parts come from several distributions.
    """
    top, dot, _ = name.partition(".")
    if dot and shared:
        part = _PARTS.get(name, "the package that has it")
        return (
            f"Several packages share {name.rpartition('.')[0]}, and the one with this part is not installed: "
            f"write {part} into requirements.txt {_in_folder(install)}"
        )
    if top == "meshagent":
        return cure_by_sdk(install)
    own = f"Is it a file of yours? The nearest is {near}." if near else ""
    if dot:
        return own or f"The version of {top} that is installed does not have it: compare it with the docs."
    package = _DISTRIBUTIONS.get(top)
    listed = f"write {package}" if package else "write the package that has it"
    own = own or ("" if package else "Is it a file of yours? Then put it beside the program.")
    return (
        f"{own} {'Else ' + listed if own else listed[0].upper() + listed[1:]} into requirements.txt "
        f"{_in_folder(install)}"
    ).strip()


def cure_by_sdk(install: str = "") -> str:
    """How to have what only the SDK itself has."""
    return f"Or bring the SDK: write its packages into requirements.txt {_in_folder(install)}"


def _in_folder(install: str) -> str:
    if install:
        return f"of the bundle. {install}"
    return f"beside its main.py (a bundle that is one file becomes a folder for that), and run: {INSTALL}"
