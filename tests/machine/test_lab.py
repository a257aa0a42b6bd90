"""A real lab: a host behind SSH with an engine inside, its power switch, and nothing left over."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cloudwright.errors import HostError
from cloudwright.execute.drill.disk import fill_directory
from cloudwright.lab import disks, verbs
from cloudwright.lab.spec import LabSpec, spec_of
from cloudwright.model.load import load
from cloudwright.transport.host import Host
from cloudwright.transport.local import LocalHost
from cloudwright.transport.ssh import SshAddress, connect_ssh
from tests.leftovers import remove_labs_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "aio.yaml"
FITS = "head -c 65536 /dev/zero 2>/dev/null >/var/lib/containers/try && echo fits || echo full"
EMPTY_IMAGE = "localhost/cloudwright-test/shell:latest"


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab under test."""

    spec: LabSpec

    def up(self) -> tuple[str, ...]:
        return asyncio.run(verbs.up(LocalHost(), self.spec, print))

    def run(self, command: str) -> str:
        """What a command prints on the only host."""

        async def work(host: Host) -> str:
            return (await host.run(command, timeout=60)).stdout

        return self.do(work)

    def do(self, work: Callable[[Host], Awaitable[str]]) -> str:
        """What is done with the only host, over SSH with its key verified."""

        async def whole() -> str:
            host = self.spec.hosts[0]
            keys = self.spec.directory
            address = SshAddress(
                host=host.address, key_file=keys / "id_ed25519", known_hosts=keys / "known_hosts"
            )
            connection = await connect_ssh(host.name, address)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(whole())


def here(command: str) -> str:
    done = subprocess.run(command, shell=True, text=True, capture_output=True, check=False)
    return done.stdout


async def filled(host: Host) -> str:
    await fill_directory(host, "/var/lib/containers")
    return ""


def left_over(lab: Lab) -> str:
    mark = f"cwl-{lab.spec.id}-"
    return here(
        f"podman ps -aq --filter name={mark}; podman volume ls -q --filter name={mark}; "
        f"ip -br link | grep {mark}; ls /run/netns 2>/dev/null | grep {mark}"
    )


