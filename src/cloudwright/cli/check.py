"""`check` says everything that is wrong with a cloud before anything is touched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.options import columns, ending, tell_warnings, with_cloud


@click.command()
@click.option(
    "--hosts", is_flag=True, help="Look at the hosts too: SSH, engine, space, clocks, distance."
)
@with_cloud
def check(path: Path, hosts: bool) -> int:
    """Validate CLOUD and its overrides offline: every problem at once, with its place.

    Every option of an override is held against what its service knows: its name, type, choices
    and range; one that will be removed is warned of.

    With --hosts also log in to each host and look at what stands in the way: engine and its
    quirks, cores, memory, disk, clock skew, ports in use, kernel features, whether KVM really
    runs a guest, and the round trip between voters: fine, warned of, or too long for synchronous
    replication. A host that cannot be used is one more row, and the others are looked at all the
    same. Exits 2 for a wrong file, 4 for a host that cannot do its part.
    """
    from cloudwright.errors import number
    from cloudwright.execute.session import read_with_warnings
    from cloudwright.services import SERVICES

    cloud, _, warnings = read_with_warnings(path, SERVICES)
    tell_warnings(warnings)
    click.echo(
        f"{path}: cloud {cloud.name}, release {cloud.release}, "
        f"{number(len(cloud.hosts), 'host')}: well formed"
    )
    return asyncio.run(_check_hosts(path)) if hosts else 0


async def _check_hosts(path: Path) -> int:
    from cloudwright.errors import number
    from cloudwright.execute.look.preflight import preflight
    from cloudwright.execute.session import open_session
    from cloudwright.model.renewal import first_to_end, latest
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES, unfit=True) as session:
        world = await session.world()
        blueprint = session.blueprint_of_all(world)
        findings = await preflight(session.fleet, session.cloud, world, blueprint)
        last = latest(session.vault.certificates())
        used = {s.lineage for s in blueprint.secrets.values()} & last.keys()
        first = first_to_end(last.values(), [(name, last[name].generation) for name in used])
        now = session.now
    rows = [(f.host, f.subject, f.severity, f.text, f.hint) for f in findings]
    click.echo(columns(("HOST", "WHAT", "", "FOUND", "HINT"), rows))
    if first:
        click.echo(ending(first, now))
    wrong = sum(f.severity == "error" for f in findings)
    click.echo(f"{number(wrong, 'problem')} on the hosts" if wrong else "the hosts are ready")
    return 4 if wrong else 0
