"""Ctrl-C once ends a run after its running steps, twice at once; either way all of it is told."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudwright.cli.outcome import raise_unless_whole
from cloudwright.engine.clock import run_virtual
from cloudwright.errors import Interrupted
from cloudwright.execute.journal.events import (
    Event,
    Outcome,
    RunEnded,
    StepDone,
    StepSkipped,
    StopAsked,
)
from cloudwright.execute.journal.journal import Journal
from cloudwright.execute.journal.steplog import StepLogs
from cloudwright.execute.run import walk
from cloudwright.plan.difference import Change, Plan, Planned
from cloudwright.plan.steps import MakeVolume, Step

SECONDS = 10.0
"""What every step takes."""

NEEDS = {"x/one@a": (), "x/two@a": (), "x/three@a": ("x/one@a",), "x/four@b": ("x/three@a",)}


def plan() -> Plan:
    planned = tuple(
        Planned(
            step=Step(id=id, host=id[-1], action=MakeVolume(volume="v"), needs=frozenset(needs)),
            change=Change.MAKE,
            why="is not there",
        )
        for id, needs in NEEDS.items()
    )
    needs = {id: frozenset(n) for id, n in NEEDS.items()}
    return Plan(cloud="tiny", planned=planned, needs=needs, unchanged=0)


async def slow(step: Step, log: Callable[[str], None], waits: Callable[[str], None]) -> None:
    await asyncio.sleep(SECONDS)


def run(logs: Path, *moments: float) -> tuple[Outcome, list[Event]]:
    """Walk the plan and cancel it at these seconds."""
    events: list[Event] = []
    journal = Journal()

    def tell(event: Event) -> None:
        journal(event)  # refuses what no step can do
        events.append(event)

    async def story() -> Outcome:
        task = asyncio.create_task(walk(plan(), slow, tell, StepLogs(logs)))
        for moment in moments:
            asyncio.get_running_loop().call_later(moment, task.cancel)
        return await task

    return run_virtual(story()), events


def test_once_lets_running_steps_end_and_starts_none(tmp_path: Path) -> None:
    outcome, events = run(tmp_path, 3.0)
    assert set(outcome.done) == {"x/one@a", "x/two@a"}
    assert set(outcome.skipped) == {"x/three@a", "x/four@b"}
    assert (outcome.interrupted, outcome.cut) == (True, ())
    asked = next(e for e in events if isinstance(e, StopAsked))
    assert (set(asked.running), asked.left) == ({"x/one@a", "x/two@a"}, 2)
    with pytest.raises(Interrupted) as caught:
        raise_unless_whole(outcome, plan())
    assert caught.value.exit_code == 130
    assert caught.value.what == "interrupted: 2 steps done, 2 left"
    assert caught.value.why == "not begun: x/three@a, x/four@b"


def test_twice_stops_in_the_middle_and_says_of_what(tmp_path: Path) -> None:
    outcome, events = run(tmp_path, 13.0, 14.0)
    assert outcome.cut == ("x/three@a",)
    assert set(outcome.skipped) == {"x/four@b"}
    assert isinstance(events[-1], RunEnded)
    with pytest.raises(Interrupted) as caught:
        raise_unless_whole(outcome, plan())
    assert caught.value.what == "interrupted: 2 steps done, 2 left"
    assert caught.value.why == "stopped in the middle: x/three@a\nnot begun: x/four@b"


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(moments=st.lists(st.floats(0, 35, allow_nan=False), max_size=2).map(sorted))
def test_whenever_it_comes_every_step_has_one_end(moments: list[float], tmp_path: Path) -> None:
    outcome, events = run(tmp_path, *moments)
    ends = [*outcome.done, *outcome.failed, *outcome.skipped, *outcome.cut]
    assert sorted(ends) == sorted(NEEDS)
    assert outcome.is_whole == (len(outcome.done) == len(NEEDS) and not outcome.interrupted)
    told = {e.id for e in events if isinstance(e, StepDone | StepSkipped)}
    assert told == {*outcome.done, *outcome.skipped}
    if not moments:
        assert outcome.is_whole


PROGRAM = """
import asyncio, sys
from pathlib import Path
from cloudwright.execute.journal.events import StepStarted
from cloudwright.execute.interrupts import cancelling
from cloudwright.execute.run import walk
from cloudwright.execute.journal.steplog import StepLogs
from tests.simulated.test_interrupt import plan

async def until_asked(step, log, waits):
    await asyncio.to_thread(sys.stdin.readline)

def tell(event):
    print(type(event).__name__, flush=True)

async def main():
    with cancelling():
        outcome = await walk(plan(), until_asked, tell, StepLogs(Path(sys.argv[1])))
    print(sorted(outcome.done), sorted(outcome.cut), sorted(outcome.skipped), flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_signal_does_the_same(number: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin and process.stdout
    for line in ("RunStarted", "StepStarted", "StepStarted"):
        assert process.stdout.readline().strip() == line
    process.send_signal(number)
    assert process.stdout.readline().strip() == "StopAsked"
    process.stdin.write("\n")  # lets one of the two running steps end
    process.stdin.flush()
    assert process.stdout.readline().strip() == "StepDone"
    process.send_signal(number)
    ends = sorted(process.stdout.readline().strip() for _ in range(3))
    assert ends == ["StepFailure", "StepSkipped", "StepSkipped"]
    process.stdin.write("\n")  # the thread that still reads has to end too
    process.stdin.close()
    rest = process.stdout.read()
    assert process.wait() == 0
    assert rest.splitlines()[-1] in (
        "['x/one@a'] ['x/two@a'] ['x/four@b', 'x/three@a']",
        "['x/two@a'] ['x/one@a'] ['x/four@b', 'x/three@a']",
    )
