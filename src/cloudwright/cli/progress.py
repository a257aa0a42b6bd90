"""How far a run is: what is left in time, and which chain of steps decides when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloudwright.execute.journal.events import (
    Event,
    StepDone,
    StepFailure,
    StepSkipped,
    StepStarted,
)
from cloudwright.plan.estimate import Estimate, in_words

SHOWN = 6
"""Steps of the critical path that are named; the terminal may be narrow."""


@dataclass(slots=True)
class Progress:
    """Consumes a run's events; `expected` is what earlier runs say, of no use without any."""

    expected: Estimate = field(default_factory=Estimate)
    running: dict[str, float] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)

    def __call__(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case StepStarted(id=id, at=at):
                self.running[id] = at
            case StepDone(id=id) | StepFailure(id=id) | StepSkipped(id=id):
                self.running.pop(id, None)
                self.over.add(id)
            case _:
                pass

    def left_text(self, at: float) -> str:
        """How long it will still take at the time `at`; empty when nobody can know."""
        if not self.expected.is_known or len(self.over) == len(self.expected.seconds):
            return ""
        elapsed = {id: at - since for id, since in self.running.items()}
        return f"about {in_words(self.expected.left(self.over, elapsed))} left"

    def path_text(self) -> str:
        """What of the critical path is left, from the step that runs on; empty when unknown."""
        if not self.expected.is_known:
            return ""
        left = [id for id in self.expected.path if id not in self.over]
        if len(left) < 2:
            return ""
        more = f" → {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        return f"critical path: {' → '.join(left[:SHOWN])}{more}"
