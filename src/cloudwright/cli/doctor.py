"""`doctor` looks at this machine for what stands in the way, and cures it when told to."""

from __future__ import annotations

import asyncio

import click

AGAIN = "run the same again; `--fix` goes on where this stopped"


@click.command()
@click.option("--fix", is_flag=True, help="Apply the cures: packages, the engine's settings.")
def doctor(fix: bool) -> int:
    """Look at this machine for what stands in the way of images, labs and clouds.

    Says the cure of each finding; --fix applies those that are safe, looks again, and says of
    which the cure did not help. Exits 4 when something that is needed is still missing.
    """
    from cloudwright.execute.interrupts import interruptible

    return asyncio.run(interruptible(_doctor(fix), AGAIN))


async def _doctor(fix: bool) -> int:
    from cloudwright.cli.view_pieces import CURES, watch_pieces
    from cloudwright.execute.doctor import cure, diagnose
    from cloudwright.transport.local import LocalHost

    machine = LocalHost()
    try:
        findings = await diagnose(machine)
        if fix and any(not finding.is_well for finding in findings):
            with watch_pieces(CURES) as tell:
                findings = await cure(machine, findings, tell)
    finally:
        await machine.close()
    for finding in findings:
        click.echo(str(finding))
    ill = sum(finding.is_error for finding in findings)
    click.echo(f"{ill} things stand in the way" if ill else "this machine is ready")
    return 4 if ill else 0
