"""A plan of one cloud, or of a part of it, with the contract that it makes; kept in a file."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from cloudwright import __version__
from cloudwright.errors import HostError, UnsafePlan
from cloudwright.execute.central.access import write_private
from cloudwright.execute.journal.durations import read_durations
from cloudwright.execute.journal.record import RUNS
from cloudwright.execute.journal.source import description_digest
from cloudwright.execute.lock.changing import refuse_if_held
from cloudwright.execute.lock.ledger import Pages
from cloudwright.execute.look.fitness import refuse_unfit
from cloudwright.execute.secrets.vault import Vault
from cloudwright.execute.session import STATE_DIRECTORY, Session
from cloudwright.model.cloud import Cloud
from cloudwright.plan import sealed
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.changes import Changes, changes_of
from cloudwright.plan.contract import Contract, Origin, contract_of, hold
from cloudwright.plan.difference import Plan, make_plan
from cloudwright.plan.estimate import Estimate, estimate
from cloudwright.plan.select import Selection, restrict


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What would be done; `along` are ids that a selection brought only for others' needs.

    `pages` is what the hosts said of the cloud's lock while they were looked at; `changes` what
    differs in the files that are altered, as it may be shown; `expected` how long it will take.
    """

    blueprint: Blueprint
    plan: Plan
    contract: Contract
    along: frozenset[str]
    pages: Pages
    changes: Changes
    expected: Estimate

    @property
    def hosts(self) -> tuple[str, ...]:
        """The chosen hosts, and those where something is done for their sake; none: all hosts."""
        chosen = self.contract.origin.selection.hosts
        along = (p.step.host for p in self.plan.planned) if chosen else ()
        return tuple(dict.fromkeys((*chosen, *along)))

    @property
    def part(self) -> str:
        """Which part of the cloud it is of, in words; empty for all of it."""
        selection = self.contract.origin.selection
        return "" if selection.is_whole else f"only {selection}"


async def propose(session: Session, selection: Selection) -> Proposal:
    """Look at the hosts and plan what the selection lacks; writes nothing outside the vault.

    Raises Missing for a host on which the plan would fail half-way.
    """
    # The description is read before the hosts are: what is changed meanwhile counts as changed.
    seal = await asyncio.to_thread(_seal, session.vault)
    origin = _origin(session.path, session.cloud, seal, selection)
    # The lock before all else: a run that ends while we look must not go unnoticed.
    pages = await session.ledger.peek()
    blueprint, observed, _ = await session.plan()
    part = restrict(blueprint, observed, selection)
    plan = make_plan(part.blueprint, part.observed)
    await refuse_unfit(session.fleet, session.cloud, blueprint, plan)
    return Proposal(
        blueprint=part.blueprint,
        plan=plan,
        contract=contract_of(origin, part.blueprint, part.observed, plan),
        along=part.along,
        pages=pages,
        changes=changes_of(plan, part.blueprint, part.observed, session.sources),
        expected=await _expected(session, plan),
    )


async def _expected(session: Session, plan: Plan) -> Estimate:
    if plan.is_empty:
        return Estimate()
    return estimate(plan, await asyncio.to_thread(read_durations, session.state / RUNS))


async def propose_again(session: Session, shown: Contract) -> Proposal:
    """The plan of `shown`, made anew; UnsafePlan with what moved when it is not the same.

    Raises Locked first when another run has the cloud: then things move.
    """
    proposal = await propose(session, shown.origin.selection)
    refuse_if_held(proposal.pages)
    hold(shown, proposal.contract)
    return proposal


def refuse_place(path: Path) -> None:
    """HostError when a plan cannot be put at `path`: there is no such folder, or `path` is one."""
    why = "no such directory" if not path.parent.is_dir() else "it is a directory"
    if path.is_dir() or not path.parent.is_dir():
        raise HostError("the plan cannot be written", where=str(path), why=why)


async def save(session: Session, contract: Contract, path: Path) -> None:
    """Write the contract to a file, whole or not at all, for its owner alone; or HostError."""
    refuse_place(path)
    text = sealed.write(contract, await asyncio.to_thread(_seal, session.vault))
    try:
        write_private(path, text)
    except OSError as error:
        why = error.strerror or str(error)
        raise HostError("the plan cannot be written", where=str(path), why=why) from error


def read(path: Path, cloud: Cloud, file: Path) -> Contract:
    """The contract that `file` holds, for the cloud that is described at `path`; no host is asked.

    Raises UnsafePlan when it is none for this cloud and version.
    """
    try:
        text = file.read_bytes().decode(errors="replace")
    except OSError as error:
        raise UnsafePlan(
            "the plan cannot be read",
            where=str(file),
            why=error.strerror or str(error),
            hint="`cloudwright plan --out` writes one",
        ) from error
    path = path.resolve()
    seal = _seal(Vault(path.parent / STATE_DIRECTORY))
    return sealed.read(text, str(file), _origin(path, cloud, seal, Selection()), seal)


def _origin(path: Path, cloud: Cloud, seal: str, selection: Selection) -> Origin:
    return Origin(
        cloud=cloud.name,
        identity=sealed.identity_of(seal),
        description=description_digest(path, cloud.overrides_dir),
        version=__version__,
        release=cloud.release,
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        selection=selection,
    )


def _seal(vault: Vault) -> str:
    return vault.values({sealed.SEAL})[str(sealed.SEAL)]
