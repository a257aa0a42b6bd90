"""What is written down while a drill runs: every request, every try to write, and the marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["ok", "retried", "failed"]
"""`retried`: the first try failed and the client's one more try was answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request of one stream; `began` is in seconds since the drill's start.

    `seconds` holds both tries and the pause between them; `why` is the last error's text.
    """

    stream: str
    began: float
    seconds: float
    outcome: Outcome
    why: str = ""

    @property
    def ended(self) -> float:
        """When its answer, or its last error, was there."""
        return self.began + self.seconds

    @property
    def answered(self) -> bool:
        """Whether a user got what he asked for."""
        return self.outcome != "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """When what was done, in seconds since the drill's start.

    The failure lasts from `broken_from` (its injection began) to `mended_from` (the repair
    began); `mended_at`: the repair was done. `whole_at`: every container healthy, every cluster
    complete; None when that did not come in the time given. `ended`: the last request's end.
    """

    broken_from: float
    broken_at: float
    mended_from: float
    mended_at: float
    whole_at: float | None
    ended: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """What one kind of write must have left behind, by the numbers of the writes.

    `acknowledged` must be there, `removed` (a removal was acknowledged) must not; about a write
    without an answer nothing is known, and it may be either. `found` is what each place that was
    asked holds: a database member, the queue, an API.
    """

    kind: str
    acknowledged: frozenset[int]
    found: dict[str, frozenset[int]]
    removed: frozenset[int] = frozenset()

    @property
    def lost(self) -> dict[str, tuple[int, ...]]:
        """Place → acknowledged writes that it lacks; only places that lack some."""
        wrong = {p: self.acknowledged - there for p, there in self.found.items()}
        return {place: tuple(sorted(missing)) for place, missing in wrong.items() if missing}

    @property
    def risen(self) -> dict[str, tuple[int, ...]]:
        """Place → what is there although its removal was acknowledged."""
        wrong = {p: self.removed & there for p, there in self.found.items()}
        return {place: tuple(sorted(back)) for place, back in wrong.items() if back}

    @property
    def holds(self) -> bool:
        """Whether it was asked for somewhere, and every place has what it must have."""
        return bool(self.found) and not self.lost and not self.risen
