"""What would make a plan fail half-way is told before anything is touched."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from cloudwright.engine.api import ContainerSpec
from cloudwright.engine.fake import FakeEngine
from cloudwright.execute.host import labels
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.execute.look.fitness import MIB, Condition, look, parse, unfit
from cloudwright.model.cloud import Host
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Change, Planned
from cloudwright.plan.steps import ContainerBody, RunContainer, SetSwitch, Step
from cloudwright.transport.fake import FakeHost
from cloudwright.transport.host import Completed

HOST = Host(name="ctl", address="10.0.0.1", site="a", roles=("control",))
BODY = ContainerBody(image="image", image_id="", environment={}, binds=())
ACTION = RunContainer(
    container="db",
    body=BODY,
    config_digest="",
    listeners=(("10.0.0.1", 3306), ("10.0.0.1", 4567), ("127.0.0.1", 13306)),
)
MAKE = Planned(step=Step(id="db@ctl", host="ctl", action=ACTION), change=Change.MAKE, why="")

SAID = """\
now 1000.5
free /etc/cloudwright 104857600
free /var/lib/containers 5368709120
port LISTEN 0 80 10.0.0.1:3306 0.0.0.0:* users:(("mysqld",pid=12,fd=3))
port LISTEN 0 128 *:22 *:*
"""


def texts(condition: Condition, *planned: Planned) -> list[str]:
    return [text for text, _ in unfit(HOST, condition, planned or (MAKE,))]


def test_what_a_host_says_is_understood() -> None:
    said = parse(SAID, before=1000.0, after=1001.0)
    assert said.skew == 0
    assert said.free == {"/etc/cloudwright": 100 * MIB, "/var/lib/containers": 5120 * MIB}
    assert said.listeners == {("10.0.0.1", 3306): "mysqld", ("*", 22): "a program"}
    assert texts(said) == ["port 3306 is taken by mysqld; db needs it"]


@pytest.mark.parametrize(
    ("before", "after", "skew"), [(990.0, 995.0, 5.5), (1010.0, 1012.0, -9.5), (900.0, 1100.0, 0)]
)
def test_a_slow_answer_is_no_wrong_clock(before: float, after: float, skew: float) -> None:
    said = parse("now 1000.5", before, after)
    assert said.skew == skew
    assert bool(texts(said)) is (skew != 0)


def test_the_clock_is_told_with_its_side() -> None:
    assert texts(Condition(skew=61.4)) == ["its clock is 61 s ahead of this machine's"]
    assert texts(Condition(skew=-3)) == ["its clock is 3 s behind this machine's"]


@pytest.mark.parametrize("address", ["10.0.0.1", "0.0.0.0", "*", "[::]"])
def test_a_port_is_taken_on_our_address_or_on_all(address: str) -> None:
    assert texts(Condition(listeners={(address, 3306): "nginx"}))


def test_a_port_elsewhere_or_of_the_container_itself_is_not_taken() -> None:
    assert not texts(Condition(listeners={("127.0.0.1", 3306): "nginx"}))
    own = Condition(listeners={("10.0.0.1", 3306): "mariadbd"}, alive=frozenset({"db"}))
    assert not texts(own, replace(MAKE, change=Change.ALTER))


def test_each_program_that_has_a_port_is_told_once_with_all_that_it_has() -> None:
    listeners = {
        ("10.0.0.1", 4567): "mysqld",
        ("127.0.0.1", 13306): "nginx",
        ("*", 3306): "mysqld",
    }
    assert texts(Condition(listeners=listeners)) == [
        "ports 3306, 4567 are taken by mysqld; db needs them",
        "port 13306 is taken by nginx; db needs it",
    ]


@pytest.mark.parametrize(
    ("name", "cloud", "kind", "leaving"),
    [
        ("arbitrator", "c", "container", True),
        ("arbitrator", "other", "container", False),
        ("db-schema", "c", "job", False),
        ("db", "c", "container", False),
    ],
)
def test_who_leaves_may_have_the_port_until_then(
    name: str, cloud: str, kind: str, leaving: bool
) -> None:
    async def found() -> Condition:
        engine = FakeEngine("ctl")
        engine.add_image("image")
        marked = {labels.CLOUD: cloud, labels.KIND: kind}
        await engine.create(ContainerSpec(name=name, image="image", labels=marked))
        await engine.start(name)
        host = FakeHost("ctl", answer=lambda *_: Completed(status=0, stdout=SAID, stderr=""))
        fleet = Fleet(members={"ctl": Member(host=host, engine=engine)})
        return await look(
            fleet, HOST, Blueprint(cloud="c", steps={"db@ctl": MAKE.step}, secrets={})
        )

    condition = asyncio.run(found())
    assert condition.alive == {name}
    assert condition.leaving == ({name} if leaving else set())
    assert bool([t for t in texts(condition) if "is taken" in t or "are taken" in t]) is (
        not leaving and name != "db"
    )


def test_a_full_disk_matters_to_what_writes_alone() -> None:
    full = Condition(free={"/etc/cloudwright": 3 * MIB, "/var/lib/containers": 5000 * MIB})
    assert texts(full) == [
        "no space: 3 MiB are free below /etc/cloudwright, and 16 MiB are needed"
    ]
    switch = SetSwitch(
        container="c",
        socket="/run/db.sock",
        datapath_type="",
        bridges={},
        external_ids={},
        other_config={},
    )
    step = Step(id="switch@ctl", host="ctl", action=switch)
    assert not texts(full, Planned(step=step, change=Change.ALTER, why=""))


def test_another_hosts_plan_is_not_its_matter() -> None:
    other = replace(MAKE, step=Step(id="db@other", host="other", action=ACTION))
    assert not texts(parse(SAID, 1000, 1001), other)
