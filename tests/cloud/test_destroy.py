"""The end of the cloud: first without its data, which the next `apply` finds again; then whole."""

from __future__ import annotations

import pytest

from tests.cloud.tool import Tool, on_terminal

pytestmark = pytest.mark.long


LEFT = (
    "podman ps --all --quiet; podman volume ls --quiet; podman network ls --quiet | tail -n +2;"
    " find /etc/cloudwright /var/lib/cloudwright -mindepth 1;"
    " ip -brief link | grep -E '^(br-|ovs-|tap|genev)'; ip netns list;"
    " pgrep -a qemu-system || true"
)
"""Containers, volumes, networks, config, switches and cards, name spaces, instances."""


def test_destroy_wants_the_clouds_name(cloud: Tool) -> None:
    before = cloud.starts()
    assert "give --name aio" in cloud.run("destroy", status=2)
    said = cloud.run("destroy", "--name", "another", status=2)
    assert "not called 'another'; nothing was touched" in said
    code, shown = on_terminal(cloud, "yes\n", "destroy", "--data")
    assert code == 2
    assert "with ALL ITS DATA" in shown
    assert "nothing was touched" in shown
    assert cloud.starts() == before
    assert cloud.plan() == {}


def test_destroy_keeps_the_data_and_apply_finds_it_again(cloud: Tool) -> None:
    servers = cloud.openstack("server", "list")
    images = cloud.openstack("image", "list")
    volumes = cloud.on_host("podman volume ls --quiet")
    code, shown = on_terminal(cloud, "aio\n", "destroy")
    assert code == 0, shown
    assert "its volumes are kept" in shown
    assert cloud.on_host("podman ps --all --quiet") == ""
    assert cloud.on_host("find /etc/cloudwright -mindepth 1") == ""
    assert cloud.on_host("podman volume ls --quiet") == volumes

    cloud.run("apply", "--yes")
    cloud.await_whole()
    assert cloud.openstack("server", "list") == servers
    assert cloud.openstack("image", "list") == images


def test_destroy_with_its_data_leaves_nothing(cloud: Tool) -> None:
    cloud.on_host("podman volume create somebodys-own")
    said = cloud.run("destroy", "--data", "--name", "aio")
    assert "cloud aio is gone" in said
    assert cloud.on_host("podman volume ls --quiet").split() == ["somebodys-own"]
    cloud.on_host("podman volume rm somebodys-own")
    assert cloud.on_host(LEFT) == ""
    everything = cloud.plan()
    assert set(everything.values()) == {"is not there"}
