"""A run explained: what decided how long it took, and which step waited for what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cloudwright.cli.options import clip, columns

if TYPE_CHECKING:
    from cloudwright.execute.journal.timeline import StepStory, Timeline

LONGEST = 10
"""Waits and queues that are shown."""

WORTH_SECONDS = 0.1


async def explain_run(path: Path, run: str) -> str:
    """The text for `explain RUN`; Missing when nobody remembers the run or its journal."""
    from cloudwright.cli.history import steps, took
    from cloudwright.errors import Missing
    from cloudwright.execute.history import open_history

    async with open_history(path) as found:
        one = found.find(run)
        story = await found.story(one.record.run)
    if story is None:
        raise Missing(f"the run {one.record.run} left no journal", hint="it did no steps")
    head = f"{one.record.run}: {one.record.what}, {one.result}, {took(one.record)}; "
    return "\n".join([head + steps(one.record), "", story_text(story)])


def story_text(story: Timeline) -> str:
    """The critical path, the longest waits, and what did not go well."""
    from cloudwright.execute.journal.timeline import critical_path

    path = critical_path(story)
    on_it = sum(step.seconds for step in path)
    parts = [f"critical path: {on_it:.1f} of {story.seconds:.1f} s", columns(_PATH, _path(path))]
    if waits := _waits(story):
        parts += ["", "longest waits inside a step", columns(("SECONDS", "STEP", "FOR"), waits)]
    if gates := _gates(story):
        header = ("SECONDS", "STEP", "FOR")
        parts += ["", "last to begin, and what they waited for", columns(header, gates)]
    if ill := [_ill(s) for s in story.steps.values() if s.result not in ("done",)]:
        parts += ["", "not done", columns(("STEP", "RESULT", "WHY"), ill)]
    return "\n".join(parts)


_PATH = ("FROM", "SECONDS", "STEP", "", "WAITED")


def _path(path: tuple[StepStory, ...]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for step in path:
        waited = max(step.waits, key=lambda wait: wait.seconds, default=None)
        queued = f"queued {step.queued:.1f} s" if step.queued >= WORTH_SECONDS else ""
        reason = f"{waited.seconds:.1f} s for: {waited.reason}" if waited else ""
        rows.append(
            (f"{step.began or 0:.1f}", f"{step.seconds:.1f}", step.id, queued, clip(reason))
        )
    return rows


def _waits(story: Timeline) -> list[tuple[str, ...]]:
    waits = [
        (wait.seconds, step.id, wait.reason)
        for step in story.steps.values()
        for wait in step.waits
    ]
    longest = sorted(waits, reverse=True)[:LONGEST]
    return [(f"{s:.1f}", id, clip(why)) for s, id, why in longest if s >= WORTH_SECONDS]


def _gates(story: Timeline) -> list[tuple[str, ...]]:
    latest = sorted(story.steps.values(), key=lambda step: step.ready, reverse=True)[:LONGEST]
    return [(f"{s.ready:.1f}", s.id, s.gate) for s in latest if s.ready >= WORTH_SECONDS]


def _ill(step: StepStory) -> tuple[str, ...]:
    text = step.text.splitlines()[0] if step.text else ""
    return step.id, step.result, clip(text)
