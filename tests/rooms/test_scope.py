"""What is handed on of a token: what both its owner and who asks allow, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.rooms.built_in.database import grants
from runtime.rooms.built_in.tables.catalog import TableName
from runtime.rooms.signing.scope import narrowed
from runtime.rooms.token import AGENT_DEFAULT, Claims

pytestmark = pytest.mark.unit

_WORDS = st.text(alphabet="ab/", max_size=3)
_PATTERNS = st.none() | st.lists(_WORDS | _WORDS.map("{}*".format), max_size=3)
_PATHS = st.none() | st.lists(
    st.fixed_dictionaries({"path": _WORDS | _WORDS.map("{}*".format)}, optional={"read_only": st.booleans()}),
    max_size=3,
)
_SAID = st.none() | st.booleans()
_TABLES = st.none() | st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("tu")},
        optional={"namespace": st.sampled_from([None, ["a"]]), "read": _SAID, "write": _SAID, "alter": _SAID},
    ),
    max_size=2,
)
_FAMILY = st.fixed_dictionaries(
    {},
    optional={
        "queues": st.fixed_dictionaries({}, optional={"send": _PATTERNS, "list": _SAID}),
        "agents": st.fixed_dictionaries({}, optional={"allowed_toolkits": _PATTERNS, "use_tools": _SAID}),
        "storage": st.fixed_dictionaries({}, optional={"paths": _PATHS}),
        "sync": st.fixed_dictionaries({}, optional={"paths": _PATHS}),
        "database": st.fixed_dictionaries({}, optional={"tables": _TABLES}),
        "admin": st.just({}),
    },
)


def _may(claims: Claims, path: str) -> list[bool]:
    return [
        claims.allows_queue_send(path),
        claims.allows_queue_list(),
        claims.allows_toolkit(path),
        claims.is_admin,
        *(claims.allows_file(path, write=write) for write in (False, True)),
        *(claims.allows_document(path, write=write) for write in (False, True)),
        *(
            grants.allows(claims, TableName(name, space), verb)
            for name in "tu"
            for space in ((), ("a",))
            for verb in grants.VERBS
        ),
    ]


@given(_FAMILY, _FAMILY, _WORDS)
def test_it_allows_what_both_do_and_nothing_else(own: Any, wanted: Any, path: str) -> None:
    mine, theirs = Claims("ada", scope=own), Claims("bot", scope=wanted)
    both = Claims("bot", scope=narrowed(mine, wanted, name="bot"))
    assert _may(both, path) == [
        one and other for one, other in zip(_may(mine, path), _may(theirs, path), strict=True)
    ]


def test_secrets_are_of_a_name_and_go_to_no_other() -> None:
    ada = Claims("ada", scope={"secrets": {}, "agents": {}})
    assert narrowed(ada, {"secrets": {}, "agents": {}}, name="bot") == {"agents": {}}
    assert narrowed(ada, {"secrets": {}}, name="ada") == {"secrets": {}}
    assert narrowed(Claims("ada"), None, name="bot") == AGENT_DEFAULT


@pytest.mark.parametrize("own", ["all", 5, {"a": 1}, [1]])
def test_limits_of_which_nothing_is_known_allow_nothing_but_the_same(own: Any) -> None:
    ada = Claims("ada", scope={"memory": {"new": own}})
    assert narrowed(ada, {"memory": {"new": own}}, name="b") == {"memory": {"new": own}} or own == [1]
    (limits,) = narrowed(ada, {"memory": {"new": "else"}}, name="b").values()
    assert not limits["new"]
