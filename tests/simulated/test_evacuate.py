"""Evacuations on a Nova in memory: who is refused, how many at once, what is told of failures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudwright.engine.api import ContainerSpec
from cloudwright.engine.clock import run_virtual
from cloudwright.engine.fake import FakeEngine
from cloudwright.errors import Missing, StepFailed, Unreachable, UnsafePlan
from cloudwright.execute.evacuate.computes import computes, hold_out
from cloudwright.execute.evacuate.evidence import prove_down
from cloudwright.execute.evacuate.giveback import give_back
from cloudwright.execute.evacuate.moving import Mover, Result
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.model.cloud import Cloud, Host
from cloudwright.operations.evacuate import Instance, Move, Outlook
from cloudwright.transport.fake import FakeHost
from cloudwright.transport.host import Completed
from tests.simulated.nova import Nova, Server, Service
from tests.simulated.test_power import CLOUD as POWER

CLOUD: Cloud = replace(
    POWER,
    hosts=(
        Host(name="dead", address="10.0.0.1", tunnel_address="10.0.1.1", site="a", roles=()),
        Host(name="left", address="10.0.0.2", tunnel_address="10.0.1.2", site="a", roles=()),
    ),
)
LOST = {"dead": Unreachable("the host does not answer", where="dead")}


def host(name: str, hears: str = "") -> FakeHost:
    """A host that gets an answer from the address `hears` alone."""

    def answer(command: str, stdin: bytes) -> Completed:
        return Completed(status=0 if hears and hears in command else 1, stdout="")

    return FakeHost(name, answer=answer)


def fleet(hears: str = "") -> Fleet:
    return Fleet(
        members={"left": Member(host=host("left", hears), engine=FakeEngine("left"))}, lost=LOST
    )


def nova(count: int = 1, **words: object) -> Nova:
    return Nova(
        services={"dead": Service(), "left": Service(reports=True)},
        servers={str(n): Server(host="dead") for n in range(count)},
        **words,  # type: ignore[arg-type]
    )


def proved(there: Nova, *, asked: Fleet, here: str = "") -> str:
    """What was seen of the dead host's life; empty when it is proven dead."""
    try:
        run_virtual(prove_down(asked, CLOUD, host("this machine", here), there.apis(), ("dead",)))
    except UnsafePlan as refused:
        return refused.why
    return ""


def test_a_host_of_which_nobody_hears_is_dead() -> None:
    assert proved(nova(), asked=fleet()) == ""


def test_any_sign_of_life_is_told() -> None:
    there = Fleet(members={"dead": Member(host=host("dead"), engine=FakeEngine("dead"))})
    assert "logged in to dead" in proved(nova(), asked=there)
    assert "left gets an answer from 10.0.0.1" in proved(nova(), asked=fleet("10.0.0.1"))
    assert "left gets an answer from 10.0.1.1" in proved(nova(), asked=fleet("10.0.1.1"))
    assert proved(nova(), asked=fleet(), here="10.0.1.1") == "", "that is another network's"
    seen = proved(nova(), asked=fleet(), here="10.0.0.1")
    assert "this machine gets an answer from 10.0.0.1" in seen
    lives = nova()
    lives.services["dead"].reports = True
    assert "reports to Nova" in proved(lives, asked=fleet())


def test_a_host_without_an_engine_is_not_dead_even_when_nobody_hears_of_it() -> None:
    """What it ran runs on: containers outlive their engine."""
    bare = replace(fleet(), lost={"dead": Missing("no container engine answers", where="dead")})
    assert "logged in to dead" in proved(nova(), asked=bare)
    there = nova()
    run_virtual(_hold(there))
    with pytest.raises(UnsafePlan, match="dead cannot be used") as caught:
        run_virtual(give_back(bare, there.apis(), ["dead"], 1.0, lambda line: None))
    assert "no container engine answers" in caught.value.why
    assert run_virtual(_held(there))


def test_one_that_is_held_out_is_listened_to() -> None:
    there = nova()
    run_virtual(_hold(there))
    assert proved(there, asked=fleet()) == ""
    there.services["dead"].reports = True
    assert "reports to Nova" in proved(there, asked=fleet())


async def _hold(there: Nova) -> None:
    apis = there.apis()
    await apis.do(hold_out, (await apis.do(computes))["dead"], True)


async def _held(there: Nova) -> bool:
    return (await there.apis().do(computes))["dead"].held_out


def outlook(there: Nova, *, pinned: bool = False) -> Outlook:
    moves = tuple(
        Move(instance=instance(id, "a" if pinned else ""), host="left", zone="b")
        for id in there.servers
    )
    return Outlook(moves=moves, under_way=(), stays=(), homeless=())


