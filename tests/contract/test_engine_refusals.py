"""Every engine refuses alike: what is not there, what is taken, what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from cloudwright.engine.api import Engine
from cloudwright.errors import EngineError

from .engine_tests import NAME, OTHER, SPEC, VOLUME, go, status_of
from .rigs import MISSING, Rig

pytestmark = pytest.mark.filterwarnings("error")


def test_a_name_is_given_once(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(SPEC)
        await engine.create(replace(SPEC, name=OTHER))
        assert await status_of(engine.create(SPEC)) == 409
        assert await status_of(engine.rename(NAME, OTHER)) == 409
        await engine.remove(OTHER)
        await engine.rename(NAME, OTHER)
        assert await status_of(engine.inspect(NAME)) == 404
        assert (await engine.inspect(OTHER)).name == OTHER

    go(rig, test)


def test_what_is_not_there_is_404(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        async def read() -> None:
            async for _ in engine.logs(NAME):
                pass

        for work in (
            engine.inspect(NAME),
            engine.start(NAME),
            engine.stop(NAME),
            engine.kill(NAME),
            engine.rename(NAME, OTHER),
            engine.remove(NAME, force=True),
            engine.wait(NAME),
            engine.exec(NAME, ["true"]),
            engine.create(replace(SPEC, image="localhost/none:1")),
            engine.remove_volume(VOLUME),
            read(),
        ):
            assert await status_of(work) == 404

    go(rig, test)


def test_what_does_not_fit_the_state_is_409(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(SPEC)
        assert await status_of(engine.kill(NAME)) == 409
        assert await status_of(engine.exec(NAME, ["true"])) == 409
        await engine.start(NAME)
        assert await status_of(engine.remove(NAME)) == 409
        await engine.remove(NAME, force=True)
        assert await status_of(engine.inspect(NAME)) == 404

    go(rig, test)


def test_a_bad_specification_is_400(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        assert await status_of(engine.create(replace(SPEC, name="a name"))) == 400
        await engine.create(replace(SPEC, command=MISSING))
        assert await status_of(engine.start(NAME)) == 400
        assert not (await engine.inspect(NAME)).running

    go(rig, test)


def test_a_silent_engine_is_told(rig: Rig) -> None:
    async def test() -> None:
        async with rig.engine() as engine:
            await engine.close()
            with contextlib.suppress(RuntimeError):
                with pytest.raises(EngineError) as caught:
                    await engine.containers()
                assert caught.value.status == 0

    if rig.name == "fake":
        asyncio.run(test())
