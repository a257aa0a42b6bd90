"""What a container is on every engine: its image, volumes, and the view from inside."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from cloudwright.engine.api import Engine, Mount, Ulimit

from . import rigs
from .engine_tests import NAME, SPEC, VOLUME, go, status_of
from .rigs import IMAGE, OLD_TAG, Rig

pytestmark = pytest.mark.filterwarnings("error")


def test_an_image_is_found_by_every_name(rig: Rig) -> None:
    async def test(engine: Engine) -> None:
        [image] = [i for i in await engine.images() if IMAGE in i.tags]
        assert OLD_TAG in image.tags
        assert image.labels == rigs.IMAGE_LABELS
        for reference in (IMAGE, OLD_TAG, image.id, image.id[:12], f"sha256:{image.id}"):
            assert await engine.image_id(reference) == image.id
        assert await status_of(engine.image_id("localhost/none:1")) == 404

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
        await engine.remove_volume(VOLUME)
        await asyncio.gather(*(engine.create_volume(VOLUME, {}) for _ in range(8)))
        assert [v.name for v in await engine.volumes()].count(VOLUME) == 1

    go(rig, test)


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


def test_what_a_container_really_is_shows_beside_what_it_should_be(rig: Rig) -> None:
    """Labels are written by anybody; command, mounts and privileges are what the engine runs."""
    mounts = (
        Mount(source=VOLUME, target="/data"),
        Mount(source="/etc", target="/e", read_only=True),
    )
    made = replace(SPEC, environment={"A": "1"}, mounts=mounts, restart="unless-stopped")
    others = {
        "command": replace(made, command=("cat",)),
        "environment": replace(made, environment={"A": "2"}),
        "label": replace(made, labels={"mine": "no"}),
        "mount": replace(made, mounts=mounts[:1]),
        "no mount": replace(made, mounts=(*mounts, Mount(source="/usr", target="/u"))),
        ":ro": replace(made, mounts=(mounts[0], Mount(source="/etc", target="/e"))),
        "privilege": replace(made, privileged=True),
        "processes": replace(made, pid_host=True),
        "restart": replace(made, restart="no"),
        "network": replace(made, network="none"),
    }

    async def test(engine: Engine) -> None:
        assert await status_of(engine.differences(made)) == 404
        await engine.create(made)
        assert await engine.differences(made) == ()
        await engine.start(NAME)
        assert await engine.differences(made) == ()
        for words, other in others.items():
            assert words in " ".join(await engine.differences(other))
        await engine.remove(NAME, force=True)
        mighty = replace(made, capabilities=("SYS_PTRACE", "NET_BIND_SERVICE"))
        await engine.create(mighty)
        assert await engine.differences(mighty) == ()
        assert "it has capability SYS_PTRACE" in await engine.differences(made)

    go(rig, test)
