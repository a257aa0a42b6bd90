"""Containers live and end alike on every engine, the one in memory included."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cloudwright.engine.api import Engine

from . import rigs
from .engine_tests import NAME, SPEC, go
from .rigs import IMAGE, POLITE, TALKS, Rig

pytestmark = pytest.mark.filterwarnings("error")


def test_an_engine_says_what_it_is(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        version = await engine.version()
        assert version.kind == ("podman" if rig.name == "fake" else rig.name)
        assert version.version[0].isdigit()
        assert float(version.api) >= 1.41

    go(rig, test)


def test_a_container_lives(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        id = await engine.create(SPEC)
        made = await engine.inspect(NAME)
        assert (made.id, made.state, made.exit_code) == (id, "created", None)
        assert made.started_at is None
        assert made.restarts == 0
        assert made.pid == 0
        await engine.start(NAME)
        seen = await engine.inspect(NAME)
        assert seen.running
        assert seen.image_id == await engine.image_id(IMAGE)
        assert seen.image == IMAGE
        assert seen.labels == {**rigs.IMAGE_LABELS, "mine": "yes"}
        assert seen.started_at is not None
        assert seen.pid > 0
        if rig.name != "fake":
            assert abs(datetime.now(UTC) - seen.started_at) < timedelta(minutes=1)
        assert await engine.inspect(id) == seen
        [listed] = [c for c in await engine.containers() if c.name == NAME]
        assert listed == replace(seen, started_at=None, pid=0, status_text=listed.status_text)
        assert listed.status_text

    go(rig, test)


def test_an_ended_container_tells_its_code_and_lines(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(replace(SPEC, command=TALKS))
        assert [line async for line in engine.logs(NAME)] == []
        await engine.start(NAME)
        assert await engine.wait(NAME) == 5
        seen = await engine.inspect(NAME)
        assert (seen.state, seen.exit_code) == ("exited", 5)
        [listed] = [c for c in await engine.containers() if c.name == NAME]
        assert (listed.state, listed.exit_code) == ("exited", 5)
        lines = [line async for line in engine.logs(NAME)]
        assert sorted(lines) == sorted(["one", "two", *"12345"])
        assert [line async for line in engine.logs(NAME, tail=2)] == ["4", "5"]

    go(rig, test)


def test_logs_are_followed_to_the_end(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(replace(SPEC, command=TALKS))
        await engine.start(NAME)
        lines = [line async for line in engine.logs(NAME, follow=True)]
        assert sorted(lines) == sorted(["one", "two", *"12345"])

    go(rig, test)


def test_following_may_be_given_up(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        async def follow() -> None:
            async for _ in engine.logs(NAME, follow=True):
                pass

        await engine.create(SPEC)
        await engine.start(NAME)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(follow(), 0.3)
        assert (await engine.inspect(NAME)).running

    go(rig, test)


def test_start_and_stop_are_calm_about_what_is_so_already(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(replace(SPEC, command=POLITE))
        await engine.stop(NAME)
        await engine.start(NAME)
        await engine.start(NAME)
        if rig.name != "fake":
            await asyncio.sleep(0.3)
        await engine.stop(NAME)
        await engine.stop(NAME)
        assert (await engine.inspect(NAME)).exit_code == 7
        await engine.start(NAME)
        assert (await engine.inspect(NAME)).running

    go(rig, test)


def test_what_does_not_want_to_stop_is_killed(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(replace(SPEC, stop_seconds=60))
        await engine.start(NAME)
        await engine.stop(NAME, 1)
        assert (await engine.inspect(NAME)).exit_code == 137
        await engine.start(NAME)
        await engine.kill(NAME)
        assert await engine.wait(NAME) == 137

    go(rig, test)


@pytest.mark.parametrize("restart", ["always", "unless-stopped"])
def test_stop_holds_against_restart(rig: Rig, restart: str) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(replace(SPEC, command=POLITE, restart=restart))  # type: ignore[arg-type]
        await engine.start(NAME)
        await engine.stop(NAME, 1)
        assert (await engine.inspect(NAME)).state == "exited"

    go(rig, test)


@pytest.mark.parametrize("restart", ["no", "unless-stopped"])
def test_removing_by_force_kills_at_once(rig: Rig, restart: str) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(replace(SPEC, stop_seconds=600, restart=restart))  # type: ignore[arg-type]
        await engine.start(NAME)
        await asyncio.wait_for(engine.remove(NAME, force=True), 60)
        assert NAME not in [c.name for c in await engine.containers()]

    go(rig, test)


def test_a_container_that_ends_restarts(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(replace(SPEC, command=TALKS, restart="unless-stopped"))
        await engine.start(NAME)
        lines = []
        async for line in engine.logs(NAME, follow=True):
            lines.append(line)
            if lines.count("one") == 2:
                break
        assert (await engine.inspect(NAME)).restarts > 0
        await engine.remove(NAME, force=True)

    go(rig, test)


def test_wait_ends_when_the_container_does(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(replace(SPEC, command=POLITE))
        await asyncio.wait_for(engine.wait(NAME), 10)
        await engine.start(NAME)
        waiter = asyncio.create_task(engine.wait(NAME))
        await asyncio.sleep(0.3)
        assert not waiter.done()
        await engine.kill(NAME, "TERM")
        assert await waiter == 7

    go(rig, test)
