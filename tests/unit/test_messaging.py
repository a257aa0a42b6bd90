"""Whom each host asks for messages: over its own load balancer, the members near it first."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from cloudwright.declare.at import At
from cloudwright.declare.oslo import (
    OWN_BALANCER,
    QUEUE_PORT,
    has_queue_balancer,
    queue_members,
    transport_url,
)
from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts
from cloudwright.model.load import load

EXAMPLES = Path(__file__).parents[2] / "examples"


def at(cloud: Cloud, host: str) -> At:
    return At(cloud=cloud, host=cloud.host(host), facts=Facts(host=host))


def members(cloud: Cloud, host: str) -> list[str]:
    """Whom the load balancer of a host prefers, by name."""
    return [member.name for member in queue_members(at(cloud, host))]


@pytest.mark.parametrize("host", ["ctl-a", "ctl-b", "cmp-a"])
def test_processes_are_told_their_own_load_balancer(host: str) -> None:
    url = transport_url(at(load(EXAMPLES / "two-sites.yaml"), host))
    assert url.endswith(f"@{OWN_BALANCER}:{QUEUE_PORT}//")
    assert url.count("@") == 1


def test_one_member_leaves_nothing_to_choose() -> None:
    cloud = load(EXAMPLES / "aio.yaml")
    (host,) = cloud.hosts
    assert transport_url(at(cloud, host.name)).endswith(f"@{host.address}:{QUEUE_PORT}//")
    assert not has_queue_balancer(cloud)


def test_a_host_asks_itself_then_its_own_site() -> None:
    cloud = load(EXAMPLES / "two-sites.yaml")
    assert members(cloud, "ctl-b") == ["ctl-b", "ctl-a"]
    assert members(cloud, "cmp-a") == ["ctl-a", "ctl-b"]
    assert members(cloud, "cmp-b") == ["ctl-b", "ctl-a"]


def test_the_hosts_of_a_site_are_spread_over_its_members_and_stay_where_they_are() -> None:
    cloud = load(EXAMPLES / "three-controllers.yaml")
    (first, *_) = cloud.hosts_with("compute")
    many = [replace(first, name=f"rack-{n}", address=f"10.9.0.{n + 1}") for n in range(90)]
    large = replace(cloud, hosts=(*cloud.hosts, *many))
    chosen = {host.name: members(large, host.name)[0] for host in many}
    assert min(Counter(chosen.values()).values()) > 20
    fewer = replace(cloud, hosts=(*cloud.hosts, *many[40:]))
    assert all(members(fewer, host.name)[0] == chosen[host.name] for host in many[40:])


def test_who_has_a_role_and_not_another() -> None:
    cloud = load(EXAMPLES / "aio.yaml")
    assert cloud.hosts_with("compute") and not cloud.hosts_with("compute-control")
    names = [host.name for host in load(EXAMPLES / "two-sites.yaml").hosts_with("compute-control")]
    assert names == ["cmp-a", "cmp-b"]
