"""A cloud of one container is stopped, started, and taken away: without its data, then with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cloud.tool import SQL, Tool, on_terminal
from tests.machine.bench import NAME, Bench

APPLY = ("apply", "--yes", "--only", "mariadb")
STARTS = (
    "podman ps --all --quiet | xargs --no-run-if-empty "
    "podman inspect --format '{{.Name}} {{.Id}} {{.State.StartedAt}}'"
)
MADE = "CREATE DATABASE kept"
KEPT = SQL.format("SHOW DATABASES LIKE 'kept'")
VOLUMES = "podman volume ls --quiet"


@pytest.fixture(scope="module")
def small(bench: Bench) -> Iterator[Bench]:
    """A host with a database, and one thing in it."""
    bench.run(*APPLY)
    bench.on_host(SQL.format(MADE))
    yield bench


def test_stop_keeps_everything_and_start_brings_it_back(small: Bench) -> None:
    volumes = small.on_host(VOLUMES)
    assert "mariadb" in volumes.split()

    assert "1 containers stopped" in small.run("stop")
    assert small.on_host("podman ps --quiet") == ""
    assert small.on_host("podman ps --all --format '{{.Names}}'") == "mariadb\n"
    assert small.on_host(VOLUMES) == volumes
    assert "0 containers stopped" in small.run("stop")

    assert "1 containers started" in small.run("start")
    assert small.on_host(KEPT) == "kept\n"
    small.run("plan", "--only", "mariadb")
    assert "0 containers started" in small.run("start")


def test_destroy_refuses_another_name(small: Bench) -> None:
    before = small.on_host(STARTS)
    said = small.run("destroy", "--data", "--name", "another", status=2)
    assert "not called 'another'; nothing was touched" in said
    code, shown = on_terminal(Tool(small.directory), "another\n", "destroy")
    assert code == 2, shown
    assert "but not its volumes" in shown
    assert "nothing was touched" in shown
    assert before
    assert small.on_host(STARTS) == before


def test_destroy_keeps_the_volume_and_apply_finds_it_again(small: Bench) -> None:
    volumes = small.on_host(VOLUMES)
    code, shown = on_terminal(Tool(small.directory), f"{NAME}\n", "destroy")
    assert code == 0, shown
    assert "its volumes are kept" in shown
    assert small.on_host("podman ps --all --quiet; find /etc/cloudwright -mindepth 1") == ""
    assert small.on_host(VOLUMES) == volumes

    small.run(*APPLY)
    assert small.on_host(KEPT) == "kept\n"


def test_destroy_with_its_data_leaves_nothing(small: Bench) -> None:
    assert f"cloud {NAME} is gone" in small.run("destroy", "--data", "--name", NAME)
    left = "find /etc/cloudwright /var/lib/cloudwright -mindepth 1"
    assert small.on_host(f"podman ps --all --quiet; {VOLUMES}; {left}") == ""
    small.usable()
