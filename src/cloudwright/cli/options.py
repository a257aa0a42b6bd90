"""The options that several verbs share: which cloud.yaml, and how a table is laid out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cloudwright.model.renewal import Kept

DEFAULT_CLOUD = "cloud.yaml"
PLAN_SUFFIX = ".json"
"""How the file of a plan ends: what tells it from a cloud's on the command line."""
LINE = 240
"""Characters."""

Verb = Callable[..., Any]


def with_cloud(verb: Verb) -> Verb:
    """Give the verb a `path`: `[CLOUD]` as an argument or `-c CLOUD`, else `cloud.yaml`."""

    @click.argument("cloud_argument", metavar="[CLOUD]", required=False)
    @_cloud_option
    @functools.wraps(verb)
    def wrapped(*, cloud_argument: str | None, cloud_option: str | None, **rest: Any) -> Any:
        if cloud_argument and cloud_option and cloud_argument != cloud_option:
            raise click.UsageError("two clouds are named; one is enough")
        return verb(path=Path(cloud_argument or cloud_option or DEFAULT_CLOUD), **rest)

    return wrapped


def with_cloud_option(verb: Verb) -> Verb:
    """Give the verb a `path` by `-c CLOUD` alone, since its argument is something else."""

    @_cloud_option
    @functools.wraps(verb)
    def wrapped(*, cloud_option: str | None, **rest: Any) -> Any:
        return verb(path=Path(cloud_option or DEFAULT_CLOUD), **rest)

    return wrapped


def with_cloud_and_plan(verb: Verb) -> Verb:
    """Give the verb a `path` as `with_cloud` does, and a `file`: the plan's, or None."""

    @click.argument("given", metavar="[CLOUD] [PLAN.json]", nargs=-1)
    @_cloud_option
    @functools.wraps(verb)
    def wrapped(*, given: tuple[str, ...], cloud_option: str | None, **rest: Any) -> Any:
        plans = [name for name in given if name.endswith(PLAN_SUFFIX)]
        clouds = {name for name in given if name not in plans}
        clouds |= {cloud_option} if cloud_option else set()
        if len(clouds) > 1:
            raise click.UsageError("two clouds are named; one is enough")
        if len(plans) > 1:
            raise click.UsageError("two plans are named; one is enough")
        file = Path(plans[0]) if plans else None
        return verb(path=Path(*clouds or {DEFAULT_CLOUD}), file=file, **rest)

    return wrapped


def _cloud_option(verb: Verb) -> Verb:
    return click.option(
        "-c", "--cloud", "cloud_option", metavar="CLOUD", help="The cloud's file [cloud.yaml]."
    )(verb)


def tell_warnings(warnings: Iterable[object]) -> None:
    """What is no reason to refuse, on stderr."""
    for warning in warnings:
        click.echo(str(warning), err=True)


def tell_lost(lost: Mapping[str, object]) -> None:
    """Which hosts cannot be used, on stderr: the rest goes on without them."""
    for name, error in lost.items():
        click.echo(f"{name} is left out: {str(error).splitlines()[0]}", err=True)


def ending(first: Kept, now: datetime) -> str:
    """When the first certificate ends, which one it is, and when it is renewed, in one line."""
    name = first.lineage.partition("~")[0].removeprefix("tls/")
    return (
        f"certificates: the first ends in {(first.ends - now).days} days ({first.ends:%Y-%m-%d}, "
        f"{name}); `apply` renews it from {first.renewed_from:%Y-%m-%d} on"
    )


def clip(line: str) -> str:
    """A line that may stand on a screen; some programs write a whole page as one."""
    return line if len(line) <= LINE else line[: LINE - 1] + "…"


def columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as text: as wide as it must be, two blanks between columns."""
    table = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
