"""The lock held around a change, and the record of it, on the cloud's hosts."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from cloudwright.errors import Locked, Unreachable, UnsafePlan
from cloudwright.execute.journal.holder import Holder, has_ended, this_process
from cloudwright.execute.journal.record import Record, to_line, write_record
from cloudwright.execute.lock.decide import (
    FORGOT,
    Lost,
    TakeOver,
    TooFew,
    Undecided,
    Unknown,
    Votes,
    Won,
    decide,
    majority,
)
from cloudwright.execute.lock.journals import keep_journals, packed_journal
from cloudwright.execute.lock.ledger import Ledger, Page, Pages, forgetful
from cloudwright.execute.lock.recorded import Change, recorded

PATIENCE_SECONDS = 10.0
"""For a race of two to be decided: many round trips to the slowest host."""

PAUSE_SECONDS = 0.05
"""Before the next try of who stays. Who gave way waits twice as long each time: sooner or later
longer than the other takes to ask everybody, or both would meet again for ever."""

END_SECONDS = 30.0
"""For letting go: longer than a lost connection takes to be noticed."""

NOTE_SECONDS = 5.0
"""For a host that is asked for no more than to write something down, when there are better things
to do than to wait for it."""

Say = Callable[[str], None]
Ending = Callable[[], AbstractAsyncContextManager[Ledger]]
"""Opens the ledger through which a run lets go."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Taken:
    """What stood on the hosts as the cloud became ours, and the `dead` runs that had had it."""

    pages: Pages
    dead: frozenset[str]


@asynccontextmanager
async def changing(
    ledger: Ledger,
    record: Record,
    runs: Path,
    say: Say,
    seen: Pages | None = None,
    ending: Ending | None = None,
) -> AsyncIterator[Change]:
    """Hold the cloud for as long as the block runs, and leave a record of it here and there.

    `seen` is what stood on the hosts when they were looked at: UnsafePlan when another run ended
    since. `ending` is for a block in which hosts lose their power: the lock is on their disks
    before it begins, and is let go through what `ending` opens. Raises Locked when another holds
    the cloud, Unreachable when too few hosts answer.
    """
    holder = this_process(run=record.run, cloud=record.cloud, why=record.what)
    try:
        taken = await _take(ledger, holder, record, say)
        await keep_journals(ledger, taken.dead, runs, say)
        await _refuse_if_changed(ledger, holder, seen or {}, taken.pages)
        if ending:
            await ledger.to_disk()
    except asyncio.CancelledError:
        await asyncio.shield(ledger.withdraw(record.run))
        raise

    async def begin() -> None:
        write_record(runs, record)

    async def end(change: Change, ended: Record) -> None:
        opened = ending or (lambda: nullcontext(ledger))
        await _let_go(opened, ended, runs, say, erase=change.gone)

    async with recorded(record, runs, begin, end) as change:
        yield change


@asynccontextmanager
async def noted(ledger: Ledger, record: Record, runs: Path, say: Say) -> AsyncIterator[Change]:
    """Leave a record of the block here and on every host that answers, and hold nothing.

    It is for what must work where no majority of the hosts is left. Raises Locked when a majority
    of them all says that another run has the cloud.
    """
    ledger = dataclasses.replace(ledger, patience=NOTE_SECONDS)
    refuse_if_held(await ledger.peek())
    record = dataclasses.replace(record, held=False)

    async def begin() -> None:
        _keep_here(runs, record, lambda line: None)
        await ledger.note(record.run, to_line(record), ended=False)

    async def end(change: Change, ended: Record) -> None:
        _keep_here(runs, ended, say)
        await ledger.note(record.run, to_line(ended), ended=True)

    async with recorded(record, runs, begin, end) as change:
        yield change


async def tell_holders(ledger: Ledger, say: Say) -> None:
    """Say who seems to hold the cloud, as far as hosts that answer know; Locked where a majority
    of them all says so."""
    pages = await dataclasses.replace(ledger, patience=NOTE_SECONDS).peek()
    refuse_if_held(pages)
    here = this_process(run="", cloud="", why="")
    for entries in _entries(pages).values():
        holder = next(iter(entries.values()))
        if not has_ended(holder, here):
            say(f"the lock on {', '.join(entries)} is of a run that may still work: {holder}")


def refuse_if_held(pages: Pages) -> None:
    """Raise Locked when a majority of the hosts says that a run which may still live has it."""
    if holder := living_holder_of(pages):
        raise locked(holder)


def living_holder_of(pages: Pages) -> Holder | None:
    """Who has the cloud; None too when it is a process of ours that is known to have ended."""
    holder = holder_of(pages)
    here = this_process(run="", cloud="", why="")
    return None if holder is None or has_ended(holder, here) else holder


def holder_of(pages: Pages) -> Holder | None:
    """Who has the cloud, by a majority of the hosts that keep its lock; None: nobody."""
    for entries in _entries(pages).values():
        if len(entries) >= majority(len(pages)):
            return next(iter(entries.values()))
    return None


