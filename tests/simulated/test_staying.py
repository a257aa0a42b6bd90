"""A container that became healthy and ended before the run was over has failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from cloudwright.cli.view_plain import PlainView
from cloudwright.cli.view_rich import LiveView
from cloudwright.declare.rollout import Canary
from cloudwright.engine.clock import run_virtual
from cloudwright.execute.journal.events import Event, Outcome, RunEnded, StepWaits
from cloudwright.execute.journal.journal import Journal, read_journal
from cloudwright.execute.journal.steplog import StepLogs
from cloudwright.execute.journal.timeline import timeline
from cloudwright.execute.run import walk
from cloudwright.execute.steps.staying import Staying
from cloudwright.plan.difference import Change, Plan, Planned
from cloudwright.plan.steps import Step
from tests.simulated.test_turn import CLOUD, NAMES, fleet_with, step_on


def story(tmp_path: Path, *, ends: int, again: bool) -> tuple[Outcome, list[Event]]:
    """Three containers become healthy; afterwards one ends so often, each time after three
    seconds, and may be started again."""
    events: list[Event] = []
    steps = {step.id: step for step in (step_on(name, Canary()) for name in NAMES)}

    async def run() -> Outcome:
        fleet, engines = await fleet_with(*NAMES)
        staying = Staying(fleet=fleet, cloud=CLOUD)

        async def do(step: Step, log: Callable[[str], None], waits: Callable[[str], None]) -> None:
            await staying.note(step)

        async def end() -> None:
            for _ in range(ends):
                await asyncio.sleep(3)
                await engines["two"].stop("c")
                if again:
                    await engines["two"].start("c")

        async def fallen(waits: Callable[[str, str], None]) -> dict[str, str]:
            ending = asyncio.create_task(end())
            await asyncio.sleep(4)
            told = await staying.fallen(waits)
            await ending
            return told

        planned = tuple(
            Planned(step=step, change=Change.MAKE, why="new") for step in steps.values()
        )
        journal = Journal()

        def tell(event: Event) -> None:
            journal(event)
            events.append(event)

        return await walk(
            Plan(cloud="tiny", planned=planned, needs={}, unchanged=0),
            do,
            tell,
            StepLogs(tmp_path / f"{ends}{again}"),
            fallen,
        )

    return run_virtual(run()), events


def test_ctrl_c_while_it_looks_ends_a_run_that_is_done(tmp_path: Path) -> None:
    events: list[Event] = []
    step = step_on("one", Canary())

    async def do(step: Step, log: Callable[[str], None], waits: Callable[[str], None]) -> None:
        """Done at once."""

    async def fallen(waits: Callable[[str, str], None]) -> dict[str, str]:
        await asyncio.sleep(60)
        return {step.id: "never told"}

    async def run() -> Outcome:
        planned = (Planned(step=step, change=Change.MAKE, why="new"),)
        plan = Plan(cloud="tiny", planned=planned, needs={}, unchanged=0)
        walking = asyncio.create_task(walk(plan, do, events.append, StepLogs(tmp_path), fallen))
        await asyncio.sleep(5)
        walking.cancel()
        return await walking

    outcome = run_virtual(run())
    assert outcome.done == (step.id,)
    assert outcome.is_whole
    assert any(isinstance(event, RunEnded) for event in events)


def test_it_is_told_and_counted(tmp_path: Path) -> None:
    for ends, again, what in ((2, True, "was started again"), (1, False, "ended with code")):
        outcome, events = story(tmp_path, ends=ends, again=again)
        assert sorted(outcome.done) == ["s/c@one", "s/c@three"]
        assert f"c became healthy, and {what}" in outcome.failed["s/c@two"]
        [ended] = [event for event in events if isinstance(event, RunEnded)]
        assert (ended.done, ended.failed) == (2, 1)
        journal = tmp_path / f"{ends}{again}" / "journal.jsonl"
        told = timeline(read_journal(journal)).steps["s/c@two"]
        assert told.result == "failed"
        assert told.seconds < 1  # what came later made nobody wait
        assert what in told.text


def test_who_lives_longer_the_second_time_has_not_failed(tmp_path: Path) -> None:
    outcome, events = story(tmp_path, ends=1, again=True)
    assert outcome.is_whole
    assert len(outcome.done) == len(NAMES)
    [waits] = [event for event in events if isinstance(event, StepWaits)]
    assert (waits.id, waits.reason) == (
        "s/c@two",
        "it was started again; whether it lives 3 s this time",
    )


def test_both_views_tell_it_and_count_it_once(tmp_path: Path) -> None:
    _, events = story(tmp_path, ends=2, again=True)
    lines: list[str] = []
    said: list[str] = []
    plain = PlainView(write=lines.append)
    rich = LiveView(say=said.append, clock=lambda: 0.0)
    for event in events:
        plain(event)
        rich(event)
    assert "FAILED after it was done: s/c@two" in "\n".join(lines)
    assert "✗ s/c@two[/] [dim]was done, and did not stay" in "\n".join(said)
    assert "s/c@two: it was started again" in "\n".join(lines)
    assert "s/c@two: it was started again" in "\n".join(said)
    assert plain.over == len(rich.over) == len(NAMES)
    assert rich.failed == 1
