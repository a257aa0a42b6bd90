"""Options on a real cloud: what `plan` tells, what restarts, and that no secret is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud.tool import Tool, changed, eventually

SECRET_LINE = re.compile(r"(?:password|secret_key|shared_secret) = (\S{20,})|://\w+:(\w{20,})@")


@pytest.fixture
def override(cloud: Tool) -> Iterator[str]:
    """An override of one option, and afterwards none: the cloud is as it was."""
    folder = cloud.directory / "config"
    folder.mkdir(exist_ok=True)
    path = folder / "nova-scheduler.conf"
    path.write_text("# slower than usual\n[scheduler]\ndiscover_hosts_in_cells_interval = 300\n")
    yield "config/nova-scheduler.conf:3"
    path.unlink()
    cloud.run("apply", "--yes")
    assert cloud.plan() == {}


def test_one_option_changes_one_container(cloud: Tool, override: str) -> None:
    told = cloud.json("plan", status=10)
    (file,) = files(told)
    (option,) = rows(file["options"])
    assert (option["section"], option["option"]) == (
        "scheduler",
        "discover_hosts_in_cells_interval",
    )
    assert (option["old"], option["new"], option["default"]) == (None, "300", "-1")
    assert option["origin"] == override
    assert [r["container"] for r in rows(told["restarts"])] == ["nova-scheduler"]
    before = cloud.starts()
    cloud.run("apply", "--yes")
    assert changed(before, cloud.starts()) == {"nova-scheduler"}
    text = cloud.run("explain", "nova-scheduler", "discover_hosts_in_cells_interval")
    assert f"= 300\norigin:   {override}\n" in text


def test_a_running_process_takes_a_mutable_option(cloud: Tool) -> None:
    """No container is remade, and the daemon itself does what the option says."""
    path = cloud.directory / "config" / "nova-conductor.conf"
    path.parent.mkdir(exist_ok=True)
    path.write_text("[DEFAULT]\ndebug = true\n")
    written = "podman logs nova-conductor 2>&1 | grep -c ' DEBUG ' || true"
    try:
        told = cloud.json("plan", status=10)
        assert (told["restarts"], told["rereads"]) == ([], {"nova-conductor": ["aio"]})
        assert int(cloud.on_host(written)) == 0
        before = cloud.starts()
        cloud.run("apply", "--yes")
        assert changed(before, cloud.starts()) == set()
        eventually(lambda: int(cloud.on_host(written)), seconds=30, what="a line of debugging")
        assert cloud.plan() == {}
    finally:
        path.unlink()
        cloud.run("apply", "--yes")
    assert cloud.plan() == {}


def test_no_secret_of_a_host_is_ever_told(cloud: Tool) -> None:
    """Another password, and one of ours where it does not belong: neither is printed."""
    conf = "/etc/cloudwright/glance-api/glance-api.conf"
    real = cloud.on_host(f"cat {conf} /etc/cloudwright/nova-api/nova.conf")
    secrets = {value for found in SECRET_LINE.findall(real) for value in found if value}
    assert len(secrets) > 4
    ours = cloud.on_host("cat /etc/cloudwright/keystone-api/admin-password").strip()
    cloud.on_host(
        "sed -i -e 's/^memcache_secret_key = .*/memcache_secret_key = by-hand/'"
        " -e 's/^max_pool_size = .*/max_pool_size = 50/'"
        f" -e 's/^username = .*/username = {ours}/' {conf}"
    )
    text = cloud.run("plan", status=10) + str(cloud.json("plan", status=10))
    assert "glance-api.conf [database] max_pool_size = 50 → 5  (service)" in text
    assert (
        "glance-api.conf [keystone_authtoken] memcache_secret_key ="
        " (a secret that is not ours) → (secret, generation 1)  (service)" in text
    )
    assert "[keystone_authtoken] username = (secret, generation 1) → glance  (service)" in text
    for secret in {*secrets, ours, "by-hand"}:
        assert secret not in text
    cloud.run("apply", "--yes")
    assert cloud.plan() == {}


def test_a_wrong_option_stops_everything_before_it_begins(cloud: Tool) -> None:
    path = cloud.directory / "config" / "glance.conf"
    path.parent.mkdir(exist_ok=True)
    path.write_text("[DEFAULT]\nenabled_backend = main:file\n")
    try:
        for verb in (("check",), ("plan",), ("apply", "--yes")):
            said = cloud.run(*verb, status=2)
            assert 'config/glance.conf:2:1: unknown option "enabled_backend"' in said
            assert 'did you mean "enabled_backends"?' in said
    finally:
        path.unlink()


def rows(value: object) -> list[dict[str, Any]]:
    """A list of objects, as JSON has it."""
    assert isinstance(value, list)
    return value


def files(told: dict[str, object]) -> list[dict[str, Any]]:
    """What the plan says of every file."""
    return [file for step in rows(told["steps"]) for file in rows(step["files"])]
