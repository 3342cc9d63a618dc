"""Manifests as people wrote them, in every form there was: each is taken, and becomes what is told here."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from runtime.wire.manifest.manifest import read
from runtime.wire.manifest.template import read_template

pytestmark = pytest.mark.unit

FLAT_SERVICE = """\
version: v1
kind: Service
name: greeter
image: registry.example/greeter:1.4
command: python3 main.py
role: agent
environment: {GREETING: hello}
secrets: [7d0c-greeter-keys]
ports:
  - num: "*"
    type: meshagent.callable
    liveness: /
    endpoints:
      - {path: /greet, identity: greeter}
      - {path: /tools, identity: greeter-tools, role: tool}
      - {path: /sse, identity: notes, type: mcp.sse}
storage: {room: [{path: /data}]}
"""
FLAT_SERVICE_NORMAL = """\
version: v1
kind: Service
metadata: {name: greeter}
ports:
  - num: "*"
    type: http
    liveness: /
    endpoints:
      - {path: /greet, meshagent: {identity: greeter}, annotations: {x-role: agent}}
      - {path: /tools, meshagent: {identity: greeter-tools}, annotations: {x-role: tool}}
      - {path: /sse, mcp: {label: notes, description: ""}}
container:
  image: registry.example/greeter:1.4
  command: python3 main.py
  environment: [{name: GREETING, value: hello}]
  secrets: [7d0c-greeter-keys]
  storage: {room: [{path: /data, read_only: false}]}
"""
FLAT_TEMPLATE = """\
version: v1
kind: ServiceTemplate
metadata: {name: researcher, icon: "🔎"}
variables: [{name: tone, enum: [dry, warm], optional: true}, {name: key, obscure: true}]
environment: [{name: TONE, value: "{tone}"}, {name: API_KEY, value: "{key}"}]
image: registry.example/researcher:2
ports: [{num: "*", liveness: /, endpoints: [{path: /agent, identity: researcher, type: meshagent.callable}]}]
"""
STRUCTURED = """\
version: v1
kind: Service
metadata: {name: greeter, annotations: {meshagent.service.id: greeter}}
agents: [{name: greeter, annotations: {meshagent.agent.type: ChatBot}}]
ports: [{num: "*", liveness: /, endpoints: [
  {path: /greet, meshagent: {identity: greeter, api: {messaging: {}, queues: {send: [jobs]}}}}]}]
container:
  image: "registry.example/greeter:1.4"
  command: python3 main.py
  environment: [{name: GREETING, value: hello}]
"""
OLD_SECRETS = """\
version: v1
kind: Service
metadata: {name: indexer}
ports: []
container: {image: "registry.example/indexer:7", secrets: [7d0c-index-keys], pull_secret: 5b1f-registry,
            api_key: {role: admin, name: indexer-key},
            storage: {room: [{path: /data, subpath: inbox, read_only: true}]}}
"""
EXTERNAL = """\
version: v1
kind: Service
metadata: {name: wiki}
external: {url: "https://wiki.example"}
ports: [{num: 443, endpoints: [{path: /mcp, mcp: {label: wiki, description: Look things up,
  allowed_tools: [{tool_names: [search], read_only: true}]}}]}]
"""
STRUCTURED_TEMPLATE = """\
version: v1
kind: ServiceTemplate
metadata: {name: researcher}
variables: [{name: tone, enum: [dry, warm]}, {name: mail, type: email, optional: true}]
ports: [{num: "*", liveness: /, endpoints: [{path: /agent, meshagent: {identity: researcher}}]}]
container: {image: "registry.example/researcher:2", environment: [{name: TONE, value: "{tone}"}]}
"""
CURRENT = """\
version: v1
kind: Service
metadata: {name: greeter}
agents: [{name: greeter, channels: {
  queue: [{queue: jobs, threading_mode: default-new}], toolkit: [{name: greet}]}}]
ports: [{num: "*", liveness: /, public: false, endpoints: [{path: /greet, meshagent: {identity: greeter}}]}]
container:
  image: registry.example/greeter:1.4
  working_dir: /src
  private: false
  environment: [{name: MESHAGENT_TOKEN, token: {identity: greeter, role: agent, api: {messaging: {}}}}]
  storage:
    room: [{path: /data}]
    files: [{path: /etc/greeter.ini, text: "[greet]\\nname=ada\\n"}]
    empty_dirs: [{path: /tmp/work}]
"""
ON_DEMAND = """\
version: v1
kind: Service
metadata: {name: convert}
container: {image: "registry.example/convert:3", on_demand: true}
ports: [{num: 9000, type: tcp}]
"""
CURRENT_TEMPLATE = """\
version: v1
kind: ServiceTemplate
metadata: {name: "{{ who }}-bot"}
variables: [{name: who, title: Name}, {name: loud, enum: ["yes", "no"], optional: true}]
ports: [{num: "*", liveness: /, endpoints: [{path: /agent, meshagent: {identity: "{{ who }}"}}]}]
container: {image: "registry.example/bot:1", environment: [
  {name: STYLE, value: "{% if loud == 'yes' %}shout{% else %}speak{% endif %}"}]}
"""
ACCOUNT = """\
version: v1
kind: Service
metadata: {name: mailer}
container: {image: "registry.example/mailer:1", run_as: {email: Mailer@service.example},
            pull_secret: {id: 5b1f}, template: none, environment: [{name: K, secret: {id: 9c22}}]}
