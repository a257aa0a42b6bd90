"""`status` shows every container, and fails when something is not as declared."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.options import columns, ending, tell_lost, with_cloud

if TYPE_CHECKING:
    from cloudwright.errors import CloudError
    from cloudwright.execute.look.status import Row
    from cloudwright.model.renewal import Kept
    from cloudwright.plan.difference import Plan


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The rows as JSON, on stdout.")
@with_cloud
def status(path: Path, as_json: bool) -> int:
    """Show every container of CLOUD: host, image, state, health (asked now) and since when.

    Exits 1 when something is not as declared, or not healthy, a host cannot be used, or one is
    held out since `evacuate`.
    """
    return asyncio.run(_status(path, as_json))


async def _status(path: Path, as_json: bool) -> int:
    from cloudwright.errors import number
    from cloudwright.execute.look.status import held_out_in, status_of
    from cloudwright.execute.session import open_session
    from cloudwright.model.renewal import first_to_end
    from cloudwright.plan.generations import in_use
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES, whole=False) as session:
        blueprint, observed, plan = await session.plan()
        rows, held = await asyncio.gather(
            status_of(session.fleet, session.cloud, blueprint, plan),
            held_out_in(session.fleet, session.cloud, blueprint, session.vault),
        )
        lost = session.fleet.lost
        first = first_to_end(session.vault.certificates(), in_use(blueprint, observed))
        now = session.now
    if as_json:
        click.echo(json.dumps(_whole(rows, plan, lost, first, held), indent=2))
    else:
        click.echo(_text(rows))
        if first:
            click.echo(ending(first, now))
    ill = sum(not row.is_well for row in rows)
    if not as_json:
        if plan.planned:
            click.echo(f"{number(len(plan.planned), 'thing')} not as declared: `cloudwright plan`")
        click.echo(f"{len(rows) - ill} of {len(rows)} containers are well")
        for host in held:
            click.echo(f"{host} is held out: `cloudwright evacuate --return host:{host}`")
    tell_lost(lost)
    return 1 if ill or plan.planned or lost or held else 0


def _text(rows: tuple[Row, ...]) -> str:
    header = ("CONTAINER", "HOST", "IMAGE", "STATE", "HEALTH", "SINCE", "")
    now = datetime.now(UTC)
    return columns(
        header,
        [(r.container, r.host, r.image, r.state, r.health, _ago(r, now), r.wrong) for r in rows],
    )


def _ago(row: Row, now: datetime) -> str:
    if row.since is None:
        return "-"
    minutes = int((now - row.since).total_seconds()) // 60
    ago = f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
    ago = f"{minutes} min" if minutes < 60 else ago
    return ago + (f", started again {row.restarts} times" if row.restarts else "")


def _whole(
    rows: tuple[Row, ...],
    plan: Plan,
    lost: Mapping[str, CloudError],
    first: Kept | None,
    held: tuple[str, ...],
) -> dict[str, object]:
    return {
        "certificates_end": first.ends.isoformat() if first else None,
        "cloud": plan.cloud,
        "unreachable": {host: str(error) for host, error in lost.items()},
        "held_out": list(held),
        "containers": [_json(row) for row in rows],
        "not_as_declared": [p.step.id for p in plan.planned],
    }


def _json(row: Row) -> dict[str, object]:
    return {
        "container": row.container,
        "host": row.host,
        "image": row.image,
        "state": row.state,
        "health": row.health,
        "since": row.since.isoformat() if row.since else None,
        "restarts": row.restarts,
        "wrong": row.wrong,
        "well": row.is_well,
    }