@pytest.fixture(scope="module")
def shared_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image that only this machine's store has: a shell, ip(8) and what they need."""
    tree = tmp_path_factory.mktemp("image")
    here(
        f"for tool in /bin/sh /bin/true /bin/sleep $(command -v ip); do "
        f"for file in $tool $(ldd $tool | grep -o '/[^ )]*'); do "
        f"mkdir -p {tree}$(dirname $file); cp -L $file {tree}$file; done; done; "
        f"tar -C {tree} -c . | podman import -q - {EMPTY_IMAGE}"
    )
    yield EMPTY_IMAGE
    here(f"podman rmi -f {EMPTY_IMAGE}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with networks of its own, so that it runs beside others."""
    directory = tmp_path_factory.mktemp("lab")
    file = directory / "cloud.yaml"
    text = EXAMPLE.read_text().replace("10.64.", "10.69.")
    file.write_text(text.replace("name: aio", "name: lab-test"))
    made = Lab(spec_of(load(file), file))
    remove_labs_in("10.69.0.")
    try:
        made.up()
        yield made
    finally:
        asyncio.run(verbs.down(LocalHost(), made.spec, data=True))


def test_a_lab_that_is_well_is_left_alone(lab: Lab) -> None:
    assert lab.up() == ()
    (status,) = asyncio.run(verbs.status(LocalHost(), lab.spec))
    assert (status.state, status.answers) == ("on", True)


def test_the_host_has_the_cards_that_the_cloud_names(lab: Lab) -> None:
    cards = {
        line.split()[0].partition("@")[0]: line
        for line in lab.run("ip -br -4 a").split("\n")
        if line
    }
    assert "10.69.0.11/24" in cards["eth0"]
    assert "10.69.1.11/24" in cards["eth1"]
    assert "." not in cards.get("eth2", "")
    assert "eth2" in lab.run("ip -br link")


def test_an_image_of_this_machine_runs_without_being_copied(lab: Lab, shared_image: str) -> None:
    lab.run(f"podman run --rm --network host {shared_image} true")
    assert shared_image.partition(":")[0] in lab.run("podman images --filter readonly=true")


def test_a_privileged_container_makes_namespaces_and_taps(lab: Lab, shared_image: str) -> None:
    lab.run(
        "podman run --rm --privileged --network host -v /run/netns:/run/netns:shared "
        f"{shared_image} sh -c "
        "'ip netns add inner && ip tuntap add tap9 mode tap && ip link set tap9 netns inner'"
    )
    assert "tap9" in lab.run("ip -netns inner -br link")
    lab.run("ip netns delete inner")


def test_nothing_of_this_machines_way_to_packages_is_in_the_host(lab: Lab) -> None:
    assert lab.run("cat /etc/apt/sources.list") == ""
    assert (
        lab.run(
            "ls /usr/local/share/ca-certificates /root/.config 2>/dev/null | grep -v :$ || true"
        ).strip()
        == ""
    )
    assert "99mmdebstrap" not in lab.run("ls /etc/apt/apt.conf.d")


def test_a_host_that_lost_power_comes_back_with_its_disk(lab: Lab, shared_image: str) -> None:
    lab.run(
        "mkdir -p /etc/cloudwright && echo kept >/etc/cloudwright/kept; "
        f"podman run -d --name always --restart always --network host {shared_image} sleep 900; "
        f"podman run -d --name never --network host {shared_image} sleep 900"
    )
    asyncio.run(verbs.kill(LocalHost(), lab.spec, ("aio",)))
    (status,) = asyncio.run(verbs.status(LocalHost(), lab.spec))
    assert (status.state, status.answers) == ("off", False)

    asyncio.run(verbs.boot(LocalHost(), lab.spec, ("aio",)))
    assert lab.run("cat /etc/cloudwright/kept") == "kept\n"
    running = "for i in $(seq 100); do podman ps --format '{{.Names}}' | grep . && break; done"
    assert lab.run(running).split() == ["always"]
    lab.run("podman rm -f -t 0 always never")


def test_a_host_with_a_disk_of_its_own_is_full_alone(lab: Lab, tmp_path: Path) -> None:
    assert not asyncio.run(disks.is_own(LocalHost(), lab.spec.hosts[0]))
    with pytest.raises(HostError, match="a part of this machine's"):
        asyncio.run(verbs.up(LocalHost(), lab.spec, print, disk=4))

    file = tmp_path / "cloud.yaml"
    text = EXAMPLE.read_text().replace("10.64.", "10.78.")
    file.write_text(text.replace("name: aio", "name: lab-disk"))
    own = Lab(spec_of(load(file), file))
    remove_labs_in("10.78.0.")
    try:
        asyncio.run(verbs.up(LocalHost(), own.spec, print, disk=4))
        assert asyncio.run(disks.is_own(LocalHost(), own.spec.hosts[0]))
        before = shutil.disk_usage(own.spec.directory).free
        own.run("echo kept >/etc/cloudwright/kept")
        own.do(filled)
        assert own.run(FITS) == "full\n"
        assert before - shutil.disk_usage(own.spec.directory).free < 1024**3
        asyncio.run(verbs.kill(LocalHost(), own.spec, ("aio",)))
        asyncio.run(verbs.boot(LocalHost(), own.spec, ("aio",)))
        assert own.run(FITS) == "fits\n"
        assert own.run("cat /etc/cloudwright/kept") == "kept\n"
    finally:
        asyncio.run(verbs.down(LocalHost(), own.spec, data=True))
    assert left_over(own) == ""
    assert not (own.spec.directory / "disks").exists()


def test_the_networks_of_a_lab_are_not_taken_twice(lab: Lab, tmp_path: Path) -> None:
    other = Lab(replace(lab.spec, id="ffffff", directory=tmp_path))
    with pytest.raises(HostError, match="another lab"):
        other.up()
    assert left_over(other) == ""


def test_down_keeps_the_disk_and_then_nothing(lab: Lab) -> None:
    lab.run("echo kept >/etc/cloudwright/kept")
    asyncio.run(verbs.down(LocalHost(), lab.spec))
    assert left_over(lab).split() == [lab.spec.hosts[0].container]  # the volume
    assert lab.up() == ("aio",)
    assert lab.run("cat /etc/cloudwright/kept") == "kept\n"
    asyncio.run(verbs.down(LocalHost(), lab.spec, data=True))
    assert left_over(lab) == ""
