"""What is refused, and that each refusal says where, which field, and what to write."""

from __future__ import annotations

import re

import pytest

from runtime.errors import ManifestInvalid
from runtime.wire.manifest.document import MAX_BYTES, MAX_DEPTH, MAX_NODES
from runtime.wire.manifest.manifest import read
from runtime.wire.manifest.problem import MAX_PROBLEMS, Severity
from runtime.wire.manifest.template import read_template
from tests.wire.manifest.test_examples import FLAT_SERVICE, STRUCTURED

pytestmark = pytest.mark.unit

HEAD = "version: v1\nkind: Service\nmetadata: {name: a}\n"
CONTAINER = f"{HEAD}container: {{image: i}}\n"
ENDPOINT = f"{CONTAINER}ports:\n- endpoints:\n  - path: /a\n    "


def problems(text: str, *, creating: bool = False) -> list[str]:
    try:
        found = read(text, creating=creating).problems
    except ManifestInvalid as error:
        found = error.problems
    return [f"{one}" if one.severity is Severity.ERROR else f"{one.severity}: {one}" for one in found]


def only(text: str, *, creating: bool = False) -> str:
    (found,) = problems(text, creating=creating)
    return found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "kind: Service\nmetadata: {name: a}\ncontainer: {image: i}\n",
            '1:1 version: missing. Write "version: v1".',
        ),
        (
            "version: v1\nkind: Servcie\nmetadata: {name: a}\ncontainer: {image: i}\n",
            '2:7 kind: "Servcie" is none of Service, ServiceTemplate. Did you mean Service?',
        ),
        (
            "version: v2\nkind: Service\nmetadata: {name: a}\ncontainer: {image: i}\n",
            '1:10 version: "v2" is none of v1.',
        ),
        (
            f"{HEAD}container:\n  image: i\n  comand: x\n",
            "6:3 container.comand: no such key. Did you mean command?",
        ),
        (f"{HEAD}container: {{command: x}}\n", "4:1 container.image: missing."),
        (f"{HEAD}container: {{image: ''}}\n", "4:20 container.image: it is empty."),
        (f"{CONTAINER}ports:\n  - num: 0\n", '6:10 ports[0].num: 0 is not a port. Write "*" or 1–65535.'),
        (
            f"{CONTAINER}ports:\n  - num: auto\n",
            '6:10 ports[0].num: auto is not a port. Write "*" or 1–65535.',
        ),
        (
            f"{CONTAINER}ports:\n  - num: 65536\n",
            '6:10 ports[0].num: 65536 is not a port. Write "*" or 1–65535.',
        ),
        (
            f"{CONTAINER}ports:\n  - num: *\n",
            '6:10 ports[0].num: an unquoted * means something else in YAML. Write "*" in quotes.',
        ),
        (
            f"{CONTAINER}ports: [{{num: *, type: http}}]\n",
            '5:15 ports[0].num: an unquoted * means something else in YAML. Write "*" in quotes.',
        ),
        (
            f"{HEAD}container:\n  image: i\n  environment:\n    - {{name: A, value: 8080}}\n",
            '7:24 container.environment[0].value: a number. Write "8080" in quotes.',
        ),
        (
            f"{HEAD}container:\n  image: i\n  environment:\n    - {{name: A, value: yes}}\n",
            '7:24 container.environment[0].value: a truth value. Write "yes" in quotes.',
        ),
        (
            f"{HEAD}container: {{image: i}}\nexternal: {{url: u}}\n",
            "5:1 external: not together with container. Keep one.",
        ),
        (HEAD, "1:1 container: missing. A service has a container or an external address."),
        (
            f"{ENDPOINT}meshagent: {{identity: a}}\n    mcp: {{label: a}}\n",
            "9:5 ports[0].endpoints[0].mcp: not together with meshagent. Make two endpoints.",
        ),
        (
            f"{ENDPOINT}meshagent: {{identiy: a}}\n",
            "8:17 ports[0].endpoints[0].meshagent.identiy: no such key. Did you mean identity?",
        ),
        (
            f"{CONTAINER}ports:\n- num: 8078\n",
            "warning: 6:8 ports[0].num: MeshAgent refuses 8078, its rooms' own port.",
        ),
        (
            f"{ENDPOINT}meshagent: {{identity: a, api: {{mesaging: {{}}}}}}\n",
            "8:36 ports[0].endpoints[0].meshagent.api.mesaging: no such family. Did you mean messaging?",
        ),
        (
            f"{CONTAINER}ports:\n- endpoints:\n  - {{path: /a, meshagent: {{identity: a}}}}\n"
            "  - {path: /a, meshagent: {identity: b}}\n",
            '8:12 ports[0].endpoints[1].path: the path "/a" is there twice, first in line 7. Keep one.',
        ),
        (
            f"{HEAD}container: {{image: i}}\ncontainer: {{image: j}}\n",
            "5:1 container: this key is there twice, first in line 4. Keep one.",
        ),
        (
            f"{CONTAINER}files: [{{path: rules.md, text: 1}}]\n",
            '5:32 files[0].text: a number. Write "1" in quotes.',
        ),
        (
            f"{HEAD}container: {{image: i, working_dir: src}}\n",
            '4:36 container.working_dir: "src" does not begin with a slash. Write "/src".',
        ),
        (
            f"{HEAD}container: {{image: i, private: 'no'}}\n",
            "4:32 container.private: a text. Write true or false.",
        ),
        (
            f"{HEAD}container: {{image: i, private: 'false'}}\n",
            "4:32 container.private: a text. Write false without quotes.",
        ),
        (
            f"{HEAD}container: image\n",
            "4:12 container: a text. A map is wanted: image, command, working_dir, environment, secrets, "
            "pull_secret, api_key, storage, on_demand, writable_root_fs, private, template, run_as, "
            "x-isolation.",
        ),
        (
            f"{CONTAINER}agents: [{{name: a, heartbeat: {{queue: q, minutes: 0, prompt: [x]}}}}]\n",
            "5:51 agents[0].heartbeat.minutes: 0 is not a number that this can be. Write 1–525600.",
        ),
        (
            f"{CONTAINER}agents: [{{name: a, heartbeat: {{queue: q, minutes: 1, prompt: []}}}}]\n",
            "5:62 agents[0].heartbeat.prompt: it is empty.",
        ),
        (
            f"{CONTAINER}x-isolation: {{memory: much}}\n",
            "5:23 x-isolation.memory: much is no number of bytes. Write 256 MiB.",
        ),
        (
            f"{CONTAINER}x-isolation: {{momery: 1}}\n",
            "5:15 x-isolation.momery: no such key. Did you mean memory?",
        ),
        (
            "version: v1\nkind: Route\n",
            '2:7 kind: "Route" is a kind of MeshAgent that this server does not have. '
            "It has Service, ServiceTemplate.",
        ),
        (f"{CONTAINER}variables: [{{name: a}}]\n", "5:1 variables: only a ServiceTemplate can have this."),
    ],
)
def test_a_refusal_says_where_what_and_what_to_write(text: str, told: str) -> None:
    assert only(text) == told


