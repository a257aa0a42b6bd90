"""Runs a drill for the command line, and writes its report down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import click

from cloudwright.execute.drill.drill import Done, Drill, Times, directory_for
from cloudwright.execute.drill.injector import Injector, OverSsh
from cloudwright.execute.session import Session, open_session
from cloudwright.lab.injector import LabInjector
from cloudwright.lab.spec import spec_of
from cloudwright.operations.drill.injury import Injury
from cloudwright.operations.drill.picture import picture
from cloudwright.operations.drill.report import plain, text
from cloudwright.operations.drill.verdict import Limits
from cloudwright.services import SERVICES
from cloudwright.transport.local import LocalHost


async def run_drill(
    path: Path, injury: Injury, options: Mapping[str, object], *, lab: bool
) -> bool:
    """Do it, say and write what was found; whether it passed.

    Raises Locked, with nothing broken, when another run holds the cloud.
    """
    times = Times(broken=float(str(options["hold"])), whole=float(str(options["wait"])))
    async with open_session(path, SERVICES) as session, _injector(session, lab=lab) as injector:
        drill = Drill(
            session=session,
            injury=injury,
            injector=injector,
            limits=Limits(),
            times=times,
            creates=bool(options["creates"]),
            tell=click.echo,
        )
        async with session.changing("drill", injury.label, click.echo, reconnect=True):
            done = await drill.run()
    directory = directory_for(session.state)
    _write(directory, done)
    click.echo(text(done.report), nl=False)
    click.echo(f"report: {directory}")
    return done.report.passed


@asynccontextmanager
async def _injector(session: Session, *, lab: bool) -> AsyncIterator[Injector]:
    if not lab:
        yield OverSsh(fleet=session.fleet, cloud=session.cloud, lab=session.state / "lab")
        return
    machine = LocalHost()
    try:
        yield LabInjector(machine=machine, spec=spec_of(session.cloud, session.path))
    finally:
        await machine.close()


def _write(directory: Path, done: Done) -> None:
    report = done.report
    title = f"{report.name} on {report.cloud}, {report.when}"
    image = picture(title, done.requests, report.measured.figures, report.measured.marks)
    (directory / "report.txt").write_text(text(report))
    data = plain(report, done.requests, done.samples)
    (directory / "report.json").write_text(json.dumps(data, indent=1) + "\n")
    (directory / "availability.svg").write_text(image)
