"""How long a plan will take, from how long its steps took before; no history, no estimate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from cloudwright.plan.difference import Plan
from cloudwright.plan.graph import ids_in_order

KINDS = ("files", "volume", "job", "database", "identity", "zone", "switch")
"""The second word of a step's id, where it is not a container's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A step that was done once: its id, the sign of its change, and how many seconds it took."""

    id: str
    change: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Durations:
    """Medians of what steps took in `runs` earlier runs, from the most alike to the least."""

    runs: int
    medians: Mapping[tuple[str, str], float]

    def of(self, id: str, change: str) -> float | None:
        """Seconds for a step: of the same on the same host, on any host, of its kind; or None."""
        for key in _keys(id, change):
            if key in self.medians:
                return self.medians[key]
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What to expect. `seconds`: step id → how long it takes; `after`: how long the longest chain
    of steps is that can only begin when it is over. `unknown` steps count nothing: nothing like
    them was ever done."""

    runs: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    unknown: int = 0

    @property
    def total(self) -> float:
        """Seconds from begin to end."""
        return max((self.seconds[id] + self.after[id] for id in self.seconds), default=0.0)

    @property
    def is_known(self) -> bool:
        """Whether anything like any of it was done before."""
        return self.runs > 0 and self.unknown < len(self.seconds)

    def left(self, over: Iterable[str], running: Mapping[str, float]) -> float:
        """Seconds until the end, when `over` are done and `running` (id → seconds) are under way.

        A step that takes longer than expected is taken to end now.
        """
        gone = set(over)
        return max(
            (
                max(0.0, seconds - running.get(id, 0.0)) + self.after[id]
                for id, seconds in self.seconds.items()
                if id not in gone
            ),
            default=0.0,
        )

    def __str__(self) -> str:
        if not self.is_known:
            return "no estimate: nothing like it was done from here before"
        noun = "run" if self.runs == 1 else "runs"
        text = f"about {in_words(self.total)}, from {self.runs} earlier {noun}"
        some = "1 step was" if self.unknown == 1 else f"{self.unknown} steps were"
        return text + (f"; {some} never done before" if self.unknown else "")


def durations(runs: int, samples: Iterable[Sample]) -> Durations:
    """The medians of the samples, which come from so many runs."""
    found: dict[tuple[str, str], list[float]] = {}
    for sample in samples:
        for key in _keys(sample.id, sample.change):
            found.setdefault(key, []).append(sample.seconds)
    return Durations(runs=runs, medians={key: median(those) for key, those in found.items()})


def estimate(plan: Plan, known: Durations) -> Estimate:
    """What to expect of a plan: every step begins as soon as all its gates are over."""
    gates = plan.gates
    given = {p.step.id: known.of(p.step.id, p.change.value) for p in plan.planned}
    seconds = {id: value or 0.0 for id, value in given.items()}
    after = dict.fromkeys(seconds, 0.0)
    follower: dict[str, str] = {}
    for id in reversed(ids_in_order(gates)):
        for gate in gates[id]:
            if gate in after and seconds[id] + after[id] >= after[gate]:
                after[gate] = seconds[id] + after[id]
                follower[gate] = id
    return Estimate(
        runs=known.runs,
        seconds=seconds,
        after=after,
        path=_path(seconds, after, follower),
        unknown=sum(value is None for value in given.values()),
    )


def expected_json(expected: Estimate) -> dict[str, Any]:
    """An estimate as plain data; `seconds` is null where nothing is known."""
    return {
        "seconds": round(expected.total, 1) if expected.is_known else None,
        "runs": expected.runs,
        "unknown_steps": expected.unknown,
        "critical_path": list(expected.path) if expected.is_known else [],
    }


def in_words(seconds: float) -> str:
    """A length of time as a person says it: no more exact than an estimate can be."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _path(
    seconds: Mapping[str, float], after: Mapping[str, float], follower: Mapping[str, str]
) -> tuple[str, ...]:
    if not seconds:
        return ()
    id = max(seconds, key=lambda one: seconds[one] + after[one])
    path = [id]
    while id in follower:
        id = follower[id]
        path.append(id)
    return tuple(path)


def _keys(id: str, change: str) -> tuple[tuple[str, str], ...]:
    """What a step's duration is looked up by, the most telling first."""
    name = id.partition("@")[0]
    word = name.split("/")[1] if "/" in name else name
    kind = word if word in KINDS else "container"
    return (
        (f"id {id}", change),
        (f"name {name}", change),
        (f"name {name}", ""),
        (f"kind {kind}", ""),
    )
