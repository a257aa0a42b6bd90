"""A disk without space, for as long as a process of the host holds all that there was."""

from __future__ import annotations

import shlex

from cloudwright.declare.template import resource
from cloudwright.errors import HostError
from cloudwright.execute.host.fleet import Fleet
from cloudwright.transport.host import Host

VOLUMES = {"podman": "{{.Store.VolumePath}}", "docker": "{{.DockerRootDir}}"}
"""Kind of engine → what of its `info` is the directory in which it keeps volumes."""

PID_FILE = "/run/cloudwright-drill-disk.pid"
FULL_FILE = "/run/cloudwright-drill-disk.full"
MOST_SECONDS = 3600
"""Then the host has its space back, even if nobody is left who would give it."""

FILL_SECONDS = 120.0
FULL_BYTES = 1024**2


async def fill(fleet: Fleet, host: str) -> None:
    """Take all space from the volumes of the containers of `host`; HostError when it cannot be."""
    kind = (await fleet.engine(host).version()).kind
    done = await fleet.host(host).run(f"{kind} info --format '{VOLUMES[kind]}'")
    await fill_directory(fleet.host(host), done.stdout.strip())


async def fill_directory(host: Host, directory: str) -> None:
    """Take all space of the file system of `directory`, and return when there is none.

    It is kept until `free`, or the host's next boot, or an hour: the file that takes it has no
    name, so that it goes with the process that has it open. HostError when some stays free.
    """
    program = resource(__package__ or "", "program", "fill.sh")
    words = ["setsid", "sh", "-c", program, "fill.sh", directory, str(MOST_SECONDS), FULL_FILE]
    done = await host.run(
        f"rm -f {FULL_FILE}; {shlex.join(words)} </dev/null >/dev/null 2>&1 & "
        f"pid=$!; echo $pid >{PID_FILE}; "
        f"while [ ! -e {FULL_FILE} ] && [ -e /proc/$pid/exe ]; do sleep 0.1; done; "
        f"df -PB1 {shlex.quote(directory)} | awk 'NR == 2 {{print $4}}'",
        timeout=FILL_SECONDS,
    )
    if (left := int(done.stdout)) > FULL_BYTES:
        raise HostError(
            "the disk is not full",
            where=f"{host.name}:{directory}",
            why=f"{left / FULL_BYTES:.0f} MiB are still free",
            hint="its file system must be able to reserve space: see fallocate(1)",
        )


async def free(host: Host) -> None:
    """Give the space back, and return when that is done; nothing to do where none was taken."""
    await host.run(
        f"[ -e {PID_FILE} ] || exit 0; pid=$(cat {PID_FILE}); "
        "kill -- -$pid 2>/dev/null || kill $pid 2>/dev/null; "
        f"while [ -e /proc/$pid/fd/9 ]; do sleep 0.1; done; rm -f {PID_FILE} {FULL_FILE}"
    )
