"""A run as plain lines, for a pipe or a log: one when a step starts, waits, ends or fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

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
from cloudwright.execute.journal.journal import Journal
from cloudwright.plan.estimate import Estimate


@dataclass(slots=True)
class PlainView:
    """Writes with `write`; knows of the run how many steps it has and how many are over."""

    write: Callable[[str], None]
    progress: Progress = field(default_factory=Progress)
    began: float = 0.0
    total: int = 0
    over: int = 0
    hosts: dict[str, str] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Take one event in."""
        self.progress(event)
        match event:
            case RunStarted():
                self._begin(event)
            case StepStarted(id=id, at=at):
                self._line(at, f"begins {self._place(id)}")
            case StepWaits(id=id, reason=reason, at=at):
                self._line(at, f"waits  {self._place(id)}: {reason}")
            case StepDone(id=id, seconds=seconds, at=at):
                left = self.progress.left_text(at)
                text = f"done {self._place(id)} in {seconds:.1f} s"
                self._end(at, f"{text}; {left}" if left else text)
            case StepFailure(id=id, error=error, log=log, at=at):
                self._end(at, f"FAILED {self._place(id)}; log: {log}")
                self._error(error)
            case StepFell(id=id, error=error, log=log, at=at):
                self._line(at, f"FAILED after it was done: {self._place(id)}; log: {log}")
                self._error(error)
            case StepSkipped(id=id, because=because, at=at):
                self._end(at, f"skipped {self._place(id)} because of {because}")
            case StopAsked(at=at):
                self._line(at, stopping_text(event))
            case RunEnded(done=done, failed=failed, skipped=skipped, seconds=seconds, at=at):
                self._line(
                    at, f"{done} done, {failed} failed, {skipped} skipped in {seconds:.1f} s"
                )

    def _begin(self, event: RunStarted) -> None:
        self.began, self.total = event.at, len(event.planned)
        self.hosts = {p.step.id: p.step.host for p in event.planned}
        self._line(event.at, f"{self.total} steps; journal and logs in {event.directory}")
        if path := self.progress.path_text():
            self._line(event.at, path)

    def _error(self, text: str) -> None:
        for line in text.splitlines():
            self.write(f"           {clip(line)}")

    def _end(self, at: float, text: str) -> None:
        self.over += 1
        width = len(str(self.total))
        self._line(at, f"{self.over:>{width}}/{self.total} {text}")

    def _line(self, at: float, text: str) -> None:
        self.write(f"[{at - self.began:6.1f} s] {text}")

    def _place(self, id: str) -> str:
        host = self.hosts.get(id, "")
        return id if "@" in id or not host else f"{id} on {host}"


@contextmanager
def watch(expected: Estimate, plain: bool = False) -> Iterator[Tell]:
    """A consumer for a run's events: the journal first, then the view that fits where we write."""
    journal, progress = Journal(), Progress(expected=expected)
    if plain or not sys.stdout.isatty():
        lines = PlainView(write=lambda line: print(line, flush=True), progress=progress)
        yield _both(journal, lines)
        return
    from cloudwright.cli.view_rich import live_view

    with live_view(progress) as view:
        yield _both(journal, view)


def _both(journal: Tell, view: Tell) -> Tell:
    reading = [True]

    def tell(event: Event) -> None:
        try:
            journal(event)
        finally:  # a full disk is no reason to tell nobody
            if reading[0]:
                try:
                    view(event)
                except OSError:  # whoever read us has gone; what was begun goes on to its end
                    reading[0] = False

    return tell
