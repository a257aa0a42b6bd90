"""What tests of an engine share: a container, and an engine that holds nothing else of ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cloudwright.engine.api import ContainerSpec, Engine
from cloudwright.errors import EngineError

from .rigs import FOREVER, IMAGE, PREFIX, Rig

NAME = f"{PREFIX}-one"
OTHER = f"{PREFIX}-two"
VOLUME = f"{PREFIX}-data"
SPEC = ContainerSpec(name=NAME, image=IMAGE, command=FOREVER, labels={"mine": "yes"})


def go(rig: Rig, test: Callable[[Engine], Awaitable[None]]) -> None:
    """Run a test on an engine that holds nothing of ours, before and after."""

    async def run() -> None:
        async with rig.engine() as engine, cleaned(engine):
            await test(engine)
        left = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        assert left == []

    asyncio.run(run())


@contextlib.asynccontextmanager
async def cleaned(engine: Engine) -> AsyncIterator[None]:
    """Remove our containers and volumes afterwards."""
    try:
        yield
    finally:
        for container in await engine.containers():
            if container.name.startswith(PREFIX):
                await engine.remove(container.name, force=True)
        for volume in await engine.volumes():
            if volume.name.startswith(PREFIX):
                await engine.remove_volume(volume.name)


async def status_of(work: Awaitable[object]) -> int:
    """The status that `work` is refused with."""
    with pytest.raises(EngineError) as caught:
        await work
    assert caught.value.where == "here"
    assert caught.value.why
    return caught.value.status
