"""The journals of runs, as they come from here to the hosts that keep the lock."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from pathlib import Path

from cloudwright.execute.journal.journal import JOURNAL
from cloudwright.execute.journal.record import RUN_ID
from cloudwright.execute.lock.ledger import Ledger


async def keep_journals(
    ledger: Ledger, dead: Iterable[str], runs: Path, say: Callable[[str], None]
) -> None:
    """Put on the hosts what the runs `dead` told, as far as it lies here.

    They were killed: their operator alone has it, and whoever takes over from them, or breaks
    their lock, knows that nobody writes it any more.
    """
    for run in sorted(filter(RUN_ID.fullmatch, dead)):
        try:
            journal = packed_journal(runs, run)
        except OSError as error:
            why = f"{error.filename or runs}: {error.strerror}"
            say(f"the journal of {run} does not come to the hosts: {why}")
            continue
        if journal:
            await ledger.add_journal(run, journal)


def packed_journal(runs: Path, run: str) -> bytes:
    """What a run has told so far (gzip); empty when it is not here."""
    journal = runs / run / JOURNAL
    return gzip.compress(journal.read_bytes(), mtime=0) if journal.exists() else b""
