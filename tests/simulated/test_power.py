"""Stop, start and destroy on hosts in memory: in order, whole, and never a volume unasked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import pytest

from cloudwright.engine.api import ContainerSpec, Executed
from cloudwright.engine.clock import run_virtual
from cloudwright.engine.fake import FakeEngine
from cloudwright.errors import Missing, StepFailed
from cloudwright.execute.destroy import destroy_cloud
from cloudwright.execute.host import labels
from cloudwright.execute.host.fleet import Fleet, Member
from cloudwright.execute.host.locate import locate
from cloudwright.execute.look.status import status_of
from cloudwright.execute.power import start_cloud, stop_cloud
from cloudwright.model.cloud import Api, Cloud, External, Host, Network, Networks, Site
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Observed, Seen, make_plan
from cloudwright.plan.steps import ContainerBody, RunContainer, Step
from cloudwright.transport.fake import FakeHost
from cloudwright.transport.host import Completed

CLOUD = Cloud(
    name="tiny",
    sites=(Site(name="a"),),
    hosts=tuple(
        Host(name=name, address=f"10.0.0.{n}", site="a", roles=("control",))
        for n, name in enumerate(("one", "two"), 1)
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
# The database stands on `one`, what uses it on both.
CONTAINERS = {
    "mariadb/mariadb@one": (),
    "nova/nova-api@one": ("mariadb/mariadb@one",),
    "nova/nova-api@two": ("mariadb/mariadb@one",),
}


def blueprint(farewell: Mapping[str, str] | None = None) -> Blueprint:
    steps = {}
    for id, needs in CONTAINERS.items():
        name, host = id.partition("/")[2].split("@")
        body = ContainerBody(image="image", image_id="", environment={}, binds=())
        action = RunContainer(
            container=name, body=body, config_digest="", farewell=(farewell or {}).get(id, "")
        )
        steps[id] = Step(id=id, host=host, action=action, needs=frozenset(needs))
    return Blueprint(cloud="tiny", steps=steps, secrets={})


def command(spec: ContainerSpec, argv: Sequence[str], stdin: bytes, user: str) -> Executed:
    script = argv[-1]
    if script == "fail":
        return Executed(exit_code=1, output="a tap is busy\n")
    return Executed(exit_code=0, output=f"{script}: done\n")


async def fleet_of(ids: Iterable[str]) -> tuple[Fleet, dict[str, FakeEngine]]:
    engines = {host.name: FakeEngine(host.name, command=command) for host in CLOUD.hosts}
    for engine in engines.values():
        engine.add_image("image")
        await engine.create_volume("mine", {labels.CLOUD: "tiny"})
        await engine.create_volume("other", {labels.CLOUD: "another"})
    for id in ids:
        name, host = id.partition("/")[2].split("@")
        marks = {labels.CLOUD: "tiny", labels.STEP: id, labels.KIND: "container"}
        await engines[host].create(ContainerSpec(name=name, image="image", labels=marks))
        await engines[host].start(name)
    members = {
        name: Member(host=FakeHost(name, answer=lambda *_: DONE), engine=engine)
        for name, engine in engines.items()
    }
    return Fleet(members=members), engines


DONE = Completed(status=0, stdout="")


async def running(engines: dict[str, FakeEngine]) -> set[str]:
    return {
        f"{c.name}@{host}"
        for host, engine in engines.items()
        for c in await engine.containers()
        if c.running
    }


def test_users_stop_before_what_they_use_and_start_after_it() -> None:
    async def story() -> None:
        fleet, engines = await fleet_of(CONTAINERS)
        told: list[str] = []
        assert await stop_cloud(fleet, CLOUD, blueprint(), told.append) == 3
        assert await running(engines) == set()
        assert told[-1] == "stopped mariadb@one"
        told.clear()
        assert await start_cloud(fleet, CLOUD, blueprint(), told.append) == 3
        assert told[0] == "started mariadb@one"
        assert len(await running(engines)) == 3
        assert await start_cloud(fleet, CLOUD, blueprint(), told.append) == 0

    run_virtual(story())


@pytest.mark.parametrize("data", [False, True], ids=["data kept", "data removed"])
def test_destroy_removes_volumes_only_when_told_and_never_those_of_others(data: bool) -> None:
    async def story() -> None:
        fleet, engines = await fleet_of(CONTAINERS)
        await destroy_cloud(fleet, CLOUD, blueprint(), lambda line: None, data=data)
        for engine in engines.values():
            assert await engine.containers() == ()
            left = {volume.name for volume in await engine.volumes()}
            assert left == ({"other"} if data else {"mine", "other"})

    run_virtual(story())


@pytest.mark.parametrize("data", [False, True], ids=["data kept", "data removed"])
def test_what_outlives_a_container_goes_with_the_data_from_a_stopped_cloud_too(data: bool) -> None:
    async def story() -> None:
        fleet, _ = await fleet_of(CONTAINERS)
        made = blueprint(farewell={"nova/nova-api@two": "end instances"})
        told: list[str] = []
        await stop_cloud(fleet, CLOUD, made, told.append)
        await destroy_cloud(fleet, CLOUD, made, told.append, data=data)
        assert ("end instances: done on two" in told) is data
        # It needs the database, and nobody else has to be started for it.
        woken = [line for line in told if line.startswith("started")]
        assert woken == (["started mariadb@one", "started nova-api@two"] if data else [])

    run_virtual(story())


def test_a_farewell_that_fails_is_told_when_all_else_is_gone() -> None:
    async def story() -> None:
        fleet, engines = await fleet_of(CONTAINERS)
        made = blueprint(farewell={"nova/nova-api@two": "fail"})
        with pytest.raises(StepFailed) as caught:
            await destroy_cloud(fleet, CLOUD, made, lambda line: None, data=True)
        assert caught.value.why == "nova-api@two: a tap is busy"
        assert await running(engines) == set()
        assert {v.name for v in await engines["two"].volumes()} == {"other"}

    run_virtual(story())


def test_status_says_what_does_not_run() -> None:
    async def story() -> None:
        fleet, engines = await fleet_of(CONTAINERS)
        await engines["two"].stop("nova-api")
        made = blueprint()
        seen = {id: Seen(digest=s.digest) for id, s in made.steps.items()}
        seen["nova/nova-api@two"] = Seen(digest="x", why="is exited, not running")
        plan = make_plan(made, Observed(seen=seen))
        rows = {r.container + "@" + r.host: r for r in await status_of(fleet, CLOUD, made, plan)}
        assert rows["nova-api@one"].is_well
        assert rows["nova-api@two"].state == "exited"
        assert rows["nova-api@two"].wrong == "is exited, not running"
        assert not rows["nova-api@two"].is_well

    asyncio.run(story())


def test_a_container_is_found_by_its_name_on_every_host_or_on_one() -> None:
    async def story() -> None:
        fleet, _ = await fleet_of(CONTAINERS)
        assert [c.name for c in await locate(fleet, "tiny", "nova-api")] == [
            "nova-api@one",
            "nova-api@two",
        ]
        assert [c.host for c in await locate(fleet, "tiny", "nova-api@two")] == ["two"]
        with pytest.raises(Missing) as caught:
            await locate(fleet, "tiny", "nova-apy")
        assert caught.value.hint == "did you mean nova-api?"

    run_virtual(story())
