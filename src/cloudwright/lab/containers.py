"""The containers that stand in for hosts, made and looked at with podman(1) on this machine."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cloudwright.errors import Unreachable
from cloudwright.lab.keys import host_directory
from cloudwright.lab.spec import LabHost, LabSpec
from cloudwright.transport.host import Host

LABEL = "io.cloudwright.lab"
BOOT_SECONDS = 120.0
State = Literal["absent", "off", "on"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A lab container as podman shows it."""

    container: str
    host: str
    digest: str
    running: bool


async def found(machine: Host, lab_id: str) -> dict[str, Found]:
    """The containers of the lab by the name of their host."""
    done = await machine.run(
        f"podman ps --all --filter label={LABEL}={lab_id} --format json", check=True
    )
    all_found = [
        Found(
            container=item["Names"][0],
            host=item["Labels"].get(f"{LABEL}.host", ""),
            digest=item["Labels"].get(f"{LABEL}.digest", ""),
            running=item["State"] == "running",
        )
        for item in json.loads(done.stdout or "[]") or []
    ]
    return {one.host: one for one in all_found}


async def outer_store(machine: Host) -> str:
    """The directory in which this machine's Podman keeps images."""
    done = await machine.run("podman info --format '{{.Store.GraphRoot}}'")
    return done.stdout.strip()


def create_command(spec: LabSpec, host: LabHost, *, image: str, store: str) -> str:
    """The podman command that makes `host`, off; its label carries a digest of itself.

    `store` is where this machine keeps its images, "" to leave the host with its own alone.
    """
    words = [
        "--privileged",
        "--cgroupns=private",  # the engine inside sees one cgroup tree, its own
        f"--network=ns:/run/netns/{host.container}",
        f"--hostname={host.name}",
        f"--add-host={host.name}:{host.address}",
        "--tmpfs=/run:rw,exec,mode=755",
        "--tmpfs=/tmp:rw,exec,mode=1777",
        f"--volume={host.container}:/var/lib/containers",  # overlay does not stack on overlay
        *([f"--volume={store}:/var/lib/outer-storage:ro"] if store else []),
        f"--volume={host_directory(spec, host)}:/etc/lab:ro",
        *_modules(),
        f"--env=LAB_USER={host.user}",
        f"--env=LAB_SSH_PORT={host.port}",
        "--stop-timeout=20",
        image,
    ]
    digest = hashlib.sha256("\0".join([*words, str(host)]).encode()).hexdigest()[:16]
    labels = {
        LABEL: spec.id,
        f"{LABEL}.cloud": spec.cloud,
        f"{LABEL}.directory": str(spec.directory),
        f"{LABEL}.host": host.name,
        f"{LABEL}.digest": digest,
    }
    head = ["podman", "create", "--name", host.container]
    head += [f"--label={name}={value}" for name, value in labels.items()]
    return shlex.join([*head, *words])


def _modules() -> list[str]:
    """This machine's kernel modules, unless its kernel has none to load."""
    path = "/lib/modules"
    return [f"--volume={path}:{path}:ro"] if Path(path).is_dir() else []


def digest_in(command: str) -> str:
    """The digest that a `create_command` will put on its container."""
    mark = f"--label={LABEL}.digest="
    return next(w.removeprefix(mark) for w in shlex.split(command) if w.startswith(mark))


async def remove(machine: Host, lab_id: str, *, data: bool) -> None:
    """Remove the lab's containers; with `data` also its volumes, without which all is gone."""
    names = [one.container for one in (await found(machine, lab_id)).values()]
    if names:
        grace = 0 if data else 20
        await machine.run(f"podman rm --force --time {grace} {shlex.join(names)}", timeout=120)
    if data:
        await machine.run(
            f"podman volume ls --quiet --filter name=cwl-{lab_id}- | "
            "xargs --no-run-if-empty podman volume rm --force >/dev/null"
        )


async def answers(host: LabHost, *, timeout: float) -> bool:
    """Whether the SSH server of `host` says who it is within `timeout` seconds."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host.address, host.port)
            return (await reader.readline()).startswith(b"SSH-2.0-")
    except (OSError, TimeoutError):
        return False
    finally:
        if writer is not None:
            writer.close()


async def wait_ready(machine: Host, host: LabHost) -> None:
    """Return once `host` answers over SSH, its engine ready; Unreachable with its last words."""
    loop = asyncio.get_running_loop()
    end = loop.time() + BOOT_SECONDS
    while not await answers(host, timeout=1.0):
        if loop.time() > end:
            log = await machine.run(f"podman logs --tail 20 {host.container} 2>&1", check=False)
            raise Unreachable(
                f"the lab host {host.name} did not come up in {BOOT_SECONDS:g} s",
                where=host.container,
                why=log.output,
                hint=f"`podman logs {host.container}` shows all it said",
            )
        await asyncio.sleep(0.05)
