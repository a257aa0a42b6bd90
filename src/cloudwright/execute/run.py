"""Walk the plan: a step starts once all it needs is done; a failure stops what needed it."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloudwright.errors import CloudError, of_this_machine
from cloudwright.execute.central.links import open_links
from cloudwright.execute.host.fleet import Fleet
from cloudwright.execute.journal.events import (
    CUT,
    INTERRUPTED,
    UNKEPT,
    Outcome,
    RunEnded,
    RunStarted,
    StepDone,
    StepFailure,
    StepFell,
    StepSkipped,
    StepStarted,
    StepWaits,
    StopAsked,
    Tell,
)
from cloudwright.execute.journal.keeping import Keeping
from cloudwright.execute.journal.steplog import StepLogs
from cloudwright.execute.secrets.vault import Vault
from cloudwright.execute.steps.perform import Doing, perform
from cloudwright.execute.steps.staying import Staying
from cloudwright.execute.steps.turn import Turns
from cloudwright.model.cloud import Cloud
from cloudwright.plan.blueprint import Blueprint
from cloudwright.plan.difference import Plan, Planned
from cloudwright.plan.steps import Step

PER_HOST = 12
"""Steps at a time on one host: most of them wait."""

Perform = Callable[[Step, Callable[[str], None], Callable[[str], None]], Awaitable[None]]
"""Do a step; the functions take lines of its log and reasons of its waits."""


Fallen = Callable[[Callable[[str, str], None]], Awaitable[Mapping[str, str]]]
"""Step id → what became of what it had made, of those that did not stay; tells meanwhile which
step it waits for, and why."""


async def execute(
    fleet: Fleet,
    cloud: Cloud,
    blueprint: Blueprint,
    plan: Plan,
    vault: Vault,
    tell: Tell,
    directory: Path,
) -> Outcome:
    """Do the plan on the real hosts; events go to `tell`, logs into `directory`."""
    logs, staying = StepLogs(directory), Staying(fleet=fleet, cloud=cloud)
    turns = Turns(fleet=fleet, cloud=cloud)
    async with open_links(fleet, cloud, blueprint, vault) as links:

        async def do(step: Step, log: Callable[[str], None], waits: Callable[[str], None]) -> None:
            doing = Doing(fleet=fleet, cloud=cloud, links=links, turns=turns, log=log, waits=waits)
            await perform(step, doing)
            await staying.note(step)

        return await walk(plan, do, tell, logs, staying.fallen)


@dataclass(slots=True)
class _Walk:
    """The state of one walk: which steps are done, failed or skipped, and who waits for whom."""

    plan: Plan
    do: Perform
    kept: Keeping
    finished: dict[str, asyncio.Event] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    running: dict[str, float] = field(default_factory=dict)
    stopping: bool = False
    cut: list[str] = field(default_factory=list)
    slots: dict[str, asyncio.Semaphore] = field(default_factory=dict)


async def walk(
    plan: Plan, do: Perform, tell: Tell, logs: StepLogs, fallen: Fallen | None = None
) -> Outcome:
    """Run every planned step with `do`, side by side where needs allow it; `fallen` is asked at
    the end.

    Cancelling the task once lets running steps end and starts none (the outcome says
    `interrupted`); cancelling it again ends them where they are (`cut`). Journal and logs that
    cannot be written any more do as the first cancellation does (`unkept`); OSError when not even
    the journal's first line can be, with nothing started.
    """
    began = time.monotonic()
    kept = Keeping(consumer=tell, logs=logs)
    state = _Walk(plan=plan, do=do, kept=kept)
    state.finished = {p.step.id: asyncio.Event() for p in plan.planned}
    state.slots = {p.step.host: asyncio.Semaphore(PER_HOST) for p in plan.planned}
    started = RunStarted(
        planned=plan.planned, directory=str(logs.directory), at=time.time(), gates=plan.gates
    )
    tell(started)
    kept.at_refusal = lambda: _tell_stop(state, UNKEPT)
    tasks = [asyncio.create_task(_step(state, planned)) for planned in plan.planned]
    try:
        await _finish(tasks, state)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        kept.at_refusal = None  # nothing is left to stop
    if fallen and not state.stopping:
        await _see_what_fell(state, fallen)
    ended = RunEnded(
        done=len(state.done),
        failed=len(state.failed) + len(state.cut),
        skipped=len(state.skipped),
        seconds=time.monotonic() - began,
        at=time.time(),
    )
    kept.tell(ended)
    return Outcome(
        done=tuple(state.done),
        failed=state.failed,
        skipped=state.skipped,
        directory=str(logs.directory),
        interrupted=state.stopping,
        cut=tuple(state.cut),
        unkept=kept.refused,
    )


async def _see_what_fell(state: _Walk, fallen: Fallen) -> None:
    def waits(id: str, reason: str) -> None:
        state.kept.tell(StepWaits(id=id, reason=reason, at=time.time()))

    try:
        _take_back(state, await fallen(waits))
    except asyncio.CancelledError:
        _swallow()  # every step has ended, so the run ends as it would have


def _take_back(state: _Walk, fallen: Mapping[str, str]) -> None:
    """Steps that were done, and are not any more."""
    for id, error in fallen.items():
        state.done.remove(id)
        state.failed[id] = error
        with state.kept.log(id) as log:
            log(error)
        state.kept.tell(
            StepFell(id=id, error=error, log=str(state.kept.logs.path(id)), at=time.time())
        )


async def _finish(tasks: list[asyncio.Task[None]], state: _Walk) -> None:
    """Wait for all; a first cancellation only stops new steps from starting."""
    together = asyncio.gather(*tasks)
    try:
        await asyncio.shield(together)
    except asyncio.CancelledError:
        if together.cancelled():
            raise  # a step was ended from within, not this run from without
        _swallow()
        if not together.done():
            state.stopping = True
            _tell_stop(state)
        try:
            await together
        except asyncio.CancelledError:
            _swallow()


def _tell_stop(state: _Walk, because: str = INTERRUPTED) -> None:
    over = len(state.done) + len(state.failed) + len(state.skipped)
    left = len(state.plan.planned) - over - len(state.running)
    running = tuple(state.running)
    state.kept.tell(StopAsked(running=running, left=left, because=because, at=time.time()))


def _swallow() -> None:
    """A cancellation is answered here by what the run does next; its task goes on."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


