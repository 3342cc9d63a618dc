"""Limits of several layers: the strongest wins for each limit by itself, and says where it was said."""

from __future__ import annotations

import pytest

from runtime.errors import ConfigError
from runtime.session.limit_layers import DECORATOR, SourcedLimits, from_server, of_bundle
from runtime.session.spec import Limits
from runtime.settings import LimitSettings, load_settings

pytestmark = pytest.mark.unit


def test_each_limit_comes_from_the_strongest_who_named_it() -> None:
    settings = load_settings(env={"BULKHEAD_LIMITS_PIDS": "99"})
    given, default = from_server(Limits.from_settings(settings.limits), settings.origins)
    own = SourcedLimits.of(Limits(memory="1GiB", files="unlimited"), DECORATOR)
    brought = of_bundle({"memory": "2GiB", "pids": 7, "timeout": "1h"}, "bundle bulkhead.toml")
    merged = own.over(given).over(brought).over(default)
    plain = {"memory_bytes": 1 << 30, "pids": 99, "timeout_s": 3600.0, "disk_bytes": 1 << 30}
    assert merged.limits.plain() == plain
    assert merged.plain_sources() == {
        "memory_bytes": "decorator",
        "pids": "env BULKHEAD_LIMITS_PIDS",
        "timeout_s": "bundle bulkhead.toml",
        "disk_bytes": "default",
    }


def test_the_defaults_are_there_and_can_be_taken_away() -> None:
    plain = Limits.from_settings(LimitSettings()).plain()
    assert plain == {"memory_bytes": 512 << 20, "pids": 256, "files": 1024, "disk_bytes": 1 << 30}
    assert Limits.from_settings(LimitSettings(memory="0", pids=0, files=0, disk="0")).plain() == {}
    assert Limits(memory="unlimited", cpu=2).over(Limits(memory=1, pids=3)).plain() == {"cpu": 2.0, "pids": 3}


def test_what_was_declared_survives_the_pipe() -> None:
    limits = Limits(memory="1GiB", pids="unlimited", cpu_total="10m", file_size="1MB", concurrency=3)
    assert Limits.from_declared(limits.declared()).declared() == limits.declared()
    assert Limits.from_declared({"memory_bytes": 5, "of_tomorrow": 1}).plain() == {"memory_bytes": 5}


@pytest.mark.parametrize("table", [{"memry": 1}, {"memory": "much"}, {"pids": -1}, {"pids": []}])
def test_a_bundles_table_is_checked(table: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        of_bundle(table, "bundle x.toml")


def test_zero_in_a_bundles_table_takes_a_default_away() -> None:
    merged = of_bundle({"memory": 0}, "bundle x.toml").over(SourcedLimits.of(Limits(memory=9), "default"))
    assert (merged.limits.plain(), merged.plain_sources()) == ({}, {})
