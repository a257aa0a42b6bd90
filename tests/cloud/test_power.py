"""The cloud is stopped and started, and its host loses power: nothing is lost either way."""

from __future__ import annotations

import pytest

from tests.cloud.tool import HOST, INSTANCE_SECONDS, Instance, Tool, eventually

pytestmark = pytest.mark.long


def test_stop_keeps_everything_and_start_brings_it_back(cloud: Tool, instance: Instance) -> None:
    before = cloud.starts()
    volumes = cloud.on_host("podman volume ls --quiet")
    servers = cloud.openstack("server", "list")
    guests = cloud.qemu_processes()
    key = instance.says("cat /etc/ssh/*.pub /etc/hostname")

    assert f"{len(before)} containers stopped" in cloud.run("stop")
    assert cloud.on_host("podman ps --quiet") == ""
    assert cloud.starts().keys() == before.keys()
    assert cloud.on_host("podman volume ls --quiet") == volumes
    assert cloud.qemu_processes() == guests
    assert "0 containers stopped" in cloud.run("stop")

    assert f"{len(before)} containers started" in cloud.run("start")
    cloud.await_whole()
    assert cloud.plan() == {}
    assert cloud.qemu_processes() == guests
    assert cloud.openstack("server", "list") == servers
    assert instance.says("cat /etc/ssh/*.pub /etc/hostname") == key
    assert "0 containers started" in cloud.run("start")


def test_a_host_that_lost_power_brings_the_cloud_back_by_itself(
    cloud: Tool, instance: Instance
) -> None:
    """No `apply` and no `start`: the engine starts containers, and each waits for its needs."""
    ids = {name: rest.split()[-1] for name, rest in cloud.starts().items()}
    servers = cloud.openstack("server", "list")
    assert instance.says("hostname")

    cloud.run("lab", "kill", HOST)
    refused = cloud.run("plan", status=4)
    assert f"{HOST} does not answer" in refused or f"{HOST} refuses the connection" in refused

    cloud.run("lab", "boot", HOST)
    whole = cloud.await_whole()
    answers = eventually(
        lambda: instance.says("hostname"), seconds=INSTANCE_SECONDS, what="the instance"
    )
    print(f"whole {whole:.0f} s after the boot, the instance {answers:.0f} s later")
    assert cloud.plan() == {}
    assert {name: rest.split()[-1] for name, rest in cloud.starts().items()} == ids
    assert cloud.openstack("server", "list") == servers
