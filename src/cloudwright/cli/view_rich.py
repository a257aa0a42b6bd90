"""A run on a terminal: what runs where, how long, what it waits for, and what is next."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

from cloudwright.cli.board import Board, Row, live
from cloudwright.cli.options import clip
from cloudwright.cli.outcome import stopping_text
from cloudwright.cli.progress import Progress
from cloudwright.execute.journal.events import (
    Event,
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
from cloudwright.plan.steps import Step

NEXT = 4
QUIET_SECONDS = 1.0
"""A step that took less leaves no line behind: most do, and they would hide the others."""


@dataclass(slots=True)
class Running:
    """A step under way; `since` and `now` are seconds since the epoch."""

    host: str
    since: float
    waits: str = ""


@dataclass(slots=True)
class LiveView:
    """What the screen must know; `say` prints a line above the live part."""

    say: Callable[[str], None]
    clock: Callable[[], float]
    progress: Progress = field(default_factory=Progress)
    began: float = 0.0
    steps: dict[str, Step] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    failed: int = 0
    skipped: int = 0

    def __call__(self, event: Event) -> None:
        """Take one event in."""
        self.progress(event)
        match event:
            case RunStarted(planned=planned, directory=directory, at=at):
                self.began = at
                self.steps = {p.step.id: p.step for p in planned}
                self.say(f"[dim]journal and logs in {escape(directory)}[/]")
            case StepStarted(id=id, host=host, at=at):
                self.running[id] = Running(host=host, since=at)
            case StepWaits(id=id, reason=reason):
                self._wait(id, reason)
            case StepDone(id=id, seconds=seconds):
                self._end(id)
                if seconds >= QUIET_SECONDS:
                    self.say(f"[green]✓[/] {escape(id)} [dim]{seconds:.1f} s[/]")
            case StepFailure() | StepFell():
                self._fail(event)
            case StepSkipped(id=id):
                self._end(id)
                self.skipped += 1
            case StopAsked():
                self.say(f"[yellow]{escape(stopping_text(event))}[/]")
            case RunEnded():
                self._sum_up(event)

    def board(self) -> Board:
        """The live part, as it is now."""
        now = self.clock()
        return Board(
            done=len(self.over),
            total=len(self.steps),
            seconds=now - self.began,
            running=[
                Row(
                    seconds=now - run.since,
                    name=id.partition("@")[0],
                    host=run.host,
                    waits=f"waits: {run.waits}" if run.waits else "",
                )
                for id, run in self.running.items()
            ],
            left=self.progress.left_text(now),
            path=self.progress.path_text(),
            following=self._next(),
        )

    def _next(self) -> list[str]:
        """Steps that lack nothing but what runs now."""
        ready = (
            id
            for id, step in self.steps.items()
            if id not in self.over
            and id not in self.running
            and (step.needs & self.steps.keys()) <= self.over | self.running.keys()
        )
        return [id for id, _ in zip(ready, range(NEXT), strict=False)]

    def _end(self, id: str) -> None:
        self.running.pop(id, None)
        self.over.add(id)

    def _wait(self, id: str, reason: str) -> None:
        if id in self.running:
            self.running[id].waits = reason
        else:
            self.say(f"[yellow]![/] {escape(id)}: {escape(reason)}")

    def _fail(self, event: StepFailure | StepFell) -> None:
        how = "was done, and did not stay"
        if isinstance(event, StepFailure):
            self._end(event.id)
            how = f"{event.seconds:.1f} s"
        self.failed += 1
        self.say(f"[bold red]✗ {escape(event.id)}[/] [dim]{how}[/]")
        self.say("\n".join(f"    {escape(clip(line))}" for line in event.error.splitlines()))
        self.say(f"    [dim]log: {escape(event.log)}[/]")

    def _sum_up(self, event: RunEnded) -> None:
        colour = "red" if event.failed else "yellow" if event.skipped else "green"
        self.say(
            f"[bold {colour}]{event.done} done, {event.failed} failed, {event.skipped} skipped[/]"
            f" in {event.seconds:.1f} s"
        )


@contextmanager
def live_view(progress: Progress) -> Iterator[Tell]:
    """The view on the terminal, for as long as the block runs."""
    console = Console()
    view = LiveView(
        say=lambda text: console.print(text, soft_wrap=True), clock=time.time, progress=progress
    )
    with live(console, view.board):
        yield view
