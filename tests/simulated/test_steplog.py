"""Each step of a run leaves a log: when it began and why, what it said, and how it ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudwright.engine.clock import run_virtual
from cloudwright.errors import HostError
from cloudwright.execute.journal.events import CUT
from cloudwright.execute.journal.steplog import StepLogs
from cloudwright.execute.run import walk
from cloudwright.execute.simulated import Failure, SimulatedWorld
from cloudwright.plan.difference import Change, Plan, Planned
from cloudwright.plan.steps import MakeVolume, Step
from tests.simulated.fleet import Wanted, apply, cloud_of

Log = Callable[[str], None]
THREE = Wanted(cloud=cloud_of(("control", "network"), ("control",), ("control", "compute")))


def logs_in(folder: Path) -> dict[str, list[str]]:
    """Step id → the lines of its log, without the time of day, with N for seconds."""
    found = {}
    for path in folder.rglob("*.log"):
        lines = path.read_text().splitlines()
        assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines), lines
        said = [re.sub(r"\d+\.\d s$", "N s", line[9:]) for line in lines]
        found[str(path.relative_to(folder))[:-4]] = said
    return found


def test_a_run_leaves_one_log_for_each_of_its_steps(tmp_path: Path) -> None:
    victim = "keystone/keystone-api@h0"
    world = SimulatedWorld(failures={victim: Failure.BEFORE})
    plan, outcome = apply(world, THREE, tmp_path)
    assert outcome and len(outcome.done) > 100 and outcome.skipped
    logs = logs_in(tmp_path)
    assert logs.keys() == {p.step.id for p in plan.planned} - outcome.skipped.keys()
    for id in outcome.done:
        assert logs[id] == ["begins: is not there", "done in N s"]
    assert logs[victim] == ["begins: is not there", f"{victim}: injected", "failed after N s"]


def test_a_log_is_private(tmp_path: Path) -> None:
    with StepLogs(tmp_path / "run").open("a/one@h", "begins") as log:
        log("said\ntwice, with \udcff")
    path = tmp_path / "run" / "a" / "one@h.log"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert logs_in(tmp_path / "run") == {"a/one@h": ["begins", "said", "twice, with ?"]}


def test_no_file_is_open_while_a_step_has_nothing_to_say(tmp_path: Path) -> None:
    with StepLogs(tmp_path).open("a/one@h", "begins"):
        assert list(tmp_path.rglob("*.log")) == []


STEPS = tuple(
    Step(id=f"a/{n}@h", host="h", action=MakeVolume(volume=n)) for n in ("fails", "ends")
)
PLAN = Plan(
    cloud="c",
    planned=tuple(Planned(step=s, change=Change.ALTER, why="is exited") for s in STEPS),
    needs={},
    unchanged=0,
)


@pytest.mark.parametrize("cuts", [0, 2])
def test_the_log_says_how_long_it_lasted(cuts: int, tmp_path: Path) -> None:
    async def do(step: Step, log: Log, waits: Log) -> None:
        waits("for a port")
        log("half of it is done")
        await asyncio.sleep(0 if "fails" in step.id else 1)
        if "fails" in step.id:
            raise HostError("it broke", why="badly")

    async def story() -> None:
        running = asyncio.create_task(walk(PLAN, do, lambda event: None, StepLogs(tmp_path)))
        for _ in range(cuts):
            await asyncio.sleep(0.1)
            running.cancel()
        await running

    run_virtual(story())
    begun = ["begins: is exited", "waits: for a port", "half of it is done"]
    logs = logs_in(tmp_path)
    assert logs["a/fails@h"] == [*begun, "it broke", "  badly", "failed after N s"]
    assert logs["a/ends@h"] == [
        *begun,
        *([CUT, "it ran for N s"] if cuts else ["done in N s"]),
    ]
