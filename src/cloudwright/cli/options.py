"""The options that several verbs share: which cloud.yaml, and how a table is laid out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

DEFAULT_CLOUD = "cloud.yaml"
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


def _cloud_option(verb: Verb) -> Verb:
    return click.option(
        "-c", "--cloud", "cloud_option", metavar="CLOUD", help="The cloud's file [cloud.yaml]."
    )(verb)


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
