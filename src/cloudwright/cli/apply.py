"""`apply` makes the hosts what cloud.yaml describes, and resumes after any failure."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cloudwright.cli.options import confirmed, may_ask, with_cloud_and_plan
from cloudwright.cli.selection import plan_text, selection_of, with_selection

DECLINED = 1


@click.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--plain", is_flag=True, help="Plain lines, even on a terminal.")
@with_selection
@with_cloud_and_plan
def apply(
    path: Path,
    file: Path | None,
    yes: bool,
    plain: bool,
    only: tuple[str, ...],
    hosts: tuple[str, ...],
) -> int:
    """Make the hosts what CLOUD describes: all that is missing or wrong, and nothing else.

    Shows the plan and asks. With a PLAN.json of `plan --out` it does exactly that plan without
    asking, or refuses (exit 3) and says what has moved since.

    Every run leaves a journal and one log per step in `.cloudwright/runs/<time>/`. After a
    failure, a crash or Ctrl-C, `apply` again: it goes on where it stopped. Ctrl-C once lets the
    running steps end and starts no other; twice stops at once.
    """
    if file and (only or hosts):
        raise click.UsageError("a plan's file says itself what is in it: no --only, no --host")
    ask = not file and may_ask(yes)
    return asyncio.run(_apply(path, file, ask, plain, only, hosts))


async def _apply(
    path: Path,
    file: Path | None,
    ask: bool,
    plain: bool,
    only: tuple[str, ...],
    hosts: tuple[str, ...],
) -> int:
    from cloudwright.cli.outcome import raise_unless_whole
    from cloudwright.cli.view_plain import watch
    from cloudwright.execute.access import write_access
    from cloudwright.execute.interrupts import cancelling
    from cloudwright.execute.proposal import propose, propose_again, read
    from cloudwright.execute.session import open_session
    from cloudwright.services import SERVICES

    async with open_session(path, SERVICES) as session:
        if file:
            proposal = await propose_again(session, await read(session, file))
        else:
            proposal = await propose(session, selection_of(session, only, hosts))
        click.echo(plan_text(proposal, SERVICES, whole=ask))
        if not proposal.plan.is_empty:
            if ask:
                if not confirmed("do it?"):
                    click.echo("nothing was touched")
                    return DECLINED
                # Whoever was asked may have taken an hour over it.
                proposal = await propose_again(session, proposal.contract)
            with watch(plain) as tell, cancelling():
                outcome = await session.execute(proposal.blueprint, proposal.plan, tell)
            raise_unless_whole(outcome, proposal.plan)
        access = await write_access(session.state, session.cloud, session.vault)
    click.echo(access.text(), nl=False)
    return 0