def test_a_key_of_another_tool_is_answered_with_those_there_are() -> None:
    told = only(f"{HEAD}container:\n  image: i\n  imagePullPolicy: Always\n")
    assert told.startswith("6:3 container.imagePullPolicy: no such key. Known: image, command, working_dir,")


def test_two_forms_in_one_file_are_told_apart_from_a_flat_file() -> None:
    told = problems(f"{HEAD}image: i\nname: a\ncontainer: {{image: i}}\n")
    mixed = "This file mixes the flat form (up to 0.5.18) with the present one; "
    mixed += '"service convert" prints it whole.'
    assert told == [
        f'4:1 image: belongs below "container". {mixed}',
        f'5:1 name: belongs below "metadata". {mixed}',
    ]
    told = only(f"{CONTAINER}ports: [{{endpoints: [{{path: /a, identity: a}}]}}]\n")
    assert told.startswith('5:33 ports[0].endpoints[0].identity: belongs below "meshagent" or "mcp".')


def test_a_map_of_variables_is_taken_with_a_note() -> None:
    text = f"{HEAD}container: {{image: i, environment: {{A: '1'}}}}\n"
    assert only(text) == "note: 4:36 container.environment: a map, read as a list of {name, value}."
    assert read(text).spec["container"]["environment"] == [{"name": "A", "value": "1"}]
    assert "a number" in problems(text.replace("'1'", "1"))[-1]


def test_an_id_is_for_updates_alone() -> None:
    text = f"{CONTAINER}id: 6f0c\n"
    assert only(text, creating=True) == "5:1 id: id cannot be set when creating a service. Leave it out."
    assert problems(text) == []
    assert problems(f"{CONTAINER}id: null\n", creating=True) == []


