"""A disk of the operator's that takes no more ends a run in good order, and locks nobody out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudwright.cli.outcome import raise_unless_whole, stopping_text
from cloudwright.cli.view_plain import watch
from cloudwright.engine.clock import run_virtual
from cloudwright.errors import HostError
from cloudwright.execute.journal.events import (
    UNKEPT,
    Event,
    Outcome,
    RunEnded,
    StopAsked,
)
from cloudwright.execute.journal.journal import JOURNAL, Journal, read_journal
from cloudwright.execute.journal.steplog import StepLogs
from cloudwright.execute.lock.changing import changing
from cloudwright.execute.run import walk
from cloudwright.execute.simulated import SimulatedWorld
from cloudwright.plan.estimate import Estimate
from cloudwright.plan.steps import Step
from tests.simulated.fleet import apply
from tests.simulated.ledgers import NAMES, holders, ledger_in, record
from tests.simulated.test_interrupt import plan
from tests.simulated.test_steplog import THREE

Log = Callable[[str], None]
Work = Callable[[Step], None]


def run(logs: Path, work: Work) -> tuple[Outcome, list[Event]]:
    """Walk the small plan; `work` is done in the middle of each step's ten seconds."""
    events: list[Event] = []
    journal = Journal()

    def tell(event: Event) -> None:
        try:
            journal(event)
        finally:
            events.append(event)

    async def do(step: Step, log: Log, waits: Log) -> None:
        await asyncio.sleep(5)
        work(step)
        await asyncio.sleep(5)

    return run_virtual(walk(plan(), do, tell, StepLogs(logs))), events


def fill(path: Path) -> None:
    """From now on the disk is full for this process's open file at `path`."""
    own = Path("/proc/self/fd")
    (number,) = (int(fd.name) for fd in own.iterdir() if os.path.realpath(fd) == str(path))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, number)
    os.close(full)


def test_a_full_disk_lets_running_steps_end_and_starts_none(tmp_path: Path) -> None:
    def work(step: Step) -> None:
        if step.id == "x/one@a":
            fill(tmp_path / JOURNAL)

    outcome, events = run(tmp_path, work)
    assert set(outcome.done) == {"x/one@a", "x/two@a"}
    assert outcome.skipped == {"x/three@a": UNKEPT, "x/four@b": UNKEPT}
    (asked,) = (e for e in events if isinstance(e, StopAsked))
    assert stopping_text(asked) == (
        f"{UNKEPT}: goes on to its end: x/two@a; 2 others are not begun"
    )
    assert isinstance(events[-1], RunEnded)
    with pytest.raises(HostError) as caught:
        raise_unless_whole(outcome, plan())
    assert (caught.value.exit_code, caught.value.where) == (4, str(tmp_path / JOURNAL))
    assert caught.value.what == f"stopped at {UNKEPT}: 2 steps done, 2 left"
    assert caught.value.why == "no space left on device\nnot begun: x/three@a, x/four@b"
    assert caught.value.hint.startswith("make room there")
    assert {event["event"] for event in read_journal(tmp_path / JOURNAL)} == {
        "RunStarted",
        "StepStarted",
    }
    for id in outcome.done:
        assert "done in" in (tmp_path / f"{id}.log").read_text()


def test_a_log_that_cannot_be_written_does_the_same(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("where a folder must be")
    outcome, _ = run(tmp_path, lambda step: None)
    assert set(outcome.done) == {"x/one@a", "x/two@a"}
    assert outcome.unkept and outcome.unkept.where.startswith(str(tmp_path / "x"))
    told = [event["event"] for event in read_journal(tmp_path / JOURNAL)]
    assert told.count("StepDone") == 2 and told[-1] == "RunEnded"


def test_the_last_line_of_the_journal_is_missed_too(tmp_path: Path) -> None:
    def work(step: Step) -> None:
        if step.id == "x/four@b":
            (tmp_path / "x" / "four@b.log").mkdir()

    outcome, _ = run(tmp_path, work)
    assert len(outcome.done) == 4 and not outcome.is_whole
    with pytest.raises(HostError, match="4 steps done, 0 left") as caught:
        raise_unless_whole(outcome, plan())
    assert caught.value.why == "is a directory"


def test_the_screen_tells_what_the_journal_cannot_keep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def do(step: Step, log: Log, waits: Log) -> None:
        if step.id == "x/one@a":
            fill(tmp_path / JOURNAL)

    with watch(Estimate(), plain=True) as tell:
        outcome = run_virtual(walk(plan(), do, tell, StepLogs(tmp_path)))
    said = capsys.readouterr().out
    assert outcome.unkept
    assert "] " + UNKEPT + ": goes on to its end" in said
    assert said.splitlines()[-1].endswith(
        f"{len(outcome.done)} done, 0 failed, {len(outcome.skipped)} skipped in 0.0 s"
    )


def test_nothing_starts_when_not_even_the_begin_can_be_told(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).symlink_to("/dev/full")
    worked: list[str] = []
    with pytest.raises(OSError) as caught:
        run(tmp_path, lambda step: worked.append(step.id))
    assert caught.value.filename == str(tmp_path / JOURNAL)
    assert worked == []


def test_the_next_run_goes_on_where_a_full_disk_stopped_this_one(tmp_path: Path) -> None:
    world = SimulatedWorld()
    blocked, free = tmp_path / "blocked", tmp_path / "free"
    blocked.mkdir()
    (blocked / "keystone").write_text("where a folder must be")
    plan, outcome = apply(world, THREE, blocked)
    assert outcome and outcome.unkept and outcome.done and not outcome.failed
    assert UNKEPT in outcome.skipped.values()
    again, outcome_again = apply(world, THREE, free)
    assert outcome_again and outcome_again.is_whole
    planned = {p.step.id for p in plan.planned}
    assert {p.step.id for p in again.planned} == planned - set(outcome.done)


def test_hosts_are_let_go_when_the_record_cannot_be_written_here(tmp_path: Path) -> None:
    said: list[str] = []
    runs = tmp_path / "runs"

    async def story() -> None:
        ledger = ledger_in(tmp_path)
        async with changing(ledger, record("a"), runs, said.append) as change:
            for file in change.directory.iterdir():
                file.unlink()
            change.directory.rmdir()
            change.directory.write_text("where a folder must be")
        assert set(holders(await ledger.peek())) == {""}
        for name in NAMES:
            assert (tmp_path / name / "runs" / f"{change.record.run}.json").exists()
        assert [line.partition(":")[0] for line in said] == [
            "the record of this run is on the hosts alone"
        ]

    run_virtual(story())
