"""Samplers on every database member's own host: who took writes, when, and together with whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from cloudwright.declare.template import resource
from cloudwright.errors import CloudError, CommandFailed
from cloudwright.execute.drill.rows import DATABASE, USER
from cloudwright.execute.host.fleet import Fleet
from cloudwright.operations.drill.sides import Sample

CONTAINER = "mariadb"
NOTES = "/tmp/cloudwright-drill.notes"


async def start_samplers(fleet: Fleet, hosts: Iterable[str], password: str, most: float) -> None:
    """Start one on each of `hosts`; each ends by itself after `most` seconds."""
    program = resource(__package__ or "", "program", "sampler.py")

    async def start(host: str) -> None:
        words = ["python3", "-c", program, host, DATABASE, USER, NOTES, str(most)]
        secret = password.encode() + b"\n"
        done = await fleet.engine(host).exec(CONTAINER, words, stdin=secret)
        if done.exit_code:
            raise CommandFailed("sampler.py", done.exit_code, done.output, where=host)

    await asyncio.gather(*(start(host) for host in hosts))


async def collect(
    fleet: Fleet, hosts: Iterable[str], epoch: float
) -> tuple[tuple[Sample, ...], dict[str, frozenset[int]]]:
    """Every sample (times since `epoch`, in seconds since 1970), and host → rows that its member
    acknowledged; ends the samplers. A host that does not answer has none."""
    samples: list[Sample] = []
    acknowledged: dict[str, frozenset[int]] = {}
    for host in hosts:
        try:
            engine = fleet.engine(host)
            done = await engine.exec(CONTAINER, ["sh", "-c", f"cat {NOTES}; rm -f {NOTES}"])
        except CloudError:
            continue
        lines = [line.split(" ") for line in done.output.splitlines()]
        whole = [line for line in lines if len(line) == 5]  # the last may be cut by a power cut
        samples += (_sample(host, line, epoch) for line in whole)
        acknowledged[host] = frozenset(int(line[2]) for line in whole if line[3] == "1")
    return tuple(samples), acknowledged


def _sample(host: str, line: list[str], epoch: float) -> Sample:
    members = (address.rpartition(":")[0] for address in line[4].split(",") if address)
    return Sample(
        host=host,
        began=float(line[0]) - epoch,
        ended=float(line[1]) - epoch,
        taken=line[3] == "1",
        view=frozenset(members),
    )