def instance(id: str, zone: str = "") -> Instance:
    needs = {"VCPU": 1}
    return Instance(
        id=id, name=id, host="dead", state="active", task="", needs=needs, image="i", zone=zone
    )


def moved(there: Nova, plan: Outlook, *, at_once: int = 4) -> tuple[tuple[Result, ...], list[str]]:
    lines: list[str] = []
    mover = Mover(apis=there.apis(), at_once=at_once, seconds=60, tell=lines.append)
    return run_virtual(mover.move(plan)), lines


@given(
    count=st.integers(1, 9),
    at_once=st.integers(1, 5),
    looks=st.integers(2, 6),
    broken=st.frozensets(st.integers(0, 8).map(str)),
)
def test_each_ends_as_it_did_and_never_are_more_under_way(
    count: int, at_once: int, looks: int, broken: frozenset[str]
) -> None:
    there = nova(count, looks=looks, broken=broken)
    results, lines = moved(there, outlook(there), at_once=at_once)
    assert there.most <= at_once
    assert sorted(r.instance.id for r in results) == sorted(there.servers)
    for result in results:
        fails = result.instance.id in broken
        assert result.well is not fails
        assert result.host == ("dead" if fails else "left")
    assert sum(line.startswith(("✓", "✗")) for line in lines) == count


def test_a_refusal_is_told_and_stops_no_other() -> None:
    there = nova(3)
    plan = outlook(there)
    there.servers["0"].task = "powering-off"
    results = {r.instance.id: r for r in moved(there, plan)[0]}
    assert "task_state" in results["0"].why
    assert results["1"].well
    assert results["2"].well


def test_what_never_ends_is_given_up() -> None:
    slow = nova(looks=10**6)
    [result] = moved(slow, outlook(slow))[0]
    assert result.why == "not there after 60 s; Nova may still be at it"


def test_what_is_under_way_is_awaited_and_its_owner_may_remove_it() -> None:
    waits = Outlook(moves=(), under_way=(instance("9"),), stays=(), homeless=())
    [result] = moved(nova(), waits)[0]
    assert result.why == "its owner removed it meanwhile"


def test_the_scheduler_is_asked_unless_the_zone_is_lost() -> None:
    free, bound = nova(), nova()
    moved(free, outlook(free))
    moved(bound, outlook(bound, pinned=True))
    assert free.asked == [("0", "2.94", {"host": "left"})]
    assert bound.asked == [("0", "2.67", {"host": "left", "force": True})]


def returned(there: Nova, *, running: bool = True, starts: bool = True) -> tuple[int, list[str]]:
    """Let the host in again; it lives, and with `starts` its nova-compute cleans as it starts."""
    lines: list[str] = []

    class Starting(FakeEngine):
        async def start(self, name: str) -> None:
            await super().start(name)
            if starts:
                there.start("dead")

    async def story() -> int:
        engine = Starting("dead")
        engine.add_image("nova")
        await engine.create(ContainerSpec(name="nova-compute", image="nova"))
        if running:
            await FakeEngine.start(engine, "nova-compute")
        back = Fleet(members={"dead": Member(host=host("dead"), engine=engine)})
        return await give_back(back, there.apis(), ("dead",), 60, lines.append)

    return run_virtual(story()), lines


def evacuated() -> Nova:
    """After an evacuation: the host is held out, and has not cleaned up."""
    there = nova(2)
    run_virtual(_hold(there))
    moved(there, outlook(there))
    return there


def test_a_host_that_has_started_since_is_let_in_at_once() -> None:
    there = evacuated()
    there.start("dead")
    assert returned(there) == (1, ["dead may have instances again"])
    assert not there.services["dead"].forced_down
    assert returned(there)[0] == 0


def test_one_that_ran_all_the_while_is_started_anew() -> None:
    there = evacuated()
    there.services["dead"].reports = True
    count, lines = returned(there)
    assert (count, there.restarts) == (1, 1)
    assert "started anew" in lines[1]
    assert not there.services["dead"].forced_down


def test_one_that_never_cleans_up_stays_held_out() -> None:
    there = evacuated()
    with pytest.raises(StepFailed, match="has not cleaned up within 60 s"):
        returned(there, starts=False)
    assert there.services["dead"].forced_down


def test_one_that_is_not_there_or_loses_instances_yet_stays_held_out() -> None:
    there = evacuated()
    with pytest.raises(UnsafePlan, match="dead cannot be used"):
        run_virtual(give_back(fleet(), there.apis(), ("dead",), 60, print))
    with pytest.raises(UnsafePlan, match="does not run on dead"):
        returned(there, running=False)
    there.migrations[0].status = "pre-migrating"
    with pytest.raises(UnsafePlan, match="1 instances of dead are being moved"):
        returned(there)
    assert there.services["dead"].forced_down
