"""One host of three that cannot be used: it is left out, and the others are looked after."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.machine.bench import CHANGES, Bench, bench_in, three_controllers

ONLY = ("--only", "memcached")
LEFT_OUT = "ctl-1 is left out: ctl-1: no container engine answers\n"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Three hosts with nothing on them."""
    with bench_in(tmp_path_factory.mktemp("three"), three_controllers()) as bench:
        yield bench


def test_one_without_an_engine_holds_up_nobody_else(three: Bench) -> None:
    with three.without_engine():
        planned = three.run("plan", *ONLY, status=CHANGES)
        assert planned.startswith(LEFT_OUT)
        assert "memcached@ctl-2" in planned
        assert "@ctl-1" not in planned
        applied = three.run("apply", "--yes", *ONLY, status=4)
        assert applied.startswith(LEFT_OUT)
        assert "error: ctl-1 could not be used; what could be done without is done" in applied
        status = three.run("status", status=1)
        assert LEFT_OUT in status
        rows = [line.split() for line in status.splitlines() if line.startswith("memcached ")]
        assert [(row[1], row[3]) for row in rows] == [("ctl-2", "running"), ("ctl-3", "running")]
    assert three.on_host("podman ps --quiet") == ""
    three.run("apply", "--yes", *ONLY)
    assert three.on_host("podman ps --format '{{.Names}}'") == "memcached\n"
