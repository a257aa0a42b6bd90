"""How a run ended, as an error when it is not whole."""

from __future__ import annotations

from pathlib import Path

from cloudwright.errors import Interrupted, StepFailed
from cloudwright.execute.events import Outcome
from cloudwright.plan.difference import Plan

STOPPING = "interrupted: running steps go on to their end; Ctrl-C again stops at once"

AGAIN = "`cloudwright apply` goes on where this stopped"


def raise_unless_whole(outcome: Outcome, plan: Plan) -> None:
    """Interrupted or StepFailed with what failed, what was skipped, and where the logs are."""
    if outcome.is_whole:
        return
    logs = f"logs in {_near(outcome.directory)}"
    if outcome.interrupted and not outcome.failed:
        left = len(plan.planned) - len(outcome.done)
        raise Interrupted(
            f"interrupted: {len(outcome.done)} steps done, {left} left", hint=f"{AGAIN}; {logs}"
        )
    count = len(outcome.failed)
    raise StepFailed(
        f"{count} step{'' if count == 1 else 's'} failed, {len(outcome.skipped)} were skipped, "
        f"{len(outcome.done)} are done",
        why="\n".join(f"{id}: {_first(text)}" for id, text in outcome.failed.items()),
        hint=f"{AGAIN}; {logs}",
    )


def _first(text: str) -> str:
    """The first line, without the step's id that stands before it already."""
    line = text.strip().splitlines()[0] if text.strip() else "no reason was given"
    return line.partition(": ")[2] or line


def _near(directory: str) -> str:
    """A path from here when it lies below us."""
    path = Path(directory)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else directory
