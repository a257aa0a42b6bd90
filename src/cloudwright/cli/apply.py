"""`apply` makes the hosts what cloud.yaml describes, and resumes after any failure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloudwright.cli.asking import confirmed, may_ask, with_reason
from cloudwright.cli.images_push import bring_images
from cloudwright.cli.options import tell_lost, tell_warnings, with_cloud_and_plan
from cloudwright.cli.selection import plan_text, refuse_unknown, with_selection

if TYPE_CHECKING:
    from cloudwright.execute.proposal import Proposal
    from cloudwright.execute.session import Session
    from cloudwright.model.cloud import Cloud
    from cloudwright.plan.contract import Contract
    from cloudwright.plan.select import Selection

DECLINED = 1


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--plain", is_flag=True, help="Plain lines, even on a terminal.")
@with_reason
@with_selection
@with_cloud_and_plan
def apply(path: Path, file: Path | None, yes: bool, **rest: Any) -> int:
    """Make the hosts what CLOUD describes: all that is missing or wrong, and nothing else.

    Shows the plan and asks. With a PLAN.json of `plan --out` it does exactly that plan without
    asking, or refuses (exit 3) and says what has moved since.

    Holds the cloud's lock while it works, and leaves a record of the run on the hosts and, with a
    journal and one log per step, in `.cloudwright/runs/<run>/`. After a failure, a crash or
    Ctrl-C, `apply` again: it goes on where it stopped. Ctrl-C once lets the running steps end and
    starts no other; twice stops at once.
    """
    if file and (rest["only"] or rest["hosts"]):
        raise click.UsageError("a plan's file says itself what is in it: no --only, no --host")
    return asyncio.run(apply_now(path, file, not file and may_ask(yes), **rest))


async def apply_now(
    path: Path,
    file: Path | None,
    ask: bool,
    plain: bool,
    reason: str,
    only: tuple[str, ...] = (),
    hosts: tuple[str, ...] = (),
) -> int:
    """Show what is to be done and do it, all or the plan in `file`; the exit code."""
    from cloudwright.cli.outcome import raise_if_lost
    from cloudwright.execute.central.access import write_access
    from cloudwright.execute.proposal import propose_again, read
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES

    shown: list[Contract] = []

    def refuse(cloud: Cloud) -> None:
        refuse_unknown(cloud, SERVICES, only, hosts)
        if file:
            shown.append(read(path, cloud, file))

    async with open_session(path, SERVICES, whole=False, refuse=refuse) as session:
        tell_warnings(session.warnings)
        tell_lost(session.fleet.lost)
        proposal = await supplied(
            session, shown[0] if shown else None, ask=ask, plain=plain, only=only, hosts=hosts
        )
        click.echo(plan_text(proposal, SERVICES, whole=ask))
        if not proposal.plan.is_empty:
            if ask:
                if not confirmed("do it?"):
                    click.echo("nothing was touched")
                    return DECLINED
                # Whoever was asked may have taken an hour over it.
                session.look_again()
                proposal = await propose_again(session, proposal.contract)
            await _do(session, proposal, plain, reason)
        raise_if_lost(session.fleet.lost)
        access = await write_access(session.state, session.cloud, session.vault)
    click.echo(access.text(), nl=False)
    return 0


async def supplied(
    session: Session,
    shown: Contract | None = None,
    *,
    ask: bool,
    plain: bool,
    only: Sequence[str] = (),
    hosts: Sequence[str] = (),
) -> Proposal:
    """What is to be done, or the plan `shown` before, once the hosts have the images for it.

    Everything that refuses it does so before an image is sent. Then all is looked at anew: whether
    KVM works shows with the image alone, and a stream of gigabytes takes its time and its space.
    """
    from cloudwright.plan.select import Selection

    asked = Selection(services=tuple(only), hosts=tuple(hosts))
    selection = shown.origin.selection if shown else asked
    proposal = await _refusable(session, selection, shown)
    if await bring_images(session, "apply", ask=ask, plain=plain, hosts=proposal.hosts):
        proposal = await _refusable(session, selection, shown)
    return proposal


async def _refusable(session: Session, selection: Selection, shown: Contract | None) -> Proposal:
    """What is to be done; raises what speaks against it."""
    from cloudwright.execute.lock.changing import refuse_if_held
    from cloudwright.execute.proposal import propose, propose_again
    from cloudwright.plan.checks import check

    if shown:
        proposal = await propose_again(session, shown)
    else:
        proposal = await propose(session, selection)
        refuse_if_held(proposal.pages)
    check(proposal.plan, proposal.blueprint)
    return proposal


async def _do(session: Session, proposal: Proposal, plain: bool, reason: str) -> None:
    from cloudwright.cli.outcome import raise_unless_whole
    from cloudwright.cli.view_plain import watch
    from cloudwright.execute.interrupts import cancelling

    said = ", ".join(part for part in (proposal.part, reason) if part)
    async with session.changing("apply", said, click.echo, proposal.pages) as change:
        with watch(proposal.expected, plain) as tell, cancelling():
            await session.execute(change, proposal.blueprint, proposal.plan, tell)
        raise_unless_whole(change.outcome, proposal.plan)
