"""Verbs that look into a cloud while one of its hosts does not answer."""

from __future__ import annotations

import pytest

from cloudwright.engine.api import ContainerSpec
from cloudwright.engine.clock import run_virtual
from cloudwright.engine.fake import FakeEngine
from cloudwright.errors import Missing, Unreachable
from cloudwright.execute.host import labels
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.execute.host.locate import Located, locate
from cloudwright.model.cloud import Host
from cloudwright.transport.fake import FakeHost

GONE = Unreachable("the host does not answer", where="two")


async def fleet() -> Fleet:
    """Two hosts with Glance; the second is away."""
    engine = FakeEngine("one")
    engine.add_image("glance")
    await engine.create(
        ContainerSpec(name="glance-api", image="glance", labels={labels.CLOUD: "tiny"})
    )
    return Fleet(members={"one": Member(host=FakeHost("one"), engine=engine)}, lost={"two": GONE})


def located(name: str) -> tuple[Located, ...]:
    async def story() -> tuple[Located, ...]:
        return await locate(await fleet(), "tiny", name)

    return run_virtual(story())


def test_a_name_means_the_containers_that_can_be_reached() -> None:
    assert [one.name for one in located("glance-api")] == ["glance-api@one"]
    assert [one.name for one in located("glance-api@one")] == ["glance-api@one"]


def test_one_on_the_host_that_is_away_is_refused_with_its_reason() -> None:
    with pytest.raises(Unreachable) as caught:
        located("glance-api@two")
    assert caught.value is GONE


def test_what_no_host_has_may_be_on_the_one_that_is_away() -> None:
    with pytest.raises(Missing, match="no host that answers has a container called 'nova-api'"):
        located("nova-api")


def test_what_goes_over_a_controller_goes_over_one_that_answers() -> None:
    hosts = tuple(
        Host(name=name, address="10.0.0.1", site="a", roles=("control",))
        for name in ("two", "one")
    )
    whole = run_virtual(fleet())
    assert whole.first(hosts).name == "one"
    assert whole.first(hosts[:1]).name == "two"
