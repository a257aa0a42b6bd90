"""Disks of lab hosts that have an end of their own: a file each, so that one host can be full."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from cloudwright.errors import HostError
from cloudwright.lab.spec import LabHost, LabSpec
from cloudwright.transport.host import Host


async def make_disks(machine: Host, spec: LabSpec, gib: int) -> None:
    """Give every host a disk of `gib` GiB; one that has such a disk keeps it as it is.

    Raises HostError for a host whose disk is a part of this machine's.
    """
    for host in spec.hosts:
        done = await machine.run(f"podman volume exists {host.container}", check=False)
        if done.status != 0:
            await machine.run(make_command(spec, host, gib))
        elif await _device(machine, host) != str(_file(spec, host)):
            raise HostError(
                f"the disk of {host.name} is a part of this machine's, without an end of its own",
                where=host.container,
                hint="`cloudwright lab down --data` takes it away, and all that is on it",
            )


def make_command(spec: LabSpec, host: LabHost, gib: int) -> str:
    """What makes the disk of `host`: a file that takes no more space than is written to it, and
    the volume that the engine mounts from it whenever the host has power."""
    file = _file(spec, host)
    volume = ["podman", "volume", "create", "--opt=type=ext4", "--opt=o=loop"]
    commands = (
        ["mkdir", "-p", str(file.parent)],
        ["rm", "-f", str(file)],
        ["truncate", f"--size={gib}G", str(file)],
        ["mkfs.ext4", "-q", "-F", str(file)],
        [*volume, f"--opt=device={file}", host.container],
    )
    return " && ".join(map(shlex.join, commands))


async def is_own(machine: Host, host: LabHost) -> bool:
    """Whether the disk of `host`, which has power, is a file system of its own: filled, it leaves
    this machine its space."""
    inspect = f"podman volume inspect --format '{{{{.Mountpoint}}}}' {host.container}"
    done = await machine.run(f'mountpoint -q "$({inspect})"', check=False)
    return done.status == 0


def remove_disks(spec: LabSpec) -> None:
    """Take the files away, once their volumes are gone."""
    shutil.rmtree(_file(spec, spec.hosts[0]).parent, ignore_errors=True)


def _file(spec: LabSpec, host: LabHost) -> Path:
    return spec.directory / "disks" / f"{host.name}.ext4"


async def _device(machine: Host, host: LabHost) -> str:
    words = ["podman", "volume", "inspect", "--format", "{{.Options.device}}", host.container]
    return (await machine.run(shlex.join(words))).stdout.strip()