def test_an_endpoint_that_nobody_calls_and_a_variable_told_twice_are_doubted() -> None:
    assert "nobody calls it" in only(f"{CONTAINER}ports: [{{endpoints: [{{path: /a}}]}}]\n")
    told = only(f"{HEAD}container: {{image: i, environment: [{{name: A, value: x, secret: {{id: s}}}}]}}\n")
    assert told.startswith("warning: ")
    assert "the variable is secret" in told
    assert "unusual name" in only(
        "version: v1\nkind: Service\nmetadata: {name: My Bot}\nexternal: {url: u}\n"
    )


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    told = problems(
        "version: v1\nkind: Service\nmetadata: {nam: a}\ncontainer: {imge: i, privat: 1}\nport: []\n"
    )
    places = [tuple(map(int, one.split(" ")[0].split(":"))) for one in told]
    assert len(told) == 4
    assert places == sorted(places)


def test_however_much_is_wrong_the_answer_is_bounded() -> None:
    with pytest.raises(ManifestInvalid, match=r"more\)") as told:
        read(CONTAINER + "".join(f"k{n}: 1\n" for n in range(5_000)))
    assert len(told.value.problems) <= MAX_PROBLEMS


@pytest.mark.parametrize("text", ["", "[]", "[1, 2]", "hello", "42", "null", "# nothing\n", "---\n...\n"])
def test_what_is_no_map_is_no_manifest(text: str) -> None:
    assert only(text) == '1:1 a manifest is one map that begins with "version: v1".'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{CONTAINER}---\n{CONTAINER}", r"5:1 a second document begins here"),
        ("a: &x {b: 1}\nc: *x\n", r"1:4 anchors \(&x\) are not taken. Write out what it stands for"),
        ("base:\n  <<: {a: 1}\n", r"2:3 base: merge keys \(<<\) are not taken"),
        ("a: !!python/object/apply:os.system [id]\n", r"1:4 a: the tag .*os.system is not taken here"),
        ("a: !!binary aGVsbG8=\n", r"1:4 a: binary is not taken"),
        ("a: [1, 2\n", r"2:1 this cannot be read as YAML"),
        ("{[1, 2]: a}\n", r"1:2 a list or a map cannot be a key"),
        ("a: \x07\n", r"this cannot be read as YAML|this is no text"),
        ("a: \ud800\n", r"this is no text|cannot be read"),
        ("[" * 100_000, rf"1:{MAX_DEPTH + 2} nested more than {MAX_DEPTH} deep"),
        (
            "a: [" + "1, " * (MAX_NODES + 5) + "1]",
            rf"more than {MAX_NODES:,} values: a manifest describes one service",
        ),
        ("a: " + "x" * (10 << 20), rf"1:1 10240 KiB: a manifest has at most {MAX_BYTES >> 10} KiB"),
    ],
)
def test_what_yaml_can_be_made_to_do_ends_early(text: str, told: str) -> None:
    with pytest.raises(ManifestInvalid) as error:
        read(text)
    assert re.search(told, str(error.value))


def test_a_laugh_that_would_be_a_billion_ends_at_its_first_anchor() -> None:
    lines = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert only("\n".join(lines)).startswith("1:5 anchors (&a0) are not taken.")


def test_ten_thousand_services_are_not_one() -> None:
    assert "a second document begins here" in only("---\n".join([CONTAINER] * 10_000))
    listed = "services:\n" + "".join(f"  - {{kind: Service, name: s{n}}}\n" for n in range(10_000))
    assert "a manifest describes one service" in only(listed)


def test_a_template_that_names_secrets_or_no_template_is_told() -> None:
    template = "version: v1\nkind: ServiceTemplate\nmetadata: {name: a}\ncontainer: {secrets: [a]}\n"
    with pytest.raises(ManifestInvalid, match=r"4:13 container\.secrets: only a Service can have this"):
        read_template(template)
    with pytest.raises(ManifestInvalid, match="this is no template"):
        read_template(STRUCTURED)


def test_problems_bring_along_how_they_are_mended() -> None:
    with pytest.raises(ManifestInvalid) as error:
        read(FLAT_SERVICE.replace("name: greeter", "name: 7", 1))
    (edit,) = [one.edit for one in error.value.problems if one.edit]
    assert (edit.old, edit.new) == ("7", '"7"')
