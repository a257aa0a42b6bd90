"""How long steps took before, from the newest journals of runs that were made from here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cloudwright.execute.journal.journal import JOURNAL, read_journal
from cloudwright.execute.journal.timeline import Timeline, timeline
from cloudwright.plan.estimate import Durations, Sample, durations

RUNS = 10
"""Newest runs that are looked at: a machine, an image or a cloud changes with time."""

BYTES = 32 * 1024 * 1024
"""All journals together; reading must not take longer than a plan."""


def read_durations(runs: Path) -> Durations:
    """The medians of what is in the newest journals below `runs`; what is unreadable is left out.

    Only steps that went well count. A journal of a run that did none counts as no run.
    """
    samples: list[Sample] = []
    count = 0
    for story in _stories(runs):
        found = list(_samples(story))
        samples += found
        count += bool(found)
    return durations(count, samples)


def _stories(runs: Path) -> Iterator[Timeline]:
    room, newest = BYTES, sorted(runs.glob(f"*/{JOURNAL}"), reverse=True)
    for path in newest[:RUNS]:
        room -= path.stat().st_size
        if room < 0:
            return
        try:
            yield timeline(read_journal(path))
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _samples(story: Timeline) -> Iterator[Sample]:
    for step in story.steps.values():
        if step.result == "done":
            yield Sample(id=step.id, change=step.change, seconds=step.seconds)
