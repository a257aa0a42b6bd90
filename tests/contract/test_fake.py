"""What only the fakes can do: fail when asked, lose a host, and let time pass at once."""

from __future__ import annotations

import asyncio
import time

import pytest

from cloudwright.engine.api import ContainerSpec
from cloudwright.engine.clock import run_virtual
from cloudwright.engine.fake import Failure, FakeEngine
from cloudwright.engine.fake_container import Process
from cloudwright.errors import EngineError, Missing, Unreachable
from cloudwright.transport import fake
from cloudwright.transport.host import File

pytestmark = pytest.mark.filterwarnings("error")

SPEC = ContainerSpec(name="one", image="x:1", command=("work",), restart="unless-stopped")


def engine(process: Process) -> FakeEngine:
    """An engine whose every container does the same."""
    made = FakeEngine("ctl-a1", program=lambda spec: process)
    made.add_image("x:1")
    return made


def test_hours_pass_at_once() -> None:
    async def test() -> int:
        here = engine(Process(seconds=7200, exit_code=3))
        await here.create(ContainerSpec(name="one", image="x:1"))
        await here.start("one")
        before = asyncio.get_running_loop().time()
        codes = await asyncio.gather(here.wait("one"), here.wait("one"))
        assert asyncio.get_running_loop().time() - before == pytest.approx(7200)
        return sum(codes)

    start = time.monotonic()
    assert run_virtual(test()) == 6
    assert time.monotonic() - start < 60


def test_a_failure_comes_before_or_after_the_effect_and_once() -> None:
    async def test() -> None:
        here = engine(Process())
        here.fail_next(Failure(verb="create", name="one"))
        here.fail_next(Failure(verb="start", after=True))
        with pytest.raises(EngineError, match="injected"):
            await here.create(SPEC)
        assert await here.containers() == ()
        await here.create(SPEC)
        with pytest.raises(EngineError, match="injected"):
            await here.start("one")
        assert (await here.inspect("one")).running

    run_virtual(test())


def test_a_reboot_starts_what_nobody_stopped() -> None:
    async def test() -> None:
        here = engine(Process())
        for name in ("runs", "stopped", "never"):
            await here.create(ContainerSpec(name=name, image="x:1", restart="unless-stopped"))
        await here.create(ContainerSpec(name="once", image="x:1"))
        for name in ("runs", "stopped", "once"):
            await here.start(name)
        await here.stop("stopped")
        here.reboot()
        assert [c.name for c in await here.containers() if c.running] == ["runs"]
        here.lost = True
        with pytest.raises(EngineError) as caught:
            await here.containers()
        assert caught.value.status == 0

    run_virtual(test())


def test_a_moved_tag_leaves_the_old_image_to_its_container() -> None:
    async def test() -> None:
        here = engine(Process())
        await here.create(SPEC)
        old = (await here.inspect("one")).image_id
        new = here.add_image("x:1")
        assert await here.image_id("x:1") == new.id != old
        assert (await here.inspect("one")).image_id == old

    run_virtual(test())


def test_a_host_in_memory_keeps_files_and_fails_when_told() -> None:
    file = File(path="/etc/a", content=b"a")

    async def test() -> None:
        host = fake.FakeHost("ctl-a1")
        host.fail_next(fake.Failure(action="put", error=Unreachable("cut")))
        host.fail_next(fake.Failure(action="put", error=Unreachable("cut"), after=True))
        with pytest.raises(Unreachable):
            await host.put([file])
        assert not host.exists("/etc/a")
        with pytest.raises(Unreachable):
            await host.put([file])
        assert await host.get("/etc/a") == b"a"
        with pytest.raises(Missing):
            await host.get("/etc/b")
        assert (await host.run("ls", check=False)).status == 127
        await host.close()
        with pytest.raises(Unreachable):
            await host.get("/etc/a")

    run_virtual(test())
