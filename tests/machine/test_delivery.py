"""Container images reach a host that shares none of this machine's: a lab host's own store."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloudwright.engine.http import HttpEngine, connect_engine
from cloudwright.errors import CommandFailed, HostError
from cloudwright.execute.images.delivery import bring_images
from cloudwright.execute.images.store import local_image_ids
from cloudwright.lab import verbs
from cloudwright.lab.spec import LabSpec, spec_of
from cloudwright.model.load import load
from cloudwright.plan.steps import BringImages
from cloudwright.transport.host import Host
from cloudwright.transport.local import LocalHost
from cloudwright.transport.ssh import SshAddress, connect_ssh
from tests.leftovers import remove_labs_in

EXAMPLE = Path(__file__).parents[2] / "examples" / "aio.yaml"
PREFIX = f"localhost/cw-delivery-{os.getpid()}"
BASE_MIB = 8


def podman(*words: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["podman", *words], input=stdin, capture_output=True, check=True)
    return done.stdout.decode().strip()


@dataclass
class Given:
    """A lab host, and images of this machine: one, and two that stand on it."""

    spec: LabSpec
    folder: Path
    references: list[str] = field(default_factory=list)

    def build(self, name: str, content: bytes, parent: str = "scratch") -> str:
        """An image with one more file; its reference."""
        reference = f"{PREFIX}/{name}:1"
        (self.folder / "file").write_bytes(content)
        (self.folder / "Containerfile").write_text(f"FROM {parent}\nCOPY file /{name}\n")
        podman("build", "--quiet", "--layers=false", f"--tag={reference}", str(self.folder))
        self.references.append(reference)
        return reference

    def on_host(self, work: Callable[[Host, HttpEngine], Awaitable[None]]) -> None:
        """Do something on the host, over SSH."""

        async def whole() -> None:
            async with self._reached() as host:
                engine = await connect_engine(host)
                try:
                    await work(host, engine)
                finally:
                    await engine.close()

        asyncio.run(whole())

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[Host]:
        keys, host = self.spec.directory, self.spec.hosts[0]
        address = SshAddress(
            host=host.address, key_file=keys / "id_ed25519", known_hosts=keys / "known_hosts"
        )
        reached = await connect_ssh(host.name, address)
        try:
            yield reached
        finally:
            await reached.close()


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    directory = tmp_path_factory.mktemp("delivery")
    file = directory / "cloud.yaml"
    text = EXAMPLE.read_text().replace("10.64.", "10.68.")
    file.write_text(text.replace("name: aio", "name: delivery"))
    made = Given(spec=spec_of(load(file), file), folder=directory)
    remove_labs_in("10.68.0.")
    try:
        asyncio.run(verbs.up(LocalHost(), made.spec, print, own_store=True))
        yield made
    finally:
        asyncio.run(verbs.down(LocalHost(), made.spec, data=True))
        if made.references:
            podman("rmi", "--force", *made.references)


async def wanted(*references: str) -> BringImages:
    """The step that brings these."""
    ids = await local_image_ids(PREFIX)
    return BringImages(images={reference: ids[reference] for reference in references})


async def held(engine: HttpEngine) -> dict[str, str]:
    """Reference → id of every image of ours on the host."""
    return {
        tag: image.id
        for image in await engine.images()
        for tag in image.tags
        if tag.startswith(PREFIX)
    }


def mebibytes(told: list[str]) -> int:
    """How much was sent, as it was told at the end."""
    return int(told[-1].split()[0])


def test_images_arrive_whole_and_nothing_is_sent_twice(given: Given) -> None:
    base = given.build("base", os.urandom(BASE_MIB << 20))
    one, two = given.build("one", b"1", base), given.build("two", b"2", base)

    async def work(host: Host, engine: HttpEngine) -> None:
        assert (await host.run("podman images -q")).stdout == ""
        first, told = await wanted(one, two), list[str]()
        await bring_images(engine, first, told.append)
        assert await held(engine) == dict(first.images)
        # Two images, and what they share is in the stream once.
        assert BASE_MIB <= mebibytes(told) < 2 * BASE_MIB
        again, told = await wanted(one), list[str]()
        await bring_images(engine, again, told.append)
        assert told == []
        three = given.build("three", b"3", base)
        more, told = await wanted(one, three), list[str]()
        await bring_images(engine, more, told.append)
        assert mebibytes(told) == 0
        assert await held(engine) == {**first.images, **more.images}

    given.on_host(work)


def test_a_new_build_takes_the_name(given: Given) -> None:
    reference = given.build("changes", b"before")

    async def work(host: Host, engine: HttpEngine) -> None:
        await bring_images(engine, await wanted(reference), print)
        before = (await held(engine))[reference]
        given.build("changes", b"after")
        action = await wanted(reference)
        await bring_images(engine, action, print)
        assert before != (await held(engine))[reference] == action.images[reference]

    given.on_host(work)


def test_a_host_without_space_says_so_and_can_be_helped(given: Given) -> None:
    reference = given.build("large", os.urandom(BASE_MIB << 20))

    async def work(host: Host, engine: HttpEngine) -> None:
        # Where Podman keeps an archive until it is unpacked.
        await host.run("mount -t tmpfs -o size=2m none /var/tmp")
        action = await wanted(reference)
        try:
            with pytest.raises(HostError, match="no space for container images") as caught:
                await bring_images(engine, action, print)
            assert caught.value.where == host.name
            assert "no space left" in caught.value.why
        finally:
            await host.run("umount --lazy /var/tmp")
        assert reference not in await held(engine)
        await bring_images(engine, action, print)
        assert (await held(engine))[reference] == action.images[reference]

    given.on_host(work)


def test_an_image_that_is_not_here_is_named(given: Given) -> None:
    async def work(host: Host, engine: HttpEngine) -> None:
        with pytest.raises(CommandFailed, match="podman save") as caught:
            await bring_images(engine, BringImages(images={f"{PREFIX}/gone:1": "0" * 64}), print)
        assert "gone" in caught.value.why

    given.on_host(work)