async def _step(state: _Walk, planned: Planned) -> None:
    step = planned.step
    try:
        for earlier in sorted(state.plan.after.get(step.id, frozenset())):
            await state.finished[earlier].wait()
        for need in sorted(state.plan.needs.get(step.id, frozenset())):
            await state.finished[need].wait()
            if need in state.failed or need in state.skipped:
                _skip(state, step, state.skipped.get(need, need))
                return
        async with state.slots[step.host]:
            if state.stopping or state.kept.refused:
                _skip(state, step, INTERRUPTED if state.stopping else UNKEPT)
                return
            await _perform(state, planned)
    except asyncio.CancelledError:
        if step.id not in (*state.cut, *state.done, *state.failed, *state.skipped):
            _skip(state, step, INTERRUPTED)
        raise
    finally:
        state.finished[step.id].set()


def _skip(state: _Walk, step: Step, because: str) -> None:
    state.skipped[step.id] = because
    state.kept.tell(StepSkipped(id=step.id, because=because, at=time.time()))


async def _perform(state: _Walk, planned: Planned) -> None:
    step = planned.step
    began = state.running[step.id] = time.monotonic()
    state.kept.tell(StepStarted(id=step.id, host=step.host, what=planned.why, at=time.time()))
    with state.kept.log(step.id, f"begins: {planned.why}") as log:

        def waits(reason: str) -> None:
            log(f"waits: {reason}")
            state.kept.tell(StepWaits(id=step.id, reason=reason, at=time.time()))

        try:
            await state.do(step, log, waits)
        except asyncio.CancelledError:
            state.cut.append(step.id)
            log(f"{CUT}\nit ran for {time.monotonic() - began:.1f} s")
            _fail(state, step, CUT)
            raise
        except CloudError as err:
            error = str(err)
        except Exception as err:
            ours = of_this_machine(err) if isinstance(err, OSError) else None
            error = str(ours) if ours else f"a bug of ours:\n{traceback.format_exc()}"
        else:
            del state.running[step.id]
            state.done.append(step.id)
            seconds = time.monotonic() - began
            log(f"done in {seconds:.1f} s")
            state.kept.tell(StepDone(id=step.id, seconds=seconds, at=time.time()))
            return
        log(f"{error}\nfailed after {time.monotonic() - began:.1f} s")
    state.failed[step.id] = error
    _fail(state, step, error)


def _fail(state: _Walk, step: Step, error: str) -> None:
    state.kept.tell(
        StepFailure(
            id=step.id,
            seconds=time.monotonic() - state.running.pop(step.id),
            error=error,
            log=str(state.kept.logs.path(step.id)),
            at=time.time(),
        )
    )
