"""How a run ended, as an error when it is not whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cloudwright.errors import CloudError, HostError, Interrupted, StepFailed, number
from cloudwright.execute.journal.events import INTERRUPTED, UNKEPT, Outcome, StopAsked
from cloudwright.plan.difference import Plan

SHOWN = 12
"""Ids that a text names before it counts the rest."""

AGAIN = "`cloudwright apply` goes on where this stopped"


def raise_unless_whole(outcome: Outcome, plan: Plan) -> None:
    """Interrupted or StepFailed with what failed, what was skipped, and where the logs are;
    HostError when these cannot be written."""
    if outcome.is_whole:
        return
    if outcome.unkept:
        raise _unkept(outcome, outcome.unkept, plan)
    logs = f"logs in {_near(outcome.directory)}"
    if outcome.interrupted and not outcome.failed:
        left = len(plan.planned) - len(outcome.done)
        raise Interrupted(
            f"interrupted: {number(len(outcome.done), 'step')} done, {left} left",
            why=_left(outcome, plan),
            hint=f"{AGAIN}; {logs}",
        )
    raise StepFailed(
        f"{number(len(outcome.failed), 'step')} failed, {len(outcome.skipped)} were skipped, "
        f"{len(outcome.done)} are done",
        why="\n".join(_failures(outcome)),
        hint=f"{AGAIN}; {logs}",
    )


def _unkept(outcome: Outcome, refused: CloudError, plan: Plan) -> HostError:
    left = len(plan.planned) - len(outcome.done)
    lines = [refused.why, *_failures(outcome), _left(outcome, plan)]
    return HostError(
        f"stopped at {UNKEPT}: {number(len(outcome.done), 'step')} done, {left} left",
        where=refused.where,
        why="\n".join(line for line in lines if line),
        hint=f"{refused.hint}; then {AGAIN}",
    )


def _failures(outcome: Outcome) -> list[str]:
    return [f"{id}: {_first(text)}" for id, text in outcome.failed.items()]


def stopping_text(event: StopAsked) -> str:
    """What a view says at the first Ctrl-C, or when the journal cannot be written."""
    going = some(event.running) or "no step runs"
    said = f"{event.because}: goes on to its end: {going}; {event.left} others are not begun"
    return f"{said}; Ctrl-C again stops at once" if event.because == INTERRUPTED else said


def some(ids: Sequence[str]) -> str:
    """Some ids in one line, and how many more there are."""
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return ", ".join(ids[:SHOWN]) + more


def _left(outcome: Outcome, plan: Plan) -> str:
    over = {*outcome.done, *outcome.cut, *outcome.failed}
    left = [p.step.id for p in plan.planned if p.step.id not in over]
    lines = [f"stopped in the middle: {some(outcome.cut)}"] if outcome.cut else []
    return "\n".join([*lines, f"not begun: {some(left)}"] if left else lines)


def raise_if_lost(lost: Mapping[str, CloudError]) -> None:
    """HostError for hosts that were left out: all else is done, theirs is not."""
    if lost:
        raise HostError(
            f"{', '.join(lost)} could not be used; what could be done without is done",
            why="\n".join(str(error).splitlines()[0] for error in lost.values()),
            hint="bring them back (`cloudwright check --hosts` says how) and `apply` again, "
            "or take them out of cloud.yaml",
        )


def _first(text: str) -> str:
    """The first line, without the step's id that stands before it already."""
    line = text.strip().splitlines()[0] if text.strip() else "no reason was given"
    return line.partition(": ")[2] or line


def _near(directory: str) -> str:
    """A path from here when it lies below us."""
    path = Path(directory)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else directory
