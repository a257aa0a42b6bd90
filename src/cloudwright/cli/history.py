"""`history` lists who changed a cloud, when, from what and how it ended; or tells of one run."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.options import clip, columns, with_cloud_option

if TYPE_CHECKING:
    from cloudwright.execute.history import History, Remembered
    from cloudwright.execute.journal.record import Record
    from cloudwright.execute.journal.timeline import StepStory


@click.command()
@click.argument("run", required=False)
@click.option("-n", "--last", default=20, show_default=True, help="How many runs to list.")
@with_cloud_option
def history(path: Path, run: str | None, last: int) -> None:
    """List the runs that changed the cloud, or tell all about one RUN (or its last four letters).

    The controllers and witness hosts keep the record and the journal of the last hundred runs,
    whoever made them; what lies in `.cloudwright/runs/` here is added.
    """
    asyncio.run(_history(path, run, last))


async def _history(path: Path, run: str | None, last: int) -> None:
    from cloudwright.execute.history import open_history

    async with open_history(path) as found:
        if run:
            click.echo(await _one(found, found.find(run)))
        else:
            click.echo(_table(found, last))


def _table(found: History, last: int) -> str:
    header = ("RUN", "WHO", "WHAT", "TOOK", "RESULT", "STEPS", "FROM")
    rows = [
        (r.run, f"{r.user}@{r.machine}", clip(r.what), took(r), one.result, steps(r), source(r))
        for one in found.runs[-last:]
        if (r := one.record)
    ]
    more = [f"{len(found.runs) - last} earlier ones"] if len(found.runs) > last else []
    lost = [f"{host} does not answer: {why}" for host, why in found.unknown.items()]
    return "\n".join([columns(header, rows), *more, *lost])


async def _one(found: History, one: Remembered) -> str:
    record = one.record
    lines = [
        f"{record.run}: {record.what}, cloud {record.cloud}",
        f"  by      {record.user}@{record.machine}, process {record.pid}",
        f"  began   {moment(record.began)}, took {took(record)}",
        f"  from    {source(record)}; cloudwright {record.version}, release {record.release}",
        f"  result  {one.result}" + (f": {record.error}" if record.error else ""),
        f"  steps   {steps(record)}",
        f"  kept    {', '.join(one.places)}",
    ]
    story = await found.story(record.run)
    if story is None:
        return "\n".join(lines)
    rows = [_row(step) for step in story.steps.values()]
    return "\n".join([*lines, "", columns(("STEP", "HOST", "", "TOOK", "RESULT"), rows)])


def _row(step: StepStory) -> tuple[str, ...]:
    text = step.text.splitlines()[0] if step.text else ""
    result = f"{step.result}: {text}" if text else step.result
    seconds = f"{step.seconds:.1f} s" if step.ended is not None and step.began is not None else "-"
    return step.id, step.host, step.change, seconds, clip(result)


def steps(record: Record) -> str:
    """How many steps ended how; `-` for a verb without any."""
    counts = {"done": record.done, "failed": record.failed, "skipped": record.skipped}
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "-"


def took(record: Record) -> str:
    """How long it ran; `-` while nobody knows its end."""
    return f"{record.ended - record.began:.1f} s" if record.ended else "-"


def source(record: Record) -> str:
    """The commit or the digest of what was applied."""
    if not record.commit:
        return f"digest {record.description}"
    return f"commit {record.commit[:12]}" + (" with changes" if record.dirty else "")


def moment(at: float) -> str:
    """A time for a person."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
