"""`plan` shows what would change, on which host and why, and touches nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.options import PLAN_SUFFIX, tell_lost, tell_warnings, with_cloud
from cloudwright.cli.selection import plan_text, refuse_unknown, with_selection

if TYPE_CHECKING:
    from cloudwright.model.cloud import Cloud

CHANGES = 10


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The plan as JSON, on stdout.")
@click.option("--out", metavar="FILE", help="Write the plan to FILE, for `apply FILE`.")
@with_selection
@with_cloud
def plan(
    path: Path, as_json: bool, out: str | None, only: tuple[str, ...], hosts: tuple[str, ...]
) -> int:
    """Show what `apply` would do to make the hosts what CLOUD describes.

    One line a step: + made, ~ altered, - removed; every privilege of a container with its reason.
    Exits 0 when there is nothing to do, 10 when there is. A FILE holds this very plan, sealed:
    `apply FILE` does it, or refuses when anything has moved since.
    """
    if out and not out.endswith(PLAN_SUFFIX):
        raise click.UsageError(f"a plan's file ends in {PLAN_SUFFIX}: {out}")
    return asyncio.run(_plan(path, as_json, Path(out) if out else None, only, hosts))


async def _plan(
    path: Path, as_json: bool, out: Path | None, only: tuple[str, ...], hosts: tuple[str, ...]
) -> int:
    from cloudwright.execute.proposal import propose, refuse_place, save
    from cloudwright.execute.session import open_session
    from cloudwright.plan.estimate import expected_json
    from cloudwright.plan.explain import explain_json
    from cloudwright.plan.explain import what as explain_action
    from cloudwright.plan.select import Selection
    from cloudwright.services import SERVICES

    def refuse(cloud: Cloud) -> None:
        refuse_unknown(cloud, SERVICES, only, hosts)
        if out:
            refuse_place(out)

    async with open_session(path, SERVICES, whole=False, refuse=refuse) as session:
        tell_warnings(session.warnings)
        tell_lost(session.fleet.lost)
        proposal = await propose(session, Selection(services=only, hosts=hosts))
        _, images = await session.delivery(proposal.hosts)
        if out:
            await save(session, proposal.contract, out)
    if as_json:
        whole = explain_json(proposal.plan, proposal.blueprint, SERVICES, proposal.changes)
        whole["estimate"] = expected_json(proposal.expected)
        click.echo(json.dumps(whole, indent=2))
    else:
        click.echo(plan_text(proposal, SERVICES, whole=True))
        for lack in images.planned:
            what = explain_action(lack.step.action)
            click.echo(f"{lack.step.host} gets {what} first; whether KVM works shows then")
        if out:
            click.echo(f"written to {out}")
    return 0 if proposal.plan.is_empty else CHANGES
