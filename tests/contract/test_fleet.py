"""A host that cannot be used is left out, and said to be; the others are used."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloudwright.engine.fake import FakeEngine
from cloudwright.errors import Missing, Unreachable
from cloudwright.execute.host.fleet import open_fleet
from cloudwright.model.cloud import Api, Cloud, External, Host, Network, Networks, Site, Ssh
from cloudwright.transport.host import Host as Way
from tests.contract import sshd


@pytest.fixture
def server(tmp_path: Path) -> Iterator[sshd.Sshd]:
    if why := sshd.missing():
        pytest.skip(why)
    with sshd.running(tmp_path) as server:
        yield server


def cloud_of(server: sshd.Sshd, ports: dict[str, int]) -> Cloud:
    def ssh(port: int) -> Ssh:
        return Ssh(
            port=port,
            key=str(server.directory / "user"),
            known_hosts=str(server.directory / "known_hosts"),
        )

    return Cloud(
        name="c",
        sites=(Site(name="a"),),
        hosts=tuple(
            Host(name=name, address="127.0.0.1", site="a", roles=("control",), ssh=ssh(port))
            for name, port in ports.items()
        ),
        networks=Networks(
            management=Network(cidr="127.0.0.0/8"),
            external=External(
                cidr="203.0.113.0/24",
                gateway="203.0.113.1",
                pool_start="203.0.113.10",
                pool_end="203.0.113.20",
            ),
        ),
        api=Api(internal="127.0.0.1", external="127.0.0.1"),
    )


async def fake(host: object) -> FakeEngine:
    return FakeEngine("one")


def test_the_others_are_used(server: sshd.Sshd) -> None:
    async def story() -> None:
        cloud = cloud_of(server, {"one": server.port, "two": sshd.free_port()})
        async with open_fleet(cloud, server.directory, whole=False, find_engine=fake) as fleet:
            assert (await fleet.host("one").run("echo here")).stdout == "here\n"
            assert list(fleet.lost) == ["two"]
            assert not fleet.let_us_in("two")
            for ask in (fleet.host, fleet.engine):
                with pytest.raises(Unreachable):
                    ask("two")

    asyncio.run(story())


def test_a_host_without_an_engine_is_left_out_too(server: sshd.Sshd) -> None:
    async def first_alone(host: Way) -> FakeEngine:
        if host.name == "one":
            return FakeEngine("one")
        raise Missing("no container engine answers", where=host.name)

    async def story() -> None:
        cloud = cloud_of(server, {"one": server.port, "two": server.port})
        folder = server.directory
        async with open_fleet(cloud, folder, whole=False, find_engine=first_alone) as fleet:
            assert set(fleet.members) == {"one"}
            for ask in (fleet.host, fleet.engine):
                with pytest.raises(Missing, match="no container engine"):
                    ask("two")
            assert fleet.let_us_in("one")
            assert fleet.let_us_in("two")
        with pytest.raises(Missing, match="no container engine"):
            async with open_fleet(cloud, folder, find_engine=first_alone):
                pass

    asyncio.run(story())


def test_an_engine_that_no_host_has_is_a_mistake_in_the_description(server: sshd.Sshd) -> None:
    async def story() -> None:
        cloud = cloud_of(server, {"one": server.port, "two": server.port})
        with pytest.raises(Unreachable, match="2 hosts cannot be used") as caught:
            async with open_fleet(
                replace(cloud, engine="docker"), server.directory, whole=False, find_engine=fake
            ):
                pass
        assert caught.value.why.count("docker does not answer, podman does") == 2
        assert caught.value.why.count("correct `engine` in cloud.yaml") == 2

    asyncio.run(story())


@pytest.mark.parametrize("whole", [True, False])
def test_nobody_left_is_an_error(server: sshd.Sshd, whole: bool) -> None:
    async def story() -> None:
        cloud = cloud_of(server, {"one": sshd.free_port(), "two": sshd.free_port()})
        with pytest.raises(Unreachable, match="2 hosts cannot be used"):
            async with open_fleet(cloud, server.directory, whole=whole):
                pass

    asyncio.run(story())


def test_who_looks_at_all_loses_those_that_cannot_be_used(server: sshd.Sshd) -> None:
    async def none(host: object) -> FakeEngine:
        raise Missing("no container engine answers")

    async def story() -> None:
        cloud = cloud_of(server, {"one": server.port, "two": sshd.free_port()})
        away: dict[str, type] = {"two": Unreachable}
        for find, lost in ((fake, away), (none, away | {"one": Missing})):
            async with open_fleet(cloud, server.directory, unfit=True, find_engine=find) as fleet:
                assert {name: type(error) for name, error in fleet.lost.items()} == lost
                assert set(fleet.members) == {"one", "two"} - set(lost)

    asyncio.run(story())


def test_who_needs_all_gets_all_or_none(server: sshd.Sshd) -> None:
    async def story() -> None:
        cloud = cloud_of(server, {"one": server.port, "two": sshd.free_port()})
        with pytest.raises(Unreachable):
            async with open_fleet(cloud, server.directory):
                pass

    asyncio.run(story())
