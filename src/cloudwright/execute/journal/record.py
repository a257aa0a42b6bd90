"""The record of a run: who changed what, when, from which description, and how it ended."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from cloudwright import __version__
from cloudwright.execute.central.access import write_private
from cloudwright.execute.journal.holder import this_process
from cloudwright.execute.journal.source import source_of
from cloudwright.model.cloud import Cloud

RUNS = "runs"
"""In `.cloudwright`: one directory per run, with record, journal and logs."""

RECORD = "run.json"
RUN_ID = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-[0-9a-f]{4}")

RUNNING = ""
DONE, FAILED, INTERRUPTED = "done", "failed", "interrupted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One run of a verb that changes. Times are seconds since the epoch.

    `result` is `done`, `failed` or `interrupted`, empty while it runs and for ever when it was
    killed; `error` is the first line of what went wrong. `commit` is empty without git. `held`
    is whether it held the cloud's lock, so that the lock tells whether it still runs.
    """

    run: str
    cloud: str
    verb: str
    reason: str
    user: str
    machine: str
    pid: int
    began: float
    version: str
    release: str
    description: str
    commit: str
    dirty: bool
    ended: float = 0.0
    result: str = RUNNING
    error: str = ""
    done: int = 0
    failed: int = 0
    skipped: int = 0
    held: bool = True

    @property
    def what(self) -> str:
        """The verb and why it was called."""
        return f"{self.verb} ({self.reason})" if self.reason else self.verb


def new_run_id(now: float) -> str:
    """A name for a run that no other has: when it began (UTC), so that names sort by time."""
    return f"{time.strftime('%Y-%m-%dT%H-%M-%S', time.gmtime(now))}-{secrets.token_hex(2)}"


async def new_record(path: Path, cloud: Cloud, verb: str, reason: str) -> Record:
    """The record of a run that this process begins now, of the cloud described at `path`."""
    source = await source_of(path, cloud.overrides_dir)
    now = time.time()
    us = this_process(run=new_run_id(now), cloud=cloud.name, why=verb)
    return Record(
        run=us.run,
        cloud=us.cloud,
        verb=verb,
        reason=reason,
        user=us.user,
        machine=us.machine,
        pid=us.pid,
        began=now,
        version=__version__,
        release=cloud.release,
        description=source.digest,
        commit=source.commit,
        dirty=source.dirty,
    )


def to_line(record: Record) -> str:
    """One line of JSON."""
    return json.dumps(asdict(record), ensure_ascii=True)


def from_line(line: str) -> Record | None:
    """The record in a line; None for what is none, such as one that was cut."""
    known = {field.name for field in fields(Record)}
    try:
        record = Record(**{key: value for key, value in json.loads(line).items() if key in known})
    except (ValueError, TypeError, AttributeError):
        return None
    return record if RUN_ID.fullmatch(str(record.run)) else None


def write_record(runs: Path, record: Record) -> None:
    """Keep a record in its run's own directory below `runs`."""
    write_private(runs / record.run / RECORD, to_line(record) + "\n")


def read_records(runs: Path) -> Iterable[Record]:
    """The records below `runs`; what is none is left out."""
    for file in sorted(runs.glob(f"*/{RECORD}")):
        if record := from_line(file.read_text(encoding="utf-8", errors="replace")):
            yield record
