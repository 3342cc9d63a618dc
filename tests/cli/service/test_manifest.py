"""``service validate``, ``render`` and ``convert``, as somebody with a file uses them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.wire.manifest.test_examples import (
    CURRENT,
    CURRENT_TEMPLATE,
    FLAT_SERVICE,
    FLAT_SERVICE_NORMAL,
    FLAT_TEMPLATE,
    OLD_SECRETS,
    STRUCTURED,
)

pytestmark = pytest.mark.unit


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "meshagent.yaml"


def test_a_manifest_that_can_be_used_is_said_to_be(bulkhead: Any, file: Path) -> None:
    file.write_text(STRUCTURED)
    done = bulkhead("service", "validate", str(file))
    assert (done.status, done.out, done.err) == (0, f"{file}: a Service that can be used\n", "")


def test_each_problem_is_a_line_with_its_place(bulkhead: Any, file: Path) -> None:
    file.write_text(
        STRUCTURED.replace("identity: greeter", "identiy: greeter").replace("value: hello", "value: 7")
    )
    done = bulkhead("service", "validate", str(file))
    where = "ports[0].endpoints[0].meshagent"
    assert done.status == 1
    assert done.err.splitlines() == [
        f"{file}:6:30  error    {where}.identiy: no such key. Did you mean identity?",
        f'{file}:10:41  error    container.environment[0].value: a number. Write "7" in quotes.',
    ]
    done = bulkhead("service", "validate", str(file), "-o", "json")
    told = json.loads(done.out)
    assert (done.status, told["valid"]) == (1, False)
    assert told["problems"][0] == {
        "file": str(file),
        "line": 6,
        "column": 30,
        "path": f"{where}.identiy",
        "severity": "error",
        "text": "no such key. Did you mean identity?",
    }


def test_what_is_sure_is_mended_in_place_and_the_rest_left(bulkhead: Any, file: Path) -> None:
    before = (
        "# kept\n" + CURRENT.replace("working_dir", "working-dir")
        .replace("private: false", "private: 'false'")
        .replace('num: "*"', "num: *")
        + "  comand: [x]  # kept, too\n"
    )  # fmt: skip
    file.write_text(before)
    done = bulkhead("service", "validate", "--fix", str(file))
    after = file.read_text()
    assert done.status == 1
    assert "container.command: a list. A single value is wanted." in done.err
    assert 'num: "*"' in after
    assert "working_dir: /src" in after
    assert "# kept\n" in after
    assert "command: [x]  # kept, too" in after


def test_a_flat_manifest_is_written_in_todays_form_and_kept_beside_it(bulkhead: Any, file: Path) -> None:
    file.write_text(FLAT_SERVICE.replace("hello", "7"))
    done = bulkhead("service", "validate", "--fix", str(file))
    assert done.status == 0, done.err
    assert yaml.safe_load(file.read_text()) == yaml.safe_load(FLAT_SERVICE_NORMAL.replace("hello", '"7"'))
    assert Path(f"{file}.flat").read_text() == FLAT_SERVICE.replace("hello", "7")
    again = bulkhead("service", "validate", str(file))
    assert (again.status, again.err) == (0, "")


def test_a_flat_template_is_written_with_todays_braces(bulkhead: Any, file: Path) -> None:
    file.write_text(FLAT_TEMPLATE)
    assert bulkhead("service", "validate", "--fix", str(file)).status == 0
    assert "{{ tone }}" in file.read_text()
    done = bulkhead("service", "render", str(file), "--value", "key=k", "--value", "tone=dry")
    environment = yaml.safe_load(done.out)["container"]["environment"]
    assert environment == [{"name": "TONE", "value": "dry"}, {"name": "API_KEY", "value": "k"}]


def test_a_template_becomes_the_service_that_it_is(bulkhead: Any, file: Path, tmp_path: Path) -> None:
    file.write_text(CURRENT_TEMPLATE)
    (tmp_path / "values.yaml").write_text("who: ada\nloud: 'no'\n")
    done = bulkhead("service", "render", str(file), "--values-file", str(tmp_path / "values.yaml"),
                    "--value", "loud=yes", "-o", "json")  # fmt: skip
    service = json.loads(done.out)
    assert service["metadata"] == {"name": "ada-bot"}
    assert service["container"]["environment"][0]["value"] == "shout"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], 'values.who: "who" needs a value.'),
        (["--value", "who=a", "--value", "hwo=b"], 'values.hwo: no variable "hwo". Did you mean who?'),
        (["--value", "who"], "--value who has no ="),
        (["--values-file", "missing.yaml"], "missing.yaml cannot be read"),
    ],
)
def test_values_that_do_not_fit_are_told(bulkhead: Any, file: Path, more: list[str], told: str) -> None:
    file.write_text(CURRENT_TEMPLATE)
    done = bulkhead("service", "render", str(file), *more)
    assert done.status in (1, 2)
    assert told in done.err
    assert done.out == ""


def test_a_file_of_values_that_is_none_is_told(bulkhead: Any, file: Path, tmp_path: Path) -> None:
    file.write_text(CURRENT_TEMPLATE)
    for held in ("- a\n", "who: 8080\n", "a: [\n", "who: &a [*a]\n"):
        (tmp_path / "values.yaml").write_text(held)
        done = bulkhead("service", "render", str(file), "--values-file", str(tmp_path / "values.yaml"))
        assert (done.status, done.out) == (2, "")


def test_the_cure_is_of_what_was_given(bulkhead: Any, file: Path) -> None:
    file.write_text(CURRENT_TEMPLATE)
    assert "--value NAME=TEXT" in bulkhead("service", "render", str(file)).err
    assert "such as values.yaml" in bulkhead("service", "render", str(file), "--values-file", "none.yaml").err
    file.write_text(STRUCTURED)
    done = bulkhead("service", "render", str(file))
    assert (done.status, "is no template" in done.err, "looks again" in done.err) == (1, True, False)


def test_standard_input_is_read_once(bulkhead: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def given(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    given(FLAT_SERVICE)
    assert yaml.safe_load(bulkhead("service", "convert", "-").out)["kind"] == "Service"
    given(CURRENT_TEMPLATE)
    done = bulkhead("service", "render", "-", "--value", "who=ada")
    assert yaml.safe_load(done.out)["metadata"]["name"] == "ada-bot"


def test_a_release_is_given_what_it_knows_and_told_what_it_does_not(bulkhead: Any, file: Path) -> None:
    file.write_text(OLD_SECRETS)
    assert yaml.safe_load(bulkhead("service", "convert", str(file)).out)["container"]["pull_secret"] == {
        "id": "5b1f-registry"
    }
    old = bulkhead("service", "convert", str(file), "--to", "0.24.6", "-o", "json")
    assert json.loads(old.out)["container"]["pull_secret"] == "5b1f-registry"
    new = bulkhead("service", "convert", str(file), "--to=0.56.0")
    assert "0.56.0 does not know container.secrets[0]: left out" in new.err
    assert bulkhead("service", "convert", str(file), "--to", "new").status == 2


def test_a_template_of_today_is_converted_by_rendering_it(bulkhead: Any, file: Path) -> None:
    file.write_text(CURRENT_TEMPLATE)
    done = bulkhead("service", "convert", str(file))
    assert (done.status, "Render it first" in done.err) == (1, True)


def test_what_is_no_file_or_no_text_is_told(bulkhead: Any, file: Path, tmp_path: Path) -> None:
    assert "cannot be read" in bulkhead("service", "validate", str(file)).err
    assert "cannot be read" in bulkhead("service", "validate", str(tmp_path)).err
    file.write_bytes(b"\xff\xfe")
    assert "no text in UTF-8" in bulkhead("service", "validate", str(file)).err
    file.write_bytes(b"a" * (10 << 20))
    assert bulkhead("service", "validate", str(file)).status == 2
    file.write_bytes(b"a" * (2 << 20))
    done = bulkhead("service", "validate", str(file))
    assert (done.status, "a manifest has at most 1024 KiB" in done.err) == (1, True)


def test_forms_that_validate_does_not_have_are_refused(bulkhead: Any, file: Path) -> None:
    file.write_text(STRUCTURED)
    done = bulkhead("service", "validate", str(file), "-o", "wide")
    assert done.status == 2
    assert "-o json" in done.err


def test_a_release_that_is_not_known_is_told(bulkhead: Any, file: Path) -> None:
    file.write_text(STRUCTURED)
    done = bulkhead("service", "convert", str(file), "--to", "99.1.1")
    assert done.status == 0
    assert "99.1.1 is not known here" in done.err
    assert done.out == bulkhead("service", "convert", str(file), "--to", "0.56.0").out