"""
DISABLED = """\
version: v1
kind: Service
metadata: {name: a}
enabled: false
files: [{path: /agents/a/rules.md, text: Be kind.}]
agents: [{name: a, heartbeat: {queue: beats, minutes: 60, prompt: [{type: text, text: Look around.}]}}]
container: {image: "registry.example/a:1"}
"""
ISOLATED = CURRENT + "x-isolation: {memory: 256 MiB, cpu: 0.5, pids: 64, restart: on-failure}\n"

SERVICES = {
    "flat": FLAT_SERVICE,
    "structured": STRUCTURED,
    "old secrets": OLD_SECRETS,
    "external": EXTERNAL,
    "current": CURRENT,
    "on demand": ON_DEMAND,
    "account": ACCOUNT,
    "disabled": DISABLED,
    "isolated": ISOLATED,
}
TEMPLATES = {"flat": FLAT_TEMPLATE, "structured": STRUCTURED_TEMPLATE, "current": CURRENT_TEMPLATE}


def normal(text: str) -> Any:
    return read(text).spec


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_taken_and_its_normal_form_is_its_own(name: str) -> None:
    spec = normal(SERVICES[name])
    assert normal(yaml.safe_dump(spec, allow_unicode=True)) == spec


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_taken_and_says_nothing_but_what_form_it_has(name: str) -> None:
    template = read_template(TEMPLATES[name])
    assert [str(one.severity) for one in template.manifest.problems] == (["note"] if name == "flat" else [])


def test_a_flat_service_becomes_a_structured_one() -> None:
    found = read(FLAT_SERVICE)
    assert found.spec == yaml.safe_load(FLAT_SERVICE_NORMAL)
    assert found.is_flat
    assert [str(one) for one in found.problems] == [
        "1:1 this is the flat form of before October 2025; --fix writes the structured one."
    ]


def test_the_folder_of_a_room_of_before_is_a_mount() -> None:
    spec = normal(
        "version: v1\nkind: Service\nname: a\nimage: i:1\n"
        "room_storage_path: /data\nroom_storage_subpath: in\n"
    )
    assert spec["container"]["storage"] == {"room": [{"path": "/data", "subpath": "in", "read_only": False}]}


def test_what_the_flat_form_has_too_much_is_named_and_left_out() -> None:
    found = read(FLAT_SERVICE.replace("role: agent\n", "role: agent\nreplicas: 3\n"))
    assert found.spec == yaml.safe_load(FLAT_SERVICE_NORMAL)
    assert "7:1 replicas: no such key; it is left out." in str(found.problems[1])


def test_a_port_of_a_protocol_calls_nobody() -> None:
    spec = normal(
        "version: v1\nkind: Service\nname: a\nimage: i:1\n"
        "ports: [{num: 80, type: tcp, endpoints: [{path: /a, identity: x}]}]\n"
    )
    assert spec["ports"] == [{"num": 80, "type": "tcp", "endpoints": [{"path": "/a"}]}]


def test_structured_ones_stay_what_they_are() -> None:
    spec = yaml.safe_load(STRUCTURED)
    spec["ports"][0]["type"] = "http"
    assert normal(STRUCTURED) == spec
    external = yaml.safe_load(EXTERNAL)
    external["ports"][0]["type"] = "http"
    assert normal(EXTERNAL) == external
    assert normal(ON_DEMAND) == yaml.safe_load(ON_DEMAND)
    assert normal(DISABLED) == yaml.safe_load(DISABLED)
    current = normal(CURRENT)
    assert "public" not in current["ports"][0]
    assert current["container"]["private"] is False
    assert current["container"]["storage"]["files"][0]["read_only"] is True


def test_what_was_taken_out_of_the_form_is_kept_in_todays() -> None:
    container = normal(OLD_SECRETS)["container"]
    assert container["pull_secret"] == {"id": "5b1f-registry"}
    assert container["secrets"] == ["7d0c-index-keys"]
    assert "api_key" not in container
    assert container["x-api-key"] == {"role": "admin", "name": "indexer-key"}
    assert normal(OLD_SECRETS)["ports"] == []


def test_an_account_is_written_small() -> None:
    container = normal(ACCOUNT)["container"]
    assert container["run_as"] == {"email": "mailer@service.example"}
    assert container["environment"] == [{"name": "K", "secret": {"id": "9c22"}}]


def test_what_is_this_servers_own_is_kept_and_judged() -> None:
    assert normal(ISOLATED)["x-isolation"] == {
        "memory": "256 MiB",
        "cpu": 0.5,
        "pids": 64,
        "restart": "on-failure",
    }


def test_nothings_are_left_out() -> None:
    spec = normal(STRUCTURED + "external: null\nfiles: ~\n")
    assert "external" not in spec
    assert normal(STRUCTURED.replace("agents: [", "agents: null # ["))["agents"] == []


def test_a_manifest_of_json_says_the_same() -> None:
    import json

    for text in (json.dumps(yaml.safe_load(STRUCTURED)), json.dumps(yaml.safe_load(STRUCTURED), indent="\t")):
        assert normal(text) == normal(STRUCTURED)
    assert (
        normal(
            '{"version": "v1", "kind": "Service", "metadata": {"name": "a", "icon": "\\ud83d\\udd0e"},'
            ' "external": {"url": "http:\\/\\/a"}}'
        )["metadata"]["icon"]
        == "🔎"
    )