def _entries(pages: Pages) -> Mapping[str, Mapping[str, Holder]]:
    """Run → host → what stands there of the run that has it."""
    found: dict[str, dict[str, Holder]] = {}
    for host, page in pages.items():
        if isinstance(page, Page) and page.holder:
            found.setdefault(page.holder.run, {})[host] = page.holder
    return found


def locked(holder: Holder) -> Locked:
    """The error for a cloud that `holder` has."""
    return Locked(
        "another run holds this cloud",
        where=holder.cloud,
        why=str(holder),
        hint="wait until it has ended; where it was lost for good, `cloudwright lock break`",
    )


async def _take(ledger: Ledger, holder: Holder, record: Record, say: Say) -> _Taken:
    line, away, rival = to_line(record), PAUSE_SECONDS, holder
    dead: set[str] = set()
    clock = asyncio.get_running_loop().time
    deadline = clock() + PATIENCE_SECONDS
    while clock() < deadline:
        pages = await ledger.take(holder, line)
        votes = _votes(pages)
        ended = _ended(votes, holder)
        match decide(holder, votes, ended, forgetful(pages)):
            case Won(leftovers=leftovers):
                if leftovers:
                    await ledger.replace(leftovers, holder, line)
                dead |= ended & set(leftovers.values())
                return _Taken(pages=pages, dead=frozenset(dead))
            case TakeOver(entries=entries):
                say(_took_over(entries, votes))
                dead |= set(entries.values())
                await ledger.replace(entries, holder, line)
            case Lost(to=other):
                await ledger.withdraw(holder.run)
                raise locked(other)
            case TooFew(unknown=unknown):
                await ledger.withdraw(holder.run)
                raise too_few(unknown, len(votes))
            case Undecided(rival=rival, yields=yields):
                if yields:
                    await ledger.withdraw(holder.run)
                    away *= 2
                await asyncio.sleep(away if yields else PAUSE_SECONDS)
    await ledger.withdraw(holder.run)
    raise locked(rival)


def _votes(pages: Pages) -> Votes:
    return {
        host: page if isinstance(page, Unknown) else page.holder or Unknown(why="kept no entry")
        for host, page in pages.items()
    }


def _ended(votes: Votes, here: Holder) -> frozenset[str]:
    return frozenset(
        vote.run for vote in votes.values() if isinstance(vote, Holder) and has_ended(vote, here)
    )


def _took_over(entries: Mapping[str, str], votes: Votes) -> str:
    dead = {str(votes[host]) for host in entries}
    return f"takes over from a run that has ended without letting go: {'; '.join(sorted(dead))}"


async def _refuse_if_changed(ledger: Ledger, holder: Holder, seen: Pages, now: Pages) -> None:
    """What was planned from is not there any more when another run has ended in between."""
    for host, page in now.items():
        before = seen.get(host)
        if isinstance(page, Page) and isinstance(before, Page) and page.last != before.last:
            await ledger.withdraw(holder.run)
            raise moved_meanwhile(holder.cloud, page.last)


def moved_meanwhile(cloud: str, run: str) -> UnsafePlan:
    """The error when `run` ended between our look at the cloud and our turn to change it."""
    return UnsafePlan(
        "another run changed this cloud after it was looked at",
        where=cloud,
        why=f"`cloudwright history {run}` shows what it did",
        hint="nothing was touched; do the same again, it looks anew",
    )


def too_few(unknown: Mapping[str, str], voters: int) -> Unreachable:
    """The error when no majority of the hosts that keep the lock can be asked."""
    lines = "\n".join(f"{host}: {why}" for host, why in unknown.items())
    again = "; when nobody changes the cloud, `cloudwright lock break` has them remember again"
    return Unreachable(
        f"too few of the {voters} hosts that keep the cloud's lock answer",
        why=lines,
        hint=f"{majority(voters)} must; nothing was touched"
        + (again if FORGOT in unknown.values() else ""),
    )


async def _let_go(ending: Ending, record: Record, runs: Path, say: Say, *, erase: bool) -> None:
    journal = _keep_here(runs, record, say)
    try:
        async with ending() as ledger, asyncio.timeout(END_SECONDS):
            if erase:
                pages = await ledger.erase(record.run)
            else:
                pages = await ledger.end(record.run, to_line(record), journal)
    except TimeoutError:
        say(f"the lock may still be there: no answer within {END_SECONDS:g} s")
        return
    for host, page in pages.items():
        if isinstance(page, Unknown):
            say(f"the lock may still be on {host}: {page.why}")
        elif "lost" in page.words:
            say(f"the lock on {host} was not ours any more: somebody broke it meanwhile")


def _keep_here(runs: Path, record: Record, say: Say) -> bytes:
    """Write the record down here; the journal that lies beside it (gzip), empty without one.

    A full disk here is said, and is no reason to leave the hosts locked, or without a record.
    """
    try:
        write_record(runs, record)
        return packed_journal(runs, record.run)
    except OSError as error:
        why = f"{error.filename or runs}: {error.strerror}"
        say(f"the record of this run is on the hosts alone: {why}")
        return b""
