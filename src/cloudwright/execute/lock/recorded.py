"""A change from its beginning to its end, and what its record says of how it ended."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cloudwright.errors import CloudError, Interrupted, of_this_machine
from cloudwright.execute.journal.events import Outcome
from cloudwright.execute.journal.record import DONE, FAILED, INTERRUPTED, Record


@dataclass(kw_only=True, slots=True)
class Change:
    """A run that changes a cloud; what it did is put into `outcome`.

    `gone` is set once there is no cloud left to lock: then the hosts forget its history too.
    """

    record: Record
    directory: Path
    outcome: Outcome = dataclasses.field(default_factory=Outcome)
    gone: bool = False


Begin = Callable[[], Awaitable[None]]
End = Callable[[Change, Record], Awaitable[None]]


@asynccontextmanager
async def recorded(record: Record, runs: Path, begin: Begin, end: End) -> AsyncIterator[Change]:
    """Have `begin` leave the record, and `end` the one that says how the block ended.

    `end` is called whatever happens, once `begin` was, and is not cut short by a cancellation.
    """
    change = Change(record=record, directory=runs / record.run)
    ended = dataclasses.replace(record, result=DONE)
    try:
        await begin()
        yield change
    except BaseException as error:
        ended = dataclasses.replace(record, result=_result(error), error=_first(error))
        raise
    finally:
        ended = dataclasses.replace(_counted(ended, change.outcome), ended=time.time())
        await asyncio.shield(end(change, ended))


def _counted(record: Record, outcome: Outcome) -> Record:
    return dataclasses.replace(
        record,
        done=len(outcome.done),
        failed=len(outcome.failed) + len(outcome.cut),
        skipped=len(outcome.skipped),
    )


def _result(error: BaseException) -> str:
    interrupts = (Interrupted, asyncio.CancelledError, KeyboardInterrupt)
    return INTERRUPTED if isinstance(error, interrupts) else FAILED


def _first(error: BaseException) -> str:
    """What went wrong, in one line; of several errors the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, OSError):
        error = of_this_machine(error) or error
    if isinstance(error, CloudError):
        return error.what
    return "interrupted" if _result(error) == INTERRUPTED else f"a bug of ours: {error!r}"
