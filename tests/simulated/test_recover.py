"""`recover` waits for every cluster, tells what each member waits for, and gives up in time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from cloudwright.declare.service import hosts_of
from cloudwright.engine.api import ContainerSpec, Executed
from cloudwright.engine.clock import run_virtual
from cloudwright.engine.fake import Command, FakeEngine
from cloudwright.errors import HostError, Missing, Unreachable, UnsafePlan
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.execute.recover.failover import Voting
from cloudwright.model.load import load
from cloudwright.operations.failover import Cluster, unsettled, voters
from cloudwright.services import SERVICES
from cloudwright.transport.fake import FakeHost

CLOUD = load(Path(__file__).parents[2] / "examples" / "two-sites.yaml")
IMAGE = "localhost/member"
CLUSTERS = tuple(container for container, _ in voters(CLOUD, SERVICES))


class Members:
    """Every member of every cluster: each is whole once it was asked `patience` times; those of a
    host that is `away` never are."""

    def __init__(self, patience: dict[str, int], away: str = "") -> None:
        self.patience = patience
        self.away = away
        self.asked: dict[tuple[str, str], int] = {}

    async def fleet(self) -> Fleet:
        hosts = {
            host.name: FakeEngine(host.name, command=self._on(host.name)) for host in CLOUD.hosts
        }
        for container in CLUSTERS:
            for host in hosts_of(CLOUD, container):
                engine = hosts[host.name]
                engine.add_image(IMAGE)
                await engine.create(ContainerSpec(name=container.name, image=IMAGE))
                await engine.start(container.name)
        members = {n: Member(host=FakeHost(n), engine=engine) for n, engine in hosts.items()}
        return Fleet(members=members)

    def _on(self, host: str) -> Command:
        def answer(spec: ContainerSpec, argv: Sequence[str], stdin: bytes, user: str) -> Executed:
            asked = self.asked[spec.name, host] = self.asked.get((spec.name, host), 0) + 1
            whole = host != self.away and asked > self.patience.get(spec.name, 0)
            said = {
                "state": "up" if whole else "down",
                "waits": "" if whole else f"{spec.name} waits",
                "whole": whole,
            }
            return Executed(exit_code=0, output=json.dumps(said))

        return answer

    def settle(
        self, dead: Sequence[str] = (), seconds: float = 60.0
    ) -> tuple[tuple[Cluster, ...], list[str]]:
        """The clusters at the end, and what was told."""
        told: list[str] = []

        async def work() -> tuple[Cluster, ...]:
            voting = Voting(
                cloud=CLOUD, services=SERVICES, fleet=await self.fleet(), here=FakeHost("here")
            )
            return await voting.settle(dead, seconds, told.append)

        return run_virtual(work()), told


@pytest.mark.parametrize("slow", [container.name for container in CLUSTERS])
def test_each_cluster_is_waited_for(slow: str) -> None:
    members = Members({slow: 5})
    clusters, told = members.settle()
    assert {cluster.name for cluster in clusters} == {container.name for container in CLUSTERS}
    assert not any(unsettled(cluster, ()) for cluster in clusters)
    assert {line.partition(" on ")[0] for line in told} == {slow}
    assert len(told) == len(set(told))


def test_what_is_not_whole_in_time_is_left_with_its_reason() -> None:
    clusters, told = Members({}, away="ctl-b").settle(seconds=30.0)
    left = [line for cluster in clusters for line in unsettled(cluster, ())]
    assert left == [f"{container.name} on ctl-b: {container.name} waits" for container in CLUSTERS]
    assert told == left


def test_the_dead_are_not_waited_for() -> None:
    _, told = Members({}, away="ctl-b").settle(dead=["ctl-b"])
    assert told == []


def test_a_host_without_an_engine_is_not_dead_even_when_nobody_hears_of_it() -> None:
    """Nobody is told that it is: its members may run on."""
    whole = run_virtual(Members({}).fleet())
    others = {name: member for name, member in whole.members.items() if name != "ctl-b"}

    def ask(why: HostError) -> None:
        fleet = Fleet(members=others, lost={"ctl-b": why})
        voting = Voting(cloud=CLOUD, services=SERVICES, fleet=fleet, here=FakeHost("here"))
        run_virtual(voting.evidence(["ctl-b"]))

    ask(Unreachable("the host does not answer"))
    with pytest.raises(UnsafePlan, match="gives a sign of life") as caught:
        ask(Missing("no container engine answers"))
    assert caught.value.why == "this machine logged in to ctl-b"
