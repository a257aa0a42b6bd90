"""A container that works is stopped only while enough others of it work, whatever was planned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cloudwright.declare.rollout import Canary, Quorum, Rollout
from cloudwright.declare.service import CommandHealth
from cloudwright.engine.api import ContainerSpec
from cloudwright.engine.clock import run_virtual
from cloudwright.engine.fake import FakeEngine
from cloudwright.errors import HostError, Missing, StepFailed, Unreachable
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.execute.steps.turn import PATIENCE_SECONDS, Turns
from cloudwright.model.cloud import Api, Cloud, External, Host, Network, Networks, Site
from cloudwright.plan.steps import ContainerBody, Peer, RunContainer, Step
from cloudwright.transport.fake import FakeHost

NAMES = ("one", "two", "three")
CLOUD = Cloud(
    name="tiny",
    sites=(Site(name="a"),),
    hosts=tuple(
        Host(name=name, address=f"10.0.0.{n}", site="a", roles=("control",))
        for n, name in enumerate((*NAMES, "four", "five"), 1)
    ),
    networks=Networks(
        management=Network(cidr="10.0.0.0/24"),
        external=External(
            cidr="203.0.113.0/24",
            gateway="203.0.113.1",
            pool_start="203.0.113.10",
            pool_end="203.0.113.20",
        ),
    ),
    api=Api(internal="10.0.0.1", external="10.0.0.1"),
)


def step_on(host: str, rollout: Rollout, names: tuple[str, ...] = NAMES) -> Step:
    action = RunContainer(
        container="c",
        body=ContainerBody(image="i", image_id="", environment={}, binds=()),
        config_digest="",
        health=CommandHealth(command=("works",)),
        rollout=rollout,
        members=tuple(
            Peer(host=name, container="c", health=CommandHealth(command=("works",)))
            for name in names
        ),
    )
    return Step(id=f"s/c@{host}", host=host, action=action)


async def fleet_with(
    *running: str, names: tuple[str, ...] = NAMES
) -> tuple[Fleet, dict[str, FakeEngine]]:
    engines = {name: FakeEngine(name) for name in names}
    for name in running:
        engines[name].add_image("i")
        await engines[name].create(ContainerSpec(name="c", image="i"))
        await engines[name].start("c")
    members = {n: Member(host=FakeHost(n), engine=e) for n, e in engines.items()}
    return Fleet(members=members), engines


async def turn_of(
    host: str,
    rollout: Rollout,
    fleet: Fleet,
    waits: Callable[[str], None] = lambda reason: None,
    *,
    names: tuple[str, ...] = NAMES,
) -> bool:
    """Whether the container worked as its turn came."""
    turns = Turns(fleet=fleet, cloud=CLOUD)
    async with turns.turn(step_on(host, rollout, names), waits) as works:
        return works


@pytest.mark.parametrize(
    ("rollout", "running", "allowed"),
    [
        (Quorum(), NAMES, True),
        (Quorum(), ("one", "two"), False),
        (Quorum(), ("two",), True),  # it does not work itself: nothing is taken away
        (Canary(), ("one", "two"), True),
        (Canary(), ("one",), False),
        (Canary(), (), True),
    ],
)
def test_who_may_be_stopped(rollout: Rollout, running: tuple[str, ...], allowed: bool) -> None:
    async def story() -> None:
        fleet, _ = await fleet_with(*running)
        turn = turn_of("one", rollout, fleet)
        if allowed:
            assert await turn == ("one" in running)
        else:
            with pytest.raises(StepFailed, match="too much depends on it") as caught:
                await turn
            assert "c@three: is not there" in caught.value.why

    run_virtual(story())


def test_a_member_on_a_lost_host_holds_nobody_up_while_a_majority_remains() -> None:
    async def story(names: tuple[str, ...], lost: str) -> bool:
        fleet, engines = await fleet_with(*names, names=names)
        engines[lost].lost = True
        return await turn_of("one", Quorum(), fleet, names=names)

    assert run_virtual(story((*NAMES, "four", "five"), "four"))
    with pytest.raises(StepFailed, match="too much depends on it"):
        run_virtual(story(NAMES, "three"))


@pytest.mark.parametrize("why", [Missing("no container engine answers"), Unreachable("silent")])
def test_a_member_on_a_host_that_was_left_out_counts_as_lost(why: HostError) -> None:
    async def story(names: tuple[str, ...]) -> bool:
        whole, _ = await fleet_with(*names, names=names)
        *others, away = names
        fleet = Fleet(members={name: whole.members[name] for name in others}, lost={away: why})
        return await turn_of("one", Quorum(), fleet, names=names)

    assert run_virtual(story((*NAMES, "four", "five")))
    with pytest.raises(StepFailed, match="too much depends on it"):
        run_virtual(story(NAMES))


def test_it_waits_until_the_cluster_is_whole_again() -> None:
    async def story() -> None:
        fleet, engines = await fleet_with(*NAMES)
        await engines["two"].stop("c")
        told: list[str] = []
        turn = asyncio.create_task(turn_of("one", Quorum(), fleet, told.append))
        await asyncio.sleep(10)
        assert not turn.done()
        assert told == ["c@two: is exited"]
        await engines["two"].start("c")
        await turn

    run_virtual(story())


@pytest.mark.parametrize(("rollout", "at_once"), [(Quorum(), 1), (Canary(), 2)])
def test_of_those_that_ask_in_the_same_moment_no_more_are_stopped_than_may(
    rollout: Rollout, at_once: int
) -> None:
    """As after a run that was cut before it had seen them become healthy: no plan orders them."""
    down: set[str] = set()
    most: list[int] = []

    async def remake(turns: Turns, name: str) -> None:
        async with turns.turn(step_on(name, rollout), lambda reason: None) as works:
            assert works
            down.add(name)
            most.append(len(down))
            await asyncio.sleep(PATIENCE_SECONDS + 1)  # while it is drained it still answers
            down.remove(name)

    async def story() -> None:
        fleet, _ = await fleet_with(*NAMES)
        turns = Turns(fleet=fleet, cloud=CLOUD)
        await asyncio.gather(*(remake(turns, name) for name in NAMES))

    run_virtual(story())
    assert (len(most), max(most)) == (3, at_once)
