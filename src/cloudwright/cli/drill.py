"""`drill` breaks something on purpose, under load, and reports what users would have noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.asking import confirm_name
from cloudwright.cli.options import Verb, with_cloud_option

if TYPE_CHECKING:
    from cloudwright.model.cloud import Cloud
    from cloudwright.operations.drill.injury import Injury

FAILED = 10


@click.group()
def drill() -> None:
    """Break something on purpose, measure what users notice, and mend it.

    While it runs, tokens and lists of servers and images are asked for, ports made, rows and
    messages written, a few a second. The report lies in .cloudwright/drills: text, JSON, and a
    picture. Exits 10 when a limit was not kept, an acknowledged write is missing, or `what-if`
    said otherwise; 5, with nothing broken, while another run holds the cloud's lock, which a drill
    holds, too.
    """


def _options(verb: Verb) -> Verb:
    decorators = (
        click.option(
            "--hold", default=30.0, show_default=True, help="Seconds that the failure lasts."
        ),
        click.option(
            "--wait", default=300.0, show_default=True, help="Seconds to wait for redundancy."
        ),
        click.option(
            "--creates",
            is_flag=True,
            help="Create servers and images too; for hosts with cores to spare.",
        ),
        click.option("--name", help="The cloud's name, instead of being asked for it."),
        with_cloud_option,
    )
    for decorator in reversed(decorators):
        verb = decorator(verb)
    return verb


@drill.command("lose-site")
@click.argument("site")
@_options
def lose_site(path: Path, site: str, **options: object) -> int:
    """Cut the power of every host of SITE."""
    from cloudwright.operations.drill import injury

    return _run(path, lambda cloud: injury.lose_site(cloud, site), options)


@drill.command("lose-host")
@click.argument("host")
@_options
def lose_host(path: Path, host: str, **options: object) -> int:
    """Cut the power of HOST."""
    from cloudwright.operations.drill import injury

    return _run(path, lambda cloud: injury.lose_host(cloud, host), options)


@drill.command()
@click.argument("sites", nargs=-1, required=True)
@_options
def partition(path: Path, sites: tuple[str, ...], **options: object) -> int:
    """Cut the lines between each two of SITES, whom the others keep reaching, or all lines of one
    site. In a lab only."""
    from cloudwright.operations.drill import injury

    return _run(path, lambda cloud: injury.cut(cloud, sites), options)


@drill.command("cold-start")
@_options
def cold_start(path: Path, **options: object) -> int:
    """Cut the power of every host at once, and see the cloud come up by itself."""
    from cloudwright.operations.drill import injury

    return _run(path, injury.cold_start, options)


@drill.command("kill-service")
@click.argument("container")
@click.option("--on", "host", help="The host [the first controller].")
@_options
def kill_service(path: Path, container: str, host: str | None, **options: object) -> int:
    """Kill the process of CONTAINER on one host; its engine must start it again."""
    from cloudwright.operations.drill import injury

    def chosen(cloud: Cloud) -> Injury:
        return injury.kill_container(cloud, container, host or cloud.hosts_with("control")[0].name)

    return _run(path, chosen, options)


@drill.command("freeze-service")
@click.argument("container")
@click.option("--on", "host", help="The host [the first controller].")
@_options
def freeze_service(path: Path, container: str, host: str | None, **options: object) -> int:
    """Stop every process of CONTAINER on one host where it stands, as one that hangs."""
    from cloudwright.operations.drill import injury

    def chosen(cloud: Cloud) -> Injury:
        return injury.freeze_container(
            cloud, container, host or cloud.hosts_with("control")[0].name
        )

    return _run(path, chosen, options)


@drill.command("full-disk")
@click.argument("host", required=False)
@_options
def full_disk(path: Path, host: str | None, **options: object) -> int:
    """Leave no space on the disk of HOST [the first controller] that holds containers' volumes.

    In a lab only where hosts have disks of their own (`lab up --disk`).
    """
    from cloudwright.operations.drill import injury

    def chosen(cloud: Cloud) -> Injury:
        return injury.fill_disk(cloud, host or cloud.hosts_with("control")[0].name)

    return _run(path, chosen, options)


def _run(path: Path, choose: Callable[[Cloud], Injury], options: dict[str, object]) -> int:
    from cloudwright.cli.drill_run import run_drill
    from cloudwright.lab.injector import has_lab
    from cloudwright.model.load import load

    cloud = load(path)
    injury = choose(cloud)
    lab = asyncio.run(has_lab(cloud, path))
    if not lab:
        name = options["name"]
        what = f"{injury.label} breaks a cloud that is no lab"
        confirm_name(what, cloud.name, name if isinstance(name, str) else None)
    passed = asyncio.run(run_drill(path, injury, options, lab=lab))
    return 0 if passed else FAILED
