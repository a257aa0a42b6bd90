"""A plan as a contract: what was shown, from what it was decided, and what has moved since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cloudwright.errors import UnsafePlan
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Observed, Plan
from cloudwright.plan.select import Selection

SHOWN = 20
"""Lines of what moved that an error shows; the rest is counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Whose plan it is and what it was made from.

    `identity` tells clouds of one name apart; `description` is the digest of cloud.yaml and the
    overrides; `made` a time as text, for people alone.
    """

    cloud: str
    identity: str
    description: str
    version: str
    release: str
    made: str
    selection: Selection


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """One step as it was shown: its digest says what will be made of it, to the last byte."""

    id: str
    host: str
    change: str
    why: str
    digest: str
    needs: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """What `apply` shall do, and all that this was decided from.

    `declared`: step id → digest. `found`: step id → (digest, what is wrong with it); absent where
    nothing was there. `strays`: `container@host` of what nothing declares.
    """

    origin: Origin
    steps: tuple[Promise, ...]
    declared: Mapping[str, str]
    found: Mapping[str, tuple[str, str]]
    strays: tuple[str, ...]


def contract_of(origin: Origin, blueprint: Blueprint, observed: Observed, plan: Plan) -> Contract:
    """The contract of a plan that was just made."""
    return Contract(
        origin=origin,
        steps=tuple(
            Promise(
                id=p.step.id,
                host=p.step.host,
                change=p.change.name.lower(),
                why=p.why,
                digest=p.step.digest,
                needs=tuple(sorted(plan.needs.get(p.step.id, ()))),
                after=tuple(sorted(plan.after.get(p.step.id, ()))),
            )
            for p in plan.planned
        ),
        declared={id: step.digest for id, step in blueprint.steps.items()},
        found={id: (seen.digest, seen.why) for id, seen in observed.seen.items()},
        strays=tuple(sorted(f"{name}@{host}" for host, name in observed.strays)),
    )


def moved(shown: Contract, now: Contract) -> tuple[str, ...]:
    """What is otherwise now than when `shown` was made, a line each; none when it still holds."""
    lines = []
    if shown.origin.description != now.origin.description:
        lines.append("cloud.yaml or a file of its overrides was changed")
    if shown.origin.release != now.origin.release:
        lines.append(f"the release was {shown.origin.release} and is {now.origin.release}")
    lines += _declarations(shown.declared, now.declared)
    lines += _findings(shown, now)
    lines += [f"{name} was not there, and nothing declares it" for name in _new(shown, now)]
    lines += [f"{name}, which nothing declares, has gone" for name in _new(now, shown)]
    if not lines and shown.steps != now.steps:
        lines.append("the same things are planned in another order or for other reasons")
    return tuple(lines)


def hold(shown: Contract, now: Contract) -> None:
    """Raise UnsafePlan with what moved since; nothing has been touched."""
    lines = moved(shown, now)
    if not lines:
        return
    more = [f"and {len(lines) - SHOWN + 1} more"] if len(lines) > SHOWN else []
    raise UnsafePlan(
        "this is not what the plan was made for: something has moved since",
        where=now.origin.cloud,
        why="\n".join([*lines[: SHOWN - len(more)], *more]),
        hint="nothing was touched; plan again and look at what it shows",
    )


def _declarations(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for id in sorted(old.keys() | new.keys()):
        if id not in new:
            yield f"{id} is not declared any more"
        elif id not in old:
            yield f"{id} is declared now"
        elif old[id] != new[id]:
            yield f"{id} is declared otherwise"


def _findings(shown: Contract, now: Contract) -> Iterator[str]:
    for id in sorted(shown.declared.keys() & now.declared.keys()):
        old, new = _finding(shown, id), _finding(now, id)
        if old != new or shown.found.get(id) != now.found.get(id):
            change = f"{old} → {new}" if old != new else f"{new}, but not as it was then"
            yield f"{id}: {change}"


def _finding(contract: Contract, id: str) -> str:
    if id not in contract.found:
        return "not there"
    digest, why = contract.found[id]
    if digest == contract.declared[id]:
        return "as declared"
    return why or "not as declared"


def _new(old: Contract, new: Contract) -> list[str]:
    return sorted(set(new.strays) - set(old.strays))
