"""Every run of a cloud that anybody remembers: what its hosts keep and what lies here."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudwright.errors import Missing
from cloudwright.execute.journal.journal import JOURNAL, parse_journal
from cloudwright.execute.journal.record import RUNS, Record, from_line, read_records
from cloudwright.execute.journal.timeline import Timeline, timeline
from cloudwright.execute.lock.changing import living_holder_of
from cloudwright.execute.lock.decide import Unknown
from cloudwright.execute.lock.ledger import Ledger
from cloudwright.execute.lock.reached import open_ledger
from cloudwright.execute.session import STATE_DIRECTORY
from cloudwright.model.load import load

Events = tuple[dict[str, Any], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembered:
    """A run and where it is known from: names of hosts, and `here`; `holds` is the lock."""

    record: Record
    places: tuple[str, ...]
    holds: bool

    @property
    def result(self) -> str:
        """How it ended: a run that left no end either still holds the lock or was killed; of one
        that never held it nobody can tell."""
        if self.record.result:
            return self.record.result
        if self.holds:
            return "running"
        return "killed" if self.record.held else "running or killed"


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """Every run, oldest first; `unknown`: hosts that could not be asked, and why."""

    runs: tuple[Remembered, ...]
    unknown: dict[str, str]
    state: Path
    ledger: Ledger

    def find(self, run: str) -> Remembered:
        """The run of that name, or the one whose name alone ends so; Missing when none does."""
        for one in self.runs:
            if run in (one.record.run, one.record.run.rpartition("-")[2]):
                return one
        raise Missing(
            f"nobody remembers a run called {run}",
            why="\n".join(f"{host}: {why}" for host, why in self.unknown.items()),
            hint="`cloudwright history` lists all",
        )

    async def story(self, run: str) -> Timeline | None:
        """What the run's journal tells, from here or else from a host; None when it left none.

        Raises Missing for one that cannot be read.
        """
        local = self.state / RUNS / run / JOURNAL
        try:
            if local.exists():
                return timeline(parse_journal(await asyncio.to_thread(local.read_bytes)))
            kept = await self.ledger.journal(run)
            return None if kept is None else timeline(parse_journal(gzip.decompress(kept)))
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            raise Missing(f"the journal of {run} cannot be read", why=repr(error)) from error


@asynccontextmanager
async def open_history(path: Path) -> AsyncIterator[History]:
    """Ask the hosts that keep the lock, side by side, and add what lies beside cloud.yaml."""
    state = path.resolve().parent / STATE_DIRECTORY
    async with open_ledger(load(path), path) as ledger:
        kept, pages = await asyncio.gather(ledger.records(), ledger.peek())
        holder = living_holder_of(pages)
        told = {h: _records(text) for h, text in kept.items() if not isinstance(text, Unknown)}
        here = {"here": list(read_records(state / RUNS))}
        yield History(
            runs=merge(told | here, holder.run if holder else ""),
            unknown={h: text.why for h, text in kept.items() if isinstance(text, Unknown)},
            state=state,
            ledger=ledger,
        )


def merge(told: dict[str, list[Record]], held: str) -> tuple[Remembered, ...]:
    """One entry a run, oldest first: of several accounts of one the one that knows its end."""
    found: dict[str, Record] = {}
    places: dict[str, list[str]] = {}
    for place, records in told.items():
        for record in records:
            known = found.get(record.run)
            if known is None or not known.result:
                found[record.run] = record
            places.setdefault(record.run, []).append(place)
    return tuple(
        Remembered(record=found[run], places=tuple(places[run]), holds=run == held)
        for run in sorted(found)
    )


def _records(text: str) -> list[Record]:
    lines: Iterable[str] = text.splitlines()
    return [record for line in lines if (record := from_line(line))]
