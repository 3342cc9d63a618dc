"""Templates: what they take, what they become, and that no value becomes structure."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import ManifestInvalid
from runtime.wire.manifest.manifest import read
from runtime.wire.manifest.template import TEMPLATE_TEXT, TEMPLATE_VALUES, is_template, modern, read_template
from tests.wire.manifest.test_examples import CURRENT_TEMPLATE, FLAT_TEMPLATE, STRUCTURED, STRUCTURED_TEMPLATE

pytestmark = pytest.mark.unit

HEAD = """\
version: v1
kind: ServiceTemplate
metadata: {name: a}
variables:
  - {name: tone, optional: true}
  - {name: port, optional: true}
"""
ENV = HEAD + "container:\n  image: i\n  environment:\n    - name: A\n      value: "


VALUE = "container.environment[0].value"


def environment(text: str, **values: str) -> Any:
    return read_template(text).render(values).service["container"]["environment"]


def told(text: str, **values: Any) -> list[str]:
    with pytest.raises(ManifestInvalid) as error:
        read_template(text).render(values)
    return [str(one) for one in error.value.problems]


def test_a_flat_template_becomes_a_service_and_keeps_its_secret_to_itself() -> None:
    rendered = read_template(FLAT_TEMPLATE).render({"tone": "dry", "key": "k-12345"})
    assert rendered.service["container"]["environment"] == [
        {"name": "TONE", "value": "dry"},
        {"name": "API_KEY", "value": "k-12345"},
    ]
    assert rendered.service["kind"] == "Service"
    assert "variables" not in rendered.service
    assert rendered.template["kind"] == "ServiceTemplate"
    assert [one["name"] for one in rendered.template["variables"]] == ["tone", "key"]
    annotations = rendered.service["metadata"]["annotations"]
    assert annotations[TEMPLATE_TEXT] == FLAT_TEMPLATE
    assert json.loads(annotations[TEMPLATE_VALUES]) == {"tone": "dry"}
    assert "k-12345" not in json.dumps(annotations)
    assert rendered.obscured == {"API_KEY": "k-12345"}


def test_a_structured_template_is_filled_in_where_its_variables_are() -> None:
    assert environment(STRUCTURED_TEMPLATE, tone="warm") == [{"name": "TONE", "value": "warm"}]


def test_todays_template_is_rendered_whole() -> None:
    service = read_template(CURRENT_TEMPLATE).render({"who": "ada", "loud": "yes"}).service
    assert service["metadata"]["name"] == "ada-bot"
    assert service["ports"][0]["endpoints"][0]["meshagent"]["identity"] == "ada"
    assert service["container"]["environment"] == [{"name": "STYLE", "value": "shout"}]
    assert environment(CURRENT_TEMPLATE, who="ada") == [{"name": "STYLE", "value": "speak"}]


def test_a_rendered_service_is_one_that_can_be_read() -> None:
    for text, values in ((CURRENT_TEMPLATE, {"who": "ada"}), (FLAT_TEMPLATE, {"key": "k"})):
        service = read_template(text).render(values).service
        assert read(yaml.safe_dump(service, allow_unicode=True)).spec == service


@settings(max_examples=25, deadline=None)
@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60))
def test_whatever_a_value_is_it_stays_a_text(value: str) -> None:
    for written in ("{{ tone }}", '"{{ tone }}"', "'{{ tone }}'", "|-\n        {{ tone }}"):
        assert environment(ENV + written + "\n", tone=value) == [{"name": "A", "value": value}]
    assert environment(ENV + '"{tone}"\n', tone=value) == [{"name": "A", "value": value}]


@pytest.mark.parametrize(
    "value",
    [
        "a: b",
        "x\n- name: EVIL\n  value: 1",
        '"',
        "'",
        "# no",
        "{{ tone }}",
        "{% include 'x' %}",
        "&a",
        "*a",
        "!!python/object:x",
        "yes",
        "8080",
        "null",
        "\ue000" + "0\ue001",
    ],
)
def test_a_value_that_looks_like_yaml_or_a_template_is_neither(value: str) -> None:
    assert environment(ENV + "{{ tone }}\n", tone=value) == [{"name": "A", "value": value}]
    assert environment(ENV + "say {{ tone }}!\n", tone=value) == [{"name": "A", "value": f"say {value}!"}]


def test_a_number_may_be_put_where_one_is_wanted() -> None:
    text = HEAD + "container: {image: i}\nports:\n  - num: {{ port }}\n"
    assert read_template(text).render({"port": "8080"}).service["ports"][0]["num"] == 8080
    assert told(text, port="x") == ['9:10 ports[0].num: x is not a port. Write "*" or 1–65535.']


def test_what_the_author_writes_as_json_is_structure() -> None:
    text = HEAD + "container: {image: i}\nagents: [{name: a, annotations: {x: {{ tone | tojson }}}}]\n"
    service = read_template(text).render({"tone": 'say "hi": now'}).service
    assert service["agents"][0]["annotations"] == {"x": 'say "hi": now'}


def test_choices_and_repetitions_make_structure() -> None:
    text = (
        HEAD + "container:\n  image: i\n  environment:\n"
        "{% for word in tone.split(',') %}\n    - {name: 'W{{ loop.index }}', value: '{{ word | upper }}'}\n"
        "{% endfor %}\n"
    )
    assert environment(text, tone="a,b") == [{"name": "W1", "value": "A"}, {"name": "W2", "value": "B"}]
    assert environment(ENV + "\"{{ tone | default('soft') }}\"\n") == [{"name": "A", "value": "soft"}]
    assert environment(ENV + '"{{ tone }}"\n') == [{"name": "A", "value": ""}]


def test_a_scalar_can_be_a_template_of_its_own() -> None:
    assert environment(ENV + '!template "x"\n') == [{"name": "A", "value": "x"}]
    assert environment(
        HEAD + "container:\n  image: i\n  environment: [{name: A, value: '!template {tone}'}]\n", tone="q"
    ) == [{"name": "A", "value": "q"}]


@pytest.mark.parametrize(
    ("values", "path", "words"),
    [
        ({}, "values.tone", '"tone" needs a value.'),
        ({"tone": "loud"}, "values.tone", '"tone" can be dry, warm, not "loud".'),
        (
            {"tone": "dry", "mail": "ada"},
            "values.mail",
            '"mail" is an e-mail address, such as ada@example.org.',
        ),
        ({"tone": "dry", "tune": "x"}, "values.tune", 'no variable "tune". Did you mean tone?'),
        ({"tone": 1}, "values.tone", '"tone" is int. Values are texts.'),
        ({"tone": "dry", "mail": "x" * 70_000}, "values.mail", "at most 65,536 are taken."),
    ],
)
def test_values_are_judged_before_anything_is_filled_in(values: Any, path: str, words: str) -> None:
    (found,) = told(STRUCTURED_TEMPLATE, **values)
    assert path in found
    assert words in found


def test_all_values_that_do_not_fit_are_told_at_once() -> None:
    assert len(told(STRUCTURED_TEMPLATE, tone="loud", mail="x", more="y")) == 3


def test_a_secret_that_does_not_fit_is_not_repeated() -> None:
    text = HEAD.replace("{name: tone, optional: true}", "{name: tone, obscure: true, enum: [a]}")
    (found,) = told(text + "container: {image: i}\n", tone="hunter2")
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            STRUCTURED_TEMPLATE.replace("{tone}", "{tune}"),
            '6:87 container.environment[0].value: no variable "tune". There is: tone, mail.',
        ),
        (
            ENV + '"{{ tune }}"\n',
            '11:18 container.environment[0].value: no variable "tune". There is: tone, port.',
        ),
        (
            ENV + '"{tone.__class__}"\n',
            f"11:14 {VALUE}: only {{tone}} is filled in, nothing of it. Leave out the rest.",
        ),
        (
            ENV + '"{tone!r}"\n',
            f"11:14 {VALUE}: only {{tone}} is filled in, nothing of it. Leave out the rest.",
        ),
    ],
)
def test_a_use_of_what_is_no_variable_is_told_with_those_there_are(text: str, told: str) -> None:
    with pytest.raises(ManifestInvalid) as error:
        read_template(text)
    assert [str(one) for one in error.value.problems] == [told]


def test_two_ways_of_filling_in_are_not_mixed() -> None:
    template = read_template(ENV + '"{{ port }} {tone}"\n')
    (warning,) = template.manifest.problems
    assert "{tone} stays as it is" in str(warning)
    assert (
        template.render({"port": "1", "tone": "x"}).service["container"]["environment"][0]["value"]
        == "1 {tone}"
    )


def test_braces_that_name_nothing_are_left_alone() -> None:
    text = ENV + "'{\"a\": 1} {tone}'\n"
    assert environment(text, tone="x") == [{"name": "A", "value": '{"a": 1} x'}]


def test_places_are_those_of_the_source() -> None:
    text = HEAD + (
        "{% if tone == 'x' %}\n# a line\n{% endif %}\n{#\n  more\n#}\n"
        "container:\n  image: {{ tone }}-{{ port }}\n  comand: x\n"
        "  environment: [{name: {{ tone }}, valeu: x}]\n"
    )
    assert told(text, tone="a", port="1") == [
        "15:3 container.comand: no such key. Did you mean command?",
        "16:36 container.environment[0].valeu: no such key. Did you mean value?",
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ tone.__init__.__globals__ }}",
        "{{ cycler.__init__ }}",
        "{{ self }}",
        "{{ tone.format(tone) }}",
        "{{ lipsum() }}",
        "{{ range(10) }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 9 ** 99999 }}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ tone | indent(1000000) }}",
        "{{ tone | pprint }}",
        "{{ tone | attr('__class__') }}",
        "{{ tone[0:2] }}",
        "{% for a in tone %}{% for b in tone %}{% for c in tone %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% set x = 'ab' %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}",
        "{{ tone.replace('', tone).replace('', tone).replace('', tone).replace('', tone) }}",
        "{{ " + "(" * 1900 + "tone" + ")" * 1900 + " }}",
        "{{ " + "-" * 1900 + "1 }}",
        "{{ tone",
        "{% if %}",
        "{{ 1 / 0 }}",
        "{{ tone + 1 }}",
        "{{ [tone] + [tone] }}",
        "{{ {} }}",
        "{{ " + "tone + " * 600 + "tone }}",
    ],
)
def test_a_template_cannot_compute_much_nor_reach_into_anything(expression: str) -> None:
    text = ENV + f'"x{expression.replace(chr(34), chr(39))}"\n'
    with pytest.raises(ManifestInvalid) as error:
        read_template(text).render({"tone": "ab" * 5_000, "port": "1"})
    assert len(str(error.value)) < 1_000


def test_many_expressions_are_too_many() -> None:
    with pytest.raises(ManifestInvalid, match="more than 2,000 expressions"):
        read_template(ENV + '"' + "{{ tone }}" * 3_000 + '"\n')


def test_a_template_says_that_it_is_one() -> None:
    assert is_template(CURRENT_TEMPLATE)
    assert is_template(json.dumps(yaml.safe_load(CURRENT_TEMPLATE)))
    assert not is_template(STRUCTURED)


def test_a_template_of_before_is_written_as_one_of_today() -> None:
    spec = modern(read_template(FLAT_TEMPLATE))
    assert spec is not None
    assert [one["value"] for one in spec["container"]["environment"]] == ["{{ tone }}", "{{ key }}"]
    written = yaml.safe_dump(spec, allow_unicode=True)
    values = {"tone": "dry", "key": "k"}
    before = read_template(FLAT_TEMPLATE).render(values).service["container"]
    assert read_template(written).render(values).service["container"] == before
    assert modern(read_template(CURRENT_TEMPLATE)) is None
