"""What every engine promises, the one in memory included."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloudwright.engine.api import ContainerSpec, Engine, Mount, Ulimit
from cloudwright.errors import EngineError

from . import rigs
from .rigs import FOREVER, IMAGE, MISSING, OLD_TAG, POLITE, PREFIX, TALKS, Rig

pytestmark = pytest.mark.filterwarnings("error")

NAME = f"{PREFIX}-one"
OTHER = f"{PREFIX}-two"
VOLUME = f"{PREFIX}-data"
SPEC = ContainerSpec(name=NAME, image=IMAGE, command=FOREVER, labels={"mine": "yes"})


@pytest.fixture(scope="module", params=["fake", "podman", "docker"])
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Each engine that can be run here."""
    name = str(request.param)
    if why := rigs.why_not(name):
        pytest.skip(why)
    directory: Path = tmp_path_factory.mktemp(name)
    match name:
        case "fake":
            made = rigs.fake()
        case "podman":
            made = rigs.podman(directory)
        case _:
            made = rigs.docker(directory)
    with made as rig:
        yield rig


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


def test_an_engine_says_what_it_is(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        version = await engine.version()
        assert version.kind == ("podman" if rig.name == "fake" else rig.name)
        assert version.version[0].isdigit()
        assert float(version.api) >= 1.41

    go(rig, test)


def test_an_image_is_found_by_every_name(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        [image] = [i for i in await engine.images() if IMAGE in i.tags]
        assert OLD_TAG in image.tags
        assert image.labels == rigs.IMAGE_LABELS
        for reference in (IMAGE, OLD_TAG, image.id, image.id[:12], f"sha256:{image.id}"):
            assert await engine.image_id(reference) == image.id
        assert await status_of(engine.image_id("localhost/none:1")) == 404

    go(rig, test)


def test_a_container_lives(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        id = await engine.create(SPEC)
        made = await engine.inspect(NAME)
        assert (made.id, made.state, made.exit_code) == (id, "created", None)
        assert made.started_at is None
        await engine.start(NAME)
        seen = await engine.inspect(NAME)
        assert seen.running
        assert seen.image_id == await engine.image_id(IMAGE)
        assert seen.image == IMAGE
        assert seen.labels == {**rigs.IMAGE_LABELS, "mine": "yes"}
        assert seen.started_at is not None
        if rig.name != "fake":
            assert abs(datetime.now(UTC) - seen.started_at) < timedelta(minutes=1)
        assert await engine.inspect(id) == seen
        [listed] = [c for c in await engine.containers() if c.name == NAME]
        assert listed == replace(seen, started_at=None, status_text=listed.status_text)
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
        await engine.remove(NAME, force=True)

    go(rig, test)


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


def test_exec_tells_code_and_output(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        await engine.create(SPEC)
        await engine.start(NAME)
        done = await engine.exec(NAME, ["sh", "-c", "echo out; echo err >&2; exit 3"])
        assert done.exit_code == 3
        assert sorted(done.output.split()) == ["err", "out"]
        text = "line\n" * 40_000
        assert (await engine.exec(NAME, ["cat"], stdin=text.encode())).output == text
        assert (await engine.exec(NAME, ["id", "-u"], user="65534")).output == "65534\n"
        assert (await engine.exec(NAME, ["no-such-program"])).exit_code in (126, 127)

    go(rig, test)


def test_volumes_outlive_containers(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        mount = Mount(source=VOLUME, target="/data")
        await engine.create(replace(SPEC, mounts=(mount,)))
        assert VOLUME in [v.name for v in await engine.volumes()]
        assert await status_of(engine.remove_volume(VOLUME)) == 409
        await engine.start(NAME)
        await engine.remove(NAME, force=True)
        assert VOLUME in [v.name for v in await engine.volumes()]
        await engine.remove_volume(VOLUME)
        await engine.create_volume(VOLUME, {"kept": "yes"})
        await engine.create_volume(VOLUME, {"kept": "no"})
        [volume] = [v for v in await engine.volumes() if v.name == VOLUME]
        assert volume.labels == {"kept": "yes"}

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


def test_every_part_of_a_specification_takes_effect(rig: Rig, tmp_path: Path) -> None:
    """What a fake cannot show: the kernel's view from inside."""
    if rig.name == "fake":
        pytest.skip("nothing runs in memory")
    (tmp_path / "here").write_text("from the host")
    script = (
        "id -u; echo $NAME; cat /config/here; ulimit -n; "
        "(echo x >/config/new) 2>/dev/null || echo read-only; "
        "echo x >/data/new && cat /data/new; echo x >/scratch/new && echo scratch; "
        "for n in net pid ipc cgroup; do busybox readlink /proc/self/ns/$n; done; "
        "busybox grep CapEff /proc/self/status; busybox test -c /dev/null && echo device; pwd"
    )
    spec = replace(
        SPEC,
        command=("sh", "-c", script),
        environment={"NAME": "a value with 'quotes' and = signs"},
        mounts=(
            Mount(source=str(tmp_path), target="/config", read_only=True, propagation="rprivate"),
            Mount(source=VOLUME, target="/data"),
        ),
        capabilities=("NET_ADMIN",),
        network="host",
        pid_host=True,
        ipc_host=True,
        cgroupns_host=True,
        # Podman may lack the right to give the nproc that is its own default.
        ulimits=(
            Ulimit(name="nofile", soft=1000, hard=2000),
            Ulimit(name="nproc", soft=10_000, hard=10_000),
        ),
        devices=("/dev/null",),
        security_opts=("label=disable",),
        tmpfs={"/scratch": "size=1m"},
        working_directory="/data",
    )

    async def test(engine: Engine) -> None:
        await engine.create(spec)
        await engine.start(NAME)
        code = await engine.wait(NAME)
        lines = [line async for line in engine.logs(NAME)]
        assert code == 0, lines
        assert lines[:3] == ["0", "a value with 'quotes' and = signs", "from the host1000"]
        assert lines[3:6] == ["read-only", "x", "scratch"]
        own = [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in NAMESPACES]
        assert lines[6:10] == own
        effective = int(lines[10].split()[1], 16)
        assert effective & (1 << 12), "CAP_NET_ADMIN"
        assert not effective & (1 << 21), "CAP_SYS_ADMIN"
        assert lines[11:] == ["device", "/data"]

    go(rig, test)


NAMESPACES = ("net", "pid", "ipc", "cgroup")
