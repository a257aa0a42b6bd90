"""A container that became healthy and ended before the run was over has failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from cloudwright.declare.rollout import Canary
from cloudwright.engine.clock import run_virtual
from cloudwright.execute.journal.events import Event, Outcome, RunEnded
from cloudwright.execute.journal.steplog import StepLogs
from cloudwright.execute.run import walk
from cloudwright.execute.steps.staying import Staying
from cloudwright.plan.difference import Change, Plan, Planned
from cloudwright.plan.steps import Step
from tests.simulated.test_turn import NAMES, fleet_with, step_on


def story(tmp_path: Path, *, again: bool) -> tuple[Outcome, list[Event]]:
    """Three containers become healthy; afterwards one ends, and may be started again."""
    events: list[Event] = []
    steps = {step.id: step for step in (step_on(name, Canary()) for name in NAMES)}

    async def run() -> Outcome:
        fleet, engines = await fleet_with(*NAMES)
        staying = Staying(fleet=fleet)

        async def do(step: Step, log: Callable[[str], None], waits: Callable[[str], None]) -> None:
            await staying.note(step)

        async def fallen() -> dict[str, str]:
            await asyncio.sleep(3)
            await engines["two"].stop("c")
            if again:
                await engines["two"].start("c")
            return await staying.fallen()

        planned = tuple(
            Planned(step=step, change=Change.MAKE, why="new") for step in steps.values()
        )
        return await walk(
            Plan(cloud="tiny", planned=planned, needs={}, unchanged=0),
            do,
            events.append,
            StepLogs(tmp_path / str(again)),
            fallen,
        )

    return run_virtual(run()), events


def test_ctrl_c_while_it_looks_ends_a_run_that_is_done(tmp_path: Path) -> None:
    events: list[Event] = []
    step = step_on("one", Canary())

    async def do(step: Step, log: Callable[[str], None], waits: Callable[[str], None]) -> None:
        """Done at once."""

    async def fallen() -> dict[str, str]:
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
    for again, what in ((True, "was started again"), (False, "ended with code")):
        outcome, events = story(tmp_path, again=again)
        assert sorted(outcome.done) == ["s/c@one", "s/c@three"]
        assert f"c became healthy, and {what}" in outcome.failed["s/c@two"]
        [ended] = [event for event in events if isinstance(event, RunEnded)]
        assert (ended.done, ended.failed) == (2, 1)
