"""How members of the database find and lose each other, by where they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cloudwright.declare.at import At
from cloudwright.model.cloud import Cloud
from cloudwright.model.facts import Facts
from cloudwright.model.load import load
from cloudwright.services.mariadb.conf import group, settings

EXAMPLES = Path(__file__).parents[2] / "examples"


def with_second_controllers(cloud: Cloud) -> Cloud:
    """The same with another controller beside each."""
    more = tuple(
        replace(host, name=f"{host.name}2", address=f"{host.address}9")
        for host in cloud.hosts_with("control")
    )
    return replace(cloud, hosts=(*cloud.hosts, *more))


def ats(cloud: Cloud, role: str = "") -> list[At]:
    """Each member's place; with arbitrators' unless a role is asked for."""
    voters = At(cloud=cloud, host=cloud.hosts[0], facts=Facts(host=cloud.hosts[0].name)).voters
    return [
        At(cloud=cloud, host=host, facts=Facts(host=host.name))
        for host in voters
        if not role or role in host.roles
    ]


def segments(cloud: Cloud) -> list[object]:
    return [group(at)["gmcast.segment"] for at in ats(cloud)]


def donors(cloud: Cloud) -> dict[str, object]:
    """Host → whom it asks first for what it misses."""
    asked = {}
    for at in ats(cloud, "control"):
        asked[at.host.name] = settings(at)["mariadbd"].get("wsrep_sst_donor")
    return asked


def test_nobody_is_heard_through_a_member_that_may_die() -> None:
    two_each = with_second_controllers(load(EXAMPLES / "two-sites.yaml"))
    assert segments(two_each) == [0, 0, 0, 0, 0]
    assert segments(load(EXAMPLES / "three-controllers.yaml")) == [0, 0, 0]


def test_members_that_are_alone_in_their_sites_are_told_apart() -> None:
    assert segments(load(EXAMPLES / "two-sites.yaml")) == [0, 1, 2]


def test_what_a_member_misses_comes_from_its_own_site_where_there_is_another() -> None:
    two_each = with_second_controllers(load(EXAMPLES / "two-sites.yaml"))
    assert donors(two_each) == {
        "ctl-a": "ctl-a2,",
        "ctl-b": "ctl-b2,",
        "ctl-a2": "ctl-a,",
        "ctl-b2": "ctl-b,",
    }


@pytest.mark.parametrize("example", ["two-sites", "three-controllers", "aio"])
def test_where_nobody_is_nearer_the_cluster_chooses(example: str) -> None:
    assert set(donors(load(EXAMPLES / f"{example}.yaml")).values()) <= {None}
