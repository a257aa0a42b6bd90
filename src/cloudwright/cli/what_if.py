"""`what-if` says what a failure would take away, from `cloud.yaml` alone: no host is asked."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloudwright.cli.options import columns, with_cloud

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloudwright.model.cloud import Cloud
    from cloudwright.operations.what_if import Failure, Forecast


@click.command("what-if")
@click.option("--lose", multiple=True, metavar="site:S|HOST[,...]", help="What fails, at once.")
@click.option("--partition", metavar="'A|B'", help="Sites that no longer reach each other.")
@click.option(
    "--all", "most", type=click.IntRange(1, 3), help="Every set of so many failures, or fewer."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@with_cloud
def what_if(
    path: Path, lose: tuple[str, ...], partition: str | None, most: int | None, as_json: bool
) -> int:
    """Say what is left of CLOUD after a failure. Exits 10 when one would stop it."""
    from cloudwright.model.load import load
    from cloudwright.operations.what_if import forecast
    from cloudwright.services import SERVICES

    cloud = load(path)
    failures = _failures(cloud, lose, partition, most)
    found = [forecast(cloud, SERVICES, failure) for failure in failures]
    if as_json:
        click.echo(json.dumps([_plain(cloud, one) for one in found], indent=1))
    elif len(found) == 1:
        click.echo("\n".join((*_one(found[0]), *_limits(cloud, found[0]), *_force(found[0]))))
    else:
        click.echo(_table(found))
    return 0 if all(one.survives for one in found) else 10


def _failures(
    cloud: Cloud, names: tuple[str, ...], partition: str | None, most: int | None
) -> list[Failure]:
    from cloudwright.operations import what_if as operation

    found = []
    if names:
        words = [word for name in names for word in name.split(",")]
        found.append(operation.lose(cloud, words))
    if partition:
        found.append(operation.partition(cloud, partition))
    if most or not found:
        found += operation.every(cloud, most or 1)
    return found


def _plain(cloud: Cloud, one: Forecast) -> dict[str, object]:
    from cloudwright.operations.what_if import would_stop
    from cloudwright.services import SERVICES

    sides = [sorted(side) for side in one.failure.sides]
    votes = [{**asdict(vote), "goes_on": vote.goes_on} for vote in one.votes]
    return {
        "failure": one.failure.label,
        "sides": sides,
        "aside": sorted(one.failure.aside),
        "survives": one.survives,
        "serves": None if one.serves is None else sides[one.serves],
        "address": list(one.address),
        "would_stop": list(would_stop(cloud, SERVICES, one)),
        "clusters": votes,
        "without_a_host": list(one.idle),
        "computes_lost": list(one.computes),
        "computes_left": list(one.computes_left),
        "computes_cut_off": list(one.cut_off),
        "gateways": list(one.gateways),
        "gateways_lost": list(one.gateways_lost),
        "network_ha": one.ha,
        "caches_lost": list(one.caches),
        "files_lost": [list(pair) for pair in one.files],
        "files_late": [list(pair) for pair in one.late],
    }


def _verdict(one: Forecast) -> str:
    if one.survives:
        return "goes on"
    stopped = [vote.cluster for vote in one.votes if not vote.goes_on] or list(one.idle)
    return f"STOPS: {', '.join(stopped)}"


def _one(one: Forecast) -> list[str]:
    """What goes on, and what is lost."""
    rows = [
        (
            vote.cluster,
            f"{' | '.join(map(str, vote.votes))} of {vote.voters}",
            "keeps its majority" if vote.goes_on else "takes no writes",
        )
        for vote in one.votes
    ]
    lines = [f"{one.failure.label}: {_verdict(one)}", columns(("CLUSTER", "VOTES", ""), rows)]
    if one.serves is not None:
        lines.append(f"served by:  {', '.join(sorted(one.failure.sides[one.serves]))}")
        lines.append(f"address:    {_one_of(one.address, 'nobody')}")
    if one.failure.aside:
        aside = ", ".join(sorted(one.failure.aside))
        lines.append(
            f"aside:      {aside}, until the line is back; or whom the database left first"
        )
    kept = [vote.cluster for vote in one.votes if vote.goes_on]
    if kept:
        lines.append(f"kept:       all that {', '.join(kept)} acknowledged")
    lost = [f"the cache of {host}" for host in one.caches]
    lost += [
        f"files of {container} on {host}, which are nowhere else" for container, host in one.files
    ]
    lost += [
        f"files that came to {container} on {host} in its last moments, before they were copied"
        for container, host in one.late
    ]
    lines += [f"lost:       {what}" for what in lost]
    return [*lines, *(f"instances:  {what}" for what in _instances(one))]


def _one_of(hosts: Sequence[str], nobody: str) -> str:
    return f"{'one of ' * (len(hosts) > 1)}{', '.join(hosts)}" if hosts else nobody


def _limits(cloud: Cloud, one: Forecast) -> Iterator[str]:
    """What is known to be worse meanwhile, where the cloud goes on."""
    from cloudwright.operations.drill.verdict import Limits
    from cloudwright.operations.what_if import would_stop
    from cloudwright.services import SERVICES
    from cloudwright.services.nova.conf import down_seconds

    if not one.survives:
        return
    if one.caches or len(one.failure.sides) > 1:
        gaps = Limits().gap.values()
        yield (
            f"limits:     up to {min(gaps):g} s at a time without an answer ({max(gaps):g} s to "
            "make a port, a server or an image) is what `drill` lets pass"
        )
    if one.computes and one.computes_left:
        yield (
            f"limits:     for {down_seconds(cloud)} s Nova may send new servers to "
            f"{', '.join(one.computes)}, if its scheduler never asked there before"
        )
    if one.computes_left and set(one.computes) - set(one.cut_off):
        yield (
            "limits:     what `evacuate` brings up elsewhere is made anew from its image; volumes "
            "are kept"
        )
    if fatal := would_stop(cloud, SERVICES, one):
        yield f"limits:     the loss of {' or '.join(fatal)}, too, would stop the cloud"


def _force(one: Forecast) -> Iterator[str]:
    if one.can_be_forced:
        named = one.failure.label.removeprefix("lose ").split()
        words = " ".join(f"--without {name.removeprefix('host:')}" for name in named)
        yield f"by force:   failover {words}, if nothing of that lives anywhere"


def _instances(one: Forecast) -> Iterator[str]:
    """What becomes of instances, and of the ways in and out of those that go on."""
    gone = [host for host in one.computes if host not in one.cut_off]
    distributed = one.ha == "distributed"
    if gone:
        yield f"those on {', '.join(gone)} are gone until their host is back{_elsewhere(one)}"
    if one.cut_off:
        yield f"those on {', '.join(one.cut_off)} run on out of reach, and nobody can change them"
        if distributed:
            yield "floating IPs of those leave by the host itself, wherever its own line leads"
    if one.serves is None or not one.gateways_lost:
        return
    what = "what has no floating IP leaves" if distributed else "floating IPs pass"
    if one.gateways:
        yield f"{what} by {', '.join(one.gateways)} alone: no longer by " + (
            ", ".join(one.gateways_lost)
        )
    else:
        kept = "but for floating IPs, which leave by each compute host" if distributed else ""
        yield f"no host of role network is left: no way in or out{', ' * bool(kept)}{kept}"


def _elsewhere(one: Forecast) -> str:
    """Where lost instances can come up meanwhile; only the hosts can say whether they all fit."""
    left, lost = len(one.computes_left), len(one.computes)
    if not left:
        return ""
    return f", or `evacuate` brings them up on the other {left} of {left + lost} compute hosts"


def _table(found: list[Forecast]) -> str:
    rows = [(one.failure.label.removeprefix("lose "), _verdict(one)) for one in found]
    return columns(("LOST", "THE CLOUD"), rows)
