"""The options that choose a part of a cloud: `--only SERVICE` and `--host HOST`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cloudwright.declare.service import Service
    from cloudwright.execute.proposal import Proposal
    from cloudwright.model.cloud import Cloud

Verb = Callable[..., Any]


def with_selection(verb: Verb) -> Verb:
    """Give the verb `only` and `hosts`, tuples of names."""
    only = click.option(
        "--only", multiple=True, metavar="SERVICE", help="This service and what it needs; again."
    )
    host = click.option(
        "--host",
        "hosts",
        multiple=True,
        metavar="HOST",
        help="This host and what it needs; again.",
    )
    return only(host(verb))


def refuse_unknown(
    cloud: Cloud, services: Sequence[Service], only: Sequence[str], hosts: Sequence[str]
) -> None:
    """A usage error for a service or host that is not there, with the name that is nearest."""
    _known("service", only, (service.name for service in services))
    _known("host", hosts, (host.name for host in cloud.hosts))


def plan_text(proposal: Proposal, services: Sequence[Service], *, whole: bool) -> str:
    """A proposal as text: every step when `whole`, else their number; and which part it is."""
    from cloudwright.plan.explain import explain, summary

    plan = proposal.plan
    if whole or plan.is_empty:
        text = explain(plan, proposal.blueprint, services, proposal.changes)
    else:
        text = f"{plan.cloud}: {summary(plan)}"
    if not plan.is_empty:
        text += f"\n{proposal.expected}"
    return text + _part_text(proposal)


def _part_text(proposal: Proposal) -> str:
    """A line of its own on which part of the cloud it is; nothing for all of it."""
    if not proposal.part:
        return ""
    planned = (p.step.id for p in proposal.plan.planned)
    along = {id.partition("/")[0] for id in planned if id in proposal.along}
    taken = f"; taken along, since it needs them: {', '.join(sorted(along))}" if along else ""
    return f"\n{proposal.part}{taken}"


def _known(kind: str, given: Iterable[str], names: Iterable[str]) -> None:
    known = list(names)
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
            raise click.UsageError(f"there is no {kind} {name!r}{hint}")
