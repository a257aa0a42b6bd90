"""A site that is alone goes on when a person says so; the others come back to what it wrote."""

from __future__ import annotations

import pytest

from tests.cloud.tool import Tool, eventually

SECONDS = 600
WAIT = ("--wait", str(SECONDS))
LOST = ("--without", "site:a", "--without", "site:w")
WORDS = "site:a and site:w are dead"
BEFORE, SINCE = "before-the-loss", "since-the-loss"


def networks(cloud: Tool) -> set[str]:
    return {row["Name"] for row in cloud.openstack("network", "list")}


def answers(cloud: Tool) -> bool:
    """Whether the APIs do what needs a write in the database and in OVN's."""
    try:
        if SINCE not in networks(cloud):
            cloud.openstack_do("network", "create", SINCE)
    except AssertionError as err:
        print(err)
        return False
    return True


@pytest.mark.ha
def test_the_last_site_goes_on_and_takes_the_others_back(booted: Tool) -> None:
    cloud = booted
    cloud.await_whole()
    cloud.openstack_do("network", "create", BEFORE)
    refused = cloud.run("failover", *LOST, "--statement", WORDS, status=3)
    assert "every cluster is whole: there is nothing to force" in refused

    cloud.run("lab", "kill", "site:a", "site:w")

    said = cloud.run("failover", *LOST, "--statement", "site:a is asleep", status=2)
    assert "may be lost" in said
    assert "that was not 'site:a and site:w are dead'" in said
    with pytest.raises(AssertionError):
        cloud.openstack_do("token", "issue")  # nobody serves whom nobody told
    print(cloud.run("failover", *LOST, "--statement", WORDS, *WAIT))
    taken = eventually(lambda: answers(cloud), seconds=SECONDS, what="the APIs of the last site")
    print(f"a network could be made {taken:.1f} s after")
    cloud.run("smoke", "--zone", "b")

    cloud.run("lab", "boot", "site:a", "site:w")
    eventually(
        lambda: "every cluster has all its votes" in cloud.start("failback").communicate()[0],
        seconds=SECONDS,
        what="every vote",
    )
    cloud.await_whole()
    assert cloud.plan() == {}
    assert {BEFORE, SINCE} <= networks(cloud)
    for name in (BEFORE, SINCE):
        cloud.openstack_do("network", "delete", name)
    cloud.run("smoke")
