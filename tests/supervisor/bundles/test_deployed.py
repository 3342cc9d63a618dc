"""Bundles that were sent here: what is told to who sent one that does not load."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.process.program.import_error import import_error
from runtime.supervisor.bundles.served.deployed import told_to_sender
from runtime.wire import control

pytestmark = pytest.mark.unit

KEPT = Path("/state/deployed/1a2b")
FOLDER = "a bundle that is one file becomes a folder for that"
WRITE = "Write PyYAML into requirements.txt"


@pytest.mark.parametrize(
    ("missing", "install", "cure"),
    [
        ("", "", "Mend that line, and deploy it again."),
        ("yaml", "", f"{WRITE} beside its main.py ({FOLDER}), and deploy it again."),
        ("yaml", f"Run: bulkhead bundle install '{KEPT}/x y'", f"{WRITE} of the bundle. Deploy it again."),
    ],
)
def test_the_cure_is_one_that_the_sender_can_follow(missing: str, install: str, cure: str) -> None:
    where, trace = f"{KEPT}/words.py:1", f'File "{KEPT}/words.py"'
    said = control.ImportFailed(kind="X", message="no", traceback=trace, where=where, missing=missing)
    error = import_error(said, install)
    told = told_to_sender(error, "greeter", KEPT)
    assert (told.cure, str(KEPT) in told.message) == (cure, False)
    assert error.detail == 'File "greeter/words.py"'
