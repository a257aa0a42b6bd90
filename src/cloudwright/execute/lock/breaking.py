"""How the lock stands on each host, and its breaking: only what was seen, and never in secret."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

from cloudwright.execute.journal.record import DONE, Record, to_line, write_record
from cloudwright.execute.lock.decide import FORGOT, Unknown, majority
from cloudwright.execute.lock.journals import keep_journals
from cloudwright.execute.lock.ledger import Ledger, Page, Pages, forgetful


def lines_of(pages: Pages) -> tuple[str, ...]:
    """A line for each host that keeps the lock: who has it there."""
    forgot = forgot_by(pages)
    return tuple(
        f"{host}: {_says(page)}{f' ({FORGOT})' if host in forgot else ''}"
        for host, page in pages.items()
    )


async def break_lock(
    ledger: Ledger, seen: Pages, record: Record, runs: Path, say: Callable[[str], None]
) -> Pages:
    """Remove the entries that were `seen`, and leave a record of it on every host and in `runs`.

    Of a run whose journal lies in `runs` the hosts get that too. An entry of another run than was
    seen stays: somebody else has the cloud by now. Returns what stands on the hosts afterwards.
    """
    entries = {
        host: page.holder.run
        for host, page in seen.items()
        if isinstance(page, Page) and page.holder
    }
    await ledger.drop(entries)
    await keep_journals(ledger, set(entries.values()), runs, say)
    ended = dataclasses.replace(record, ended=time.time(), result=DONE)
    write_record(runs, ended)
    await ledger.end(record.run, to_line(ended), b"")
    return await ledger.peek()


def forgot_by(pages: Pages) -> frozenset[str]:
    """Hosts that remember no run although others do; breaking has them remember again."""
    blank = forgetful(pages)
    new = all(isinstance(page, Unknown) or host in blank for host, page in pages.items())
    return frozenset() if new else blank


def is_held(pages: Pages) -> bool:
    """Whether there is an entry on any host that answers."""
    return any(isinstance(page, Page) and page.holder for page in pages.values())


def is_free(pages: Pages) -> bool:
    """Whether the next run can have the cloud: a majority of hosts answers that nobody has it."""
    free = sum(isinstance(page, Page) and page.holder is None for page in pages.values())
    return free >= majority(len(pages))


def _says(page: Page | Unknown) -> str:
    if isinstance(page, Unknown):
        return f"does not answer: {page.why}"
    return str(page.holder) if page.holder else "free"
